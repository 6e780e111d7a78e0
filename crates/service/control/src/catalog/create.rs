//! Making stacks.

use mu_db::{Batch, Outcome, keys};
use mu_stack::{Env as Variables, StackId, StackName};

use super::error::at_most;
use super::limits::{ATTEMPTS_MAX, IDEMPOTENCY_KEY_BYTES_MAX, PRINCIPAL_BYTES_MAX};
use super::stack_record::{check_annotations, check_name};
use super::stored::{Stored, encode};
use super::{Annotations, Catalog, CatalogError, StackEntry, StackRecord, StackState, VersionNumber};

/// A stack to be made.
#[derive(Clone, Debug)]
pub struct NewStack {
    /// Its name, which no other stack of the node may have.
    pub name: StackName,
    /// Who makes it: the text form of a principal.
    pub owner: String,
    /// Environment variables that all its functions get.
    pub config: Variables,
    /// What others noted about it.
    pub annotations: Annotations,
    /// A key under which the same owner gets the same stack, however often it is asked for.
    pub idempotency_key: Option<String>,
}

impl NewStack {
    /// A stack of this name, without configuration.
    #[must_use]
    pub fn named(name: StackName, owner: String) -> Self {
        Self { name, owner, config: Variables::new(), annotations: Annotations::new(), idempotency_key: None }
    }
}

impl Catalog {
    /// Makes a stack, with a random id and no version. A stack of that name whose data were kept when its owner deleted
    /// it comes back, with the id that it had.
    ///
    /// # Errors
    /// [`CatalogError::NameTaken`], [`CatalogError::NameIsId`], [`CatalogError::Deleted`] while one of that name is being
    /// deleted, [`CatalogError::Annotation`], [`CatalogError::TooLarge`], [`CatalogError::Record`].
    pub async fn create(&self, new: NewStack) -> Result<StackRecord, CatalogError> {
        self.create_with(new, |_, _| Ok(())).await
    }

    /// The same, with what `besides` writes for the new stack in the same commit.
    ///
    /// # Errors
    /// As of [`Catalog::create`]; [`CatalogError::Besides`] with the error of `besides`.
    pub async fn create_with(
        &self,
        new: NewStack,
        besides: impl Fn(&mut Batch, StackId) -> Result<(), String>,
    ) -> Result<StackRecord, CatalogError> {
        check_name(&new.name)?;
        check_annotations(&new.annotations)?;
        at_most("an owner's text", new.owner.len(), PRINCIPAL_BYTES_MAX)?;
        let key_bytes = new.idempotency_key.as_ref().map_or(0, String::len);
        at_most("an idempotency key", key_bytes, IDEMPOTENCY_KEY_BYTES_MAX)?;
        for _ in 0..ATTEMPTS_MAX {
            let record = match self.entry(&new.name).await? {
                None => self.make(&new, &besides).await?,
                Some(entry) => {
                    let existing = self.read_stack(&entry.value.id).await?.filter(|stack| stack.value.name == new.name);
                    // Without one, it was deleted or renamed between the two reads.
                    let Some(existing) = existing else { continue };
                    if is_repeated(&existing.value, &new) {
                        return Ok(existing.value);
                    }
                    self.bring_back(existing, entry, &new).await?
                }
            };
            if let Some(record) = record {
                return Ok(record);
            }
        }
        Err(CatalogError::Contended { what: format!("the name `{}`", new.name) })
    }

    async fn make(
        &self,
        new: &NewStack,
        besides: &impl Fn(&mut Batch, StackId) -> Result<(), String>,
    ) -> Result<Option<StackRecord>, CatalogError> {
        let mut id = [0; 32];
        self.env.random().fill_secret(&mut id);
        let now = self.env.now();
        let record = StackRecord {
            id: StackId::new(id),
            name: new.name.clone(),
            owner: new.owner.clone(),
            created: now,
            updated: now,
            state: StackState::Active,
            next_version: VersionNumber::FIRST,
            config: new.config.clone(),
            annotations: new.annotations.clone(),
            request: request_hash(new),
        };
        let (stack, name) = (keys::catalog::stack(&id), keys::catalog::stack_name(new.name.as_str()));
        let batch = Batch::new().expect_absent(name.clone()).expect_absent(stack.clone());
        let batch = batch.put(name, StackEntry::of(&record).encode()).put(stack, encode(&record));
        let mut batch = batch;
        besides(&mut batch, record.id).map_err(CatalogError::Besides)?;
        Ok((self.kv.commit(batch).await? == Outcome::Committed).then_some(record))
    }

    async fn bring_back(
        &self,
        existing: Stored<StackRecord>,
        entry: Stored<StackEntry>,
        new: &NewStack,
    ) -> Result<Option<StackRecord>, CatalogError> {
        let raw = existing.raw();
        let old = existing.value;
        if old.owner != new.owner || old.state == StackState::Active {
            return Err(CatalogError::NameTaken { name: old.name });
        }
        if matches!(old.state, StackState::Deleting { .. }) {
            return Err(CatalogError::Deleted { name: old.name, data_kept: false });
        }
        let record = StackRecord {
            updated: self.env.now(),
            state: StackState::Active,
            config: new.config.clone(),
            annotations: new.annotations.clone(),
            request: request_hash(new),
            ..old
        };
        let stack = keys::catalog::stack(record.id.key());
        let name = keys::catalog::stack_name(record.name.as_str());
        let batch = Batch::new().expect_value(stack.clone(), raw).expect_value(name.clone(), entry.raw());
        let batch = batch.put(name, StackEntry::of(&record).encode()).put(stack, encode(&record));
        Ok((self.kv.commit(batch).await? == Outcome::Committed).then_some(record))
    }
}

/// Whether this very request made the stack before.
fn is_repeated(existing: &StackRecord, new: &NewStack) -> bool {
    let request = request_hash(new);
    existing.state == StackState::Active && request.is_some() && existing.request == request
}

/// Not the key itself: those who may see the stack have no business with it.
fn request_hash(new: &NewStack) -> Option<String> {
    let key = new.idempotency_key.as_ref()?;
    let mut hasher = blake3::Hasher::new_derive_key("mu control: who made a stack with which idempotency key");
    hasher.update(&(new.owner.len() as u64).to_be_bytes()).update(new.owner.as_bytes()).update(key.as_bytes());
    Some(hasher.finalize().to_hex()[..32].to_owned())
}
