//! Setting, listing, deleting and revealing secrets, and sealing them anew.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use mu_db::keys::records as keys;
use mu_db::{Batch, Kv, Order, Outcome, Page, Scan, ScanLimit, Select};
use mu_env::Env;
use mu_stack::StackId;
use mu_storage::{RootKey, Sealer};

use super::record::{self, Entry, Head, SealedKey};
use super::{SECRETS_MAX, SecretError, SecretName, SecretValue, SecretVersion, VALUE_BYTES_MAX, VERSIONS_KEPT};

/// How often a change is tried again when others change the same.
const ATTEMPTS_MAX: usize = 16;
/// Keys that a stack may have, when sealing anew was broken off again and again.
const KEYS_MAX: usize = 4;
/// Bytes of records that are read at once.
const RECORDS_BYTES_MAX: usize = 16 << 20;
/// Values that are sealed anew with one commit.
const RESEALED: ScanLimit = ScanLimit { rows: 64, bytes: 4 << 20 };

/// The secrets of all stacks, on a [`Kv`].
pub struct Secrets {
    kv: Arc<dyn Kv>,
    sealer: Sealer,
    env: Env,
}

/// What can be known about a secret without its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretInfo {
    /// Its name.
    pub name: SecretName,
    /// The versions that are kept, the current one last.
    pub versions: Vec<SecretVersion>,
}

/// The head of a stack as it is stored, and with a key to seal with.
struct OpenHead {
    record: Option<Bytes>,
    head: Head,
}

impl Secrets {
    /// The secrets in `kv`, sealed with a key that is derived from the node's.
    #[must_use]
    pub fn new(kv: Arc<dyn Kv>, root_key: &RootKey, env: Env) -> Self {
        Self { kv, sealer: root_key.sealer("secrets of stacks"), env }
    }

    /// Sets a secret and answers the number of its new version. `by` is the text of a principal.
    ///
    /// # Errors
    /// When the stack has too many secrets, or the database fails.
    pub async fn set(
        &self,
        stack: &StackId,
        name: &SecretName,
        value: &SecretValue,
        by: &str,
    ) -> Result<u64, SecretError> {
        let entry_key = keys::secret(stack.key(), name.as_str());
        for _ in 0..ATTEMPTS_MAX {
            let (OpenHead { record, mut head }, entry_record) = self.read(stack, &entry_key).await?;
            let mut entry = match &entry_record {
                Some(record) => record::decode::<Entry>(record)?,
                None if head.secrets >= SECRETS_MAX => return Err(SecretError::TooMany),
                None => Entry::default(),
            };
            let mut batch = Batch::new()
                .expect(keys::secrets_head(stack.key()), record)
                .expect(entry_key.clone(), entry_record.clone());
            let is_first_key = head.keys.is_empty();
            let sealer = match head.keys.last() {
                Some(key) => self.open_key(stack, key)?,
                None => self.add_key(stack, &mut head),
            };
            let number = head.keys.last().map_or(0, |key| key.number);
            if entry_record.is_none() {
                head.secrets += 1;
            }
            if entry_record.is_none() || is_first_key {
                batch = batch.put(keys::secrets_head(stack.key()), record::encode(&head)?);
            }
            let version = entry.versions.last().map_or(1, |last| last.version + 1);
            let created_micros = self.env.now().as_micros();
            entry.versions.push(SecretVersion { version, created_micros, created_by: by.to_owned() });
            let forgotten = entry.versions.len().saturating_sub(VERSIONS_KEPT);
            for old in entry.versions.drain(..forgotten) {
                batch = batch.delete(keys::secret_value(stack.key(), name.as_str(), old.version));
            }
            let bytes = value.reveal().as_bytes();
            let sealed = sealer.seal(self.env.random(), &parts(stack, name.as_str(), &version.to_be_bytes()), bytes);
            let batch = batch
                .put(entry_key.clone(), record::encode(&entry)?)
                .put(keys::secret_value(stack.key(), name.as_str(), version), record::encode_value(number, &sealed));
            if self.kv.commit(batch).await? == Outcome::Committed {
                return Ok(version);
            }
        }
        Err(SecretError::Contended)
    }

    /// The secrets of a stack in the order of their names, without their values.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn list(&self, stack: &StackId) -> Result<Vec<SecretInfo>, SecretError> {
        let range = mu_db::KeyRange::prefix(keys::secret(stack.key(), ""));
        let limit = ScanLimit { rows: SECRETS_MAX as usize, bytes: RECORDS_BYTES_MAX };
        let page = self.kv.scan(Scan { range, order: Order::Ascending, limit, select: Select::Rows }).await?;
        let info = |row: mu_db::Row| {
            let name = keys::parse_secret(stack.key(), &row.key).and_then(|name| name.parse().ok());
            let versions = record::decode::<Entry>(&row.value)?.versions;
            Ok(SecretInfo { name: name.ok_or(SecretError::UnreadableRecord)?, versions })
        };
        page.rows.into_iter().map(info).collect()
    }

    /// Deletes a secret with all its versions.
    ///
    /// # Errors
    /// When there is none, or the database fails.
    pub async fn delete(&self, stack: &StackId, name: &SecretName) -> Result<(), SecretError> {
        let entry_key = keys::secret(stack.key(), name.as_str());
        for _ in 0..ATTEMPTS_MAX {
            let (OpenHead { record, mut head }, entry_record) = self.read(stack, &entry_key).await?;
            let Some(entry_record) = entry_record else {
                return Err(SecretError::NotFound { names: vec![name.clone()] });
            };
            let entry: Entry = record::decode(&entry_record)?;
            head.secrets = head.secrets.saturating_sub(1);
            let head_key = keys::secrets_head(stack.key());
            let mut batch = Batch::new()
                .expect(head_key.clone(), record)
                .expect_value(entry_key.clone(), entry_record)
                .put(head_key, record::encode(&head)?)
                .delete(entry_key.clone());
            for version in entry.versions {
                batch = batch.delete(keys::secret_value(stack.key(), name.as_str(), version.version));
            }
            if self.kv.commit(batch).await? == Outcome::Committed {
                return Ok(());
            }
        }
        Err(SecretError::Contended)
    }

    /// Seals all values of a stack with a fresh key and forgets the old one. Answers how many values that were. Secrets
    /// can be set and read meanwhile; what was broken off is completed by the next time.
    ///
    /// # Errors
    /// When a value cannot be opened, in which case its key is kept, or the database fails.
    pub async fn rotate(&self, stack: &StackId) -> Result<usize, SecretError> {
        let Some(head) = self.with_new_key(stack).await? else { return Ok(0) };
        let current = head.keys.last().ok_or(SecretError::UnreadableRecord)?;
        let sealer = self.open_key(stack, current)?;
        let mut range = keys::secret_values(stack.key());
        let (mut resealed, mut conflicts) = (0, 0);
        loop {
            let scan = Scan { range: range.clone(), order: Order::Ascending, limit: RESEALED, select: Select::Rows };
            let page = self.kv.scan(scan).await?;
            let (batch, values) = self.reseal(stack, &head, (current.number, &sealer), &page)?;
            if values > 0 && self.kv.commit(batch).await? != Outcome::Committed {
                // One of them was deleted meanwhile: look again.
                conflicts += 1;
                if conflicts > ATTEMPTS_MAX {
                    return Err(SecretError::Contended);
                }
                continue;
            }
            resealed += values;
            match page.rows.last() {
                Some(last) if page.cut.is_some() => range = range.after(&last.key),
                _ => break,
            }
        }
        self.forget_keys_before(stack, current.number).await?;
        Ok(resealed)
    }

    /// The current values of some secrets.
    ///
    /// # Errors
    /// When one of them does not exist or cannot be opened, or the database fails.
    pub async fn reveal_for(
        &self,
        stack: &StackId,
        names: &[SecretName],
    ) -> Result<BTreeMap<SecretName, SecretValue>, SecretError> {
        let mut wanted: Vec<_> = names.to_vec();
        wanted.sort_unstable();
        wanted.dedup();
        let entry_keys = wanted.iter().map(|name| keys::secret(stack.key(), name.as_str()));
        let record_keys: Vec<Bytes> = std::iter::once(keys::secrets_head(stack.key())).chain(entry_keys).collect();
        for _ in 0..ATTEMPTS_MAX {
            let mut records = self.kv.get_many(&record_keys, RECORDS_BYTES_MAX).await?.into_iter();
            let head = decode_head(records.next().flatten())?;
            let mut current = Vec::new();
            let mut missing = Vec::new();
            for (name, record) in wanted.iter().zip(records) {
                let entry = record.map(|record| record::decode::<Entry>(&record)).transpose()?;
                match entry.and_then(|entry| entry.versions.last().map(|last| last.version)) {
                    Some(version) => current.push((name.clone(), version)),
                    None => missing.push(name.clone()),
                }
            }
            if !missing.is_empty() {
                return Err(SecretError::NotFound { names: missing });
            }
            if let Some(values) = self.open_values(stack, &head.head, current).await? {
                return Ok(values);
            }
        }
        Err(SecretError::Contended)
    }

    /// The value of one version of a secret, as long as it is kept.
    ///
    /// # Errors
    /// When it is not kept or cannot be opened, or the database fails.
    pub async fn reveal_version(
        &self,
        stack: &StackId,
        name: &SecretName,
        version: u64,
    ) -> Result<SecretValue, SecretError> {
        let entry_key = keys::secret(stack.key(), name.as_str());
        for _ in 0..ATTEMPTS_MAX {
            let (head, entry) = self.read(stack, &entry_key).await?;
            let entry = entry.ok_or_else(|| SecretError::NotFound { names: vec![name.clone()] })?;
            let entry: Entry = record::decode(&entry)?;
            if !entry.versions.iter().any(|kept| kept.version == version) {
                return Err(SecretError::VersionNotFound { name: name.clone(), version });
            }
            let values = self.open_values(stack, &head.head, vec![(name.clone(), version)]).await?;
            if let Some(value) = values.and_then(|mut values| values.remove(name)) {
                return Ok(value);
            }
        }
        Err(SecretError::Contended)
    }

    /// Deletes all secrets of a stack that is deleted.
    ///
    /// # Errors
    /// When the database fails; the call can be made again.
    pub async fn delete_stack(&self, stack: &StackId) -> Result<(), SecretError> {
        loop {
            let limit = ScanLimit { rows: 1_000, bytes: 1 << 20 };
            let range = keys::secrets(stack.key());
            let page = self.kv.scan(Scan { range, order: Order::Descending, limit, select: Select::Keys }).await?;
            let has_more = page.cut.is_some();
            let batch = page.rows.into_iter().fold(Batch::new(), |batch, row| batch.delete(row.key));
            self.kv.commit(batch).await?;
            if !has_more {
                return Ok(());
            }
        }
    }

    /// The head of a stack and the entry of a secret, both from one state.
    async fn read(&self, stack: &StackId, entry_key: &Bytes) -> Result<(OpenHead, Option<Bytes>), SecretError> {
        let record_keys = [keys::secrets_head(stack.key()), entry_key.clone()];
        let mut records = self.kv.get_many(&record_keys, RECORDS_BYTES_MAX).await?.into_iter();
        let head = decode_head(records.next().flatten())?;
        Ok((head, records.next().flatten()))
    }

    /// Opens values. `None` when one of them is gone, or its key is: they were changed meanwhile.
    async fn open_values(
        &self,
        stack: &StackId,
        head: &Head,
        wanted: Vec<(SecretName, u64)>,
    ) -> Result<Option<BTreeMap<SecretName, SecretValue>>, SecretError> {
        let value_keys = wanted.iter().map(|(name, version)| keys::secret_value(stack.key(), name.as_str(), *version));
        let value_keys: Vec<Bytes> = value_keys.collect();
        let bytes_max = value_keys.len() * (VALUE_BYTES_MAX + 1_024);
        let records = self.kv.get_many(&value_keys, bytes_max).await?;
        let mut values = BTreeMap::new();
        for ((name, version), record) in wanted.into_iter().zip(records) {
            let Some(record) = record else { return Ok(None) };
            let (number, sealed) = record::decode_value(&record)?;
            let Some(key) = head.keys.iter().find(|key| key.number == number) else { return Ok(None) };
            let version = version.to_be_bytes();
            let opened = self.open_key(stack, key)?.open(&parts(stack, name.as_str(), &version), sealed);
            let value = opened.ok().and_then(SecretValue::opened);
            let value = value.ok_or_else(|| SecretError::Sealed { name: name.to_string() })?;
            values.insert(name, value);
        }
        Ok(Some(values))
    }

    /// Gives a stack that has secrets a new current key.
    async fn with_new_key(&self, stack: &StackId) -> Result<Option<Head>, SecretError> {
        let head_key = keys::secrets_head(stack.key());
        for _ in 0..ATTEMPTS_MAX {
            let OpenHead { record, mut head } = decode_head(self.kv.get(&head_key).await?)?;
            let Some(record) = record else { return Ok(None) };
            if head.keys.len() >= KEYS_MAX {
                return Ok(Some(head));
            }
            self.add_key(stack, &mut head);
            let batch = Batch::new().expect_value(head_key.clone(), record);
            if self.kv.commit(batch.put(head_key.clone(), record::encode(&head)?)).await? == Outcome::Committed {
                return Ok(Some(head));
            }
        }
        Err(SecretError::Contended)
    }

    /// What to write so that the values of a page that are sealed with older keys are sealed with this one.
    fn reseal(
        &self,
        stack: &StackId,
        head: &Head,
        (current, sealer): (u64, &Sealer),
        page: &Page,
    ) -> Result<(Batch, usize), SecretError> {
        let (mut batch, mut values) = (Batch::new(), 0);
        for row in &page.rows {
            let (name, version) =
                keys::parse_secret_value(stack.key(), &row.key).ok_or(SecretError::UnreadableRecord)?;
            let (number, sealed) = record::decode_value(&row.value)?;
            if number >= current {
                continue;
            }
            let version = version.to_be_bytes();
            let parts = parts(stack, &name, &version);
            let key = head.keys.iter().find(|key| key.number == number);
            let opened = key.and_then(|key| self.open_key(stack, key).ok()?.open(&parts, sealed).ok());
            let value = opened.ok_or_else(|| SecretError::Sealed { name: name.clone() })?;
            let resealed = record::encode_value(current, &sealer.seal(self.env.random(), &parts, &value));
            batch = batch.expect_value(row.key.clone(), row.value.clone()).put(row.key.clone(), resealed);
            values += 1;
        }
        Ok((batch, values))
    }

    async fn forget_keys_before(&self, stack: &StackId, number: u64) -> Result<(), SecretError> {
        let head_key = keys::secrets_head(stack.key());
        for _ in 0..ATTEMPTS_MAX {
            let OpenHead { record, mut head } = decode_head(self.kv.get(&head_key).await?)?;
            head.keys.retain(|key| key.number >= number);
            let Some(record) = record else { return Ok(()) };
            let batch = Batch::new().expect_value(head_key.clone(), record);
            if self.kv.commit(batch.put(head_key.clone(), record::encode(&head)?)).await? == Outcome::Committed {
                return Ok(());
            }
        }
        Err(SecretError::Contended)
    }

    fn add_key(&self, stack: &StackId, head: &mut Head) -> Sealer {
        let number = head.keys.last().map_or(1, |key| key.number + 1);
        let (sealer, key) = self.sealer.new_inner(self.env.random(), &[stack.key(), &number.to_be_bytes()]);
        head.keys.push(SealedKey { number, key });
        sealer
    }

    fn open_key(&self, stack: &StackId, key: &SealedKey) -> Result<Sealer, SecretError> {
        let opened = self.sealer.inner(&[stack.key(), &key.number.to_be_bytes()], &key.key);
        opened.map_err(|_| SecretError::SealedKeys)
    }
}

/// What a sealed value is bound to.
fn parts<'a>(stack: &'a StackId, name: &'a str, version: &'a [u8; 8]) -> [&'a [u8]; 3] {
    [stack.key(), name.as_bytes(), version]
}

fn decode_head(record: Option<Bytes>) -> Result<OpenHead, SecretError> {
    let head = record.as_deref().map(record::decode::<Head>).transpose()?;
    Ok(OpenHead { record, head: head.unwrap_or_default() })
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Secrets").finish_non_exhaustive()
    }
}
