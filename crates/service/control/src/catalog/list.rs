//! The list of stacks, by name.
//!
//! What a list shows, and what decides who may see it, stands in the index of names: a page is one scan of that index
//! and reads no stack.

use bytes::{BufMut, Bytes, BytesMut};
use mu_db::{Cut, KeyRange, Order, Scan, ScanLimit, Select, keys};
use mu_env::Timestamp;
use mu_stack::{StackId, StackName};

use super::limits::{LISTED_NAMES_MAX, PAGE_MAX};
use super::stored::{RecordError, Stored};
use super::{Catalog, CatalogError, StackRecord, StackState};

const LAYOUT: u8 = 1;

/// Rows of one scan when the first one, of a page and one more, was not enough.
const CHUNK_ROWS: usize = 1_000;

/// A stack as it is listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StackEntry {
    /// Its name.
    pub name: StackName,
    /// Its id.
    pub id: StackId,
    /// Who made it: the text form of a principal.
    pub owner: String,
    /// When it was made.
    pub created: Timestamp,
    /// Whether it is there.
    pub state: EntryState,
}

/// Whether a stack is there; the short form of [`StackState`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EntryState {
    /// It can be deployed to.
    Active,
    /// It is being deleted.
    Deleting,
    /// It is gone but for its data.
    Kept,
}

/// Which page of the list.
#[derive(Clone, Copy, Debug, Default)]
pub struct StackListParams<'p> {
    /// What the names begin with.
    pub prefix: &'p str,
    /// The page begins behind this name; it need not exist.
    pub after: Option<&'p str>,
    /// How many stacks at most: 1 to [`PAGE_MAX`], else the nearest of these.
    pub limit: usize,
}

/// A page of the list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StackPage {
    /// The stacks, by name.
    pub stacks: Vec<StackEntry>,
    /// Where the next page begins: behind this name. `None` when there is none.
    pub next: Option<String>,
}

impl Catalog {
    /// A page of the stacks that are `visible`, by name. When few of many are, a page may be short or even empty and
    /// still have a next one: each looks at no more than [`LISTED_NAMES_MAX`] names.
    ///
    /// # Errors
    /// [`CatalogError::Record`].
    pub async fn list(
        &self,
        params: StackListParams<'_>,
        visible: impl Fn(&StackEntry) -> bool,
    ) -> Result<StackPage, CatalogError> {
        let limit = params.limit.clamp(1, PAGE_MAX);
        let mut range = KeyRange::prefix(keys::catalog::stack_name(params.prefix));
        if let Some(after) = params.after {
            range = range.after(&keys::catalog::stack_name(after));
        }
        let mut stacks: Vec<StackEntry> = Vec::new();
        let mut looked_at = 0;
        loop {
            // One more than a page tells whether another one follows.
            let rows = if looked_at == 0 { limit + 1 } else { CHUNK_ROWS };
            let limits = ScanLimit { rows, bytes: usize::MAX };
            let scan = Scan { range: range.clone(), order: Order::Ascending, limit: limits, select: Select::Rows };
            let page = self.kv.scan(scan).await?;
            for row in &page.rows {
                looked_at += 1;
                let entry = StackEntry::read(&row.key, &row.value)?;
                if !visible(&entry) {
                    continue;
                }
                if stacks.len() == limit {
                    let next = stacks.last().map(|last| last.name.to_string());
                    return Ok(StackPage { stacks, next });
                }
                stacks.push(entry);
            }
            let Some(last) = page.rows.last().filter(|_| page.cut == Some(Cut::Rows)) else {
                return Ok(StackPage { stacks, next: None });
            };
            if looked_at >= LISTED_NAMES_MAX {
                return Ok(StackPage { stacks, next: keys::catalog::parse_stack_name(&last.key) });
            }
            range = range.after(&last.key);
        }
    }

    /// The entry of a name.
    pub(super) async fn entry(&self, name: &StackName) -> Result<Option<Stored<StackEntry>>, CatalogError> {
        let key = keys::catalog::stack_name(name.as_str());
        let Some(raw) = self.kv.get(&key).await? else { return Ok(None) };
        Ok(Some(Stored { value: StackEntry::read(&key, &raw)?, raw }))
    }
}

impl StackEntry {
    pub(super) fn of(record: &StackRecord) -> Self {
        Self {
            name: record.name.clone(),
            id: record.id,
            owner: record.owner.clone(),
            created: record.created,
            state: match record.state {
                StackState::Active => EntryState::Active,
                StackState::Deleting { .. } => EntryState::Deleting,
                StackState::Kept { .. } => EntryState::Kept,
            },
        }
    }

    /// Not JSON: a page may look at ten thousand of these.
    pub(super) fn encode(&self) -> Bytes {
        let mut bytes = BytesMut::with_capacity(2 + 8 + 32 + self.owner.len());
        bytes.put_u8(LAYOUT);
        bytes.put_u8(self.state.code());
        bytes.put_u64(self.created.as_micros());
        bytes.put_slice(self.id.key());
        bytes.put_slice(self.owner.as_bytes());
        bytes.freeze()
    }

    fn read(key: &[u8], raw: &[u8]) -> Result<Self, RecordError> {
        let name = keys::catalog::parse_stack_name(key).unwrap_or_default();
        Self::decode(&name, raw).ok_or_else(|| RecordError::Unreadable { what: format!("the name `{name}`") })
    }

    fn decode(name: &str, raw: &[u8]) -> Option<Self> {
        let (&[layout, state], rest) = raw.split_first_chunk::<2>()?;
        let (created, rest) = rest.split_first_chunk::<8>()?;
        let (id, owner) = rest.split_first_chunk::<32>()?;
        let entry = Self {
            name: name.parse().ok()?,
            id: StackId::new(*id),
            owner: std::str::from_utf8(owner).ok()?.to_owned(),
            created: Timestamp::from_micros(u64::from_be_bytes(*created)),
            state: EntryState::from_code(state)?,
        };
        (layout == LAYOUT).then_some(entry)
    }
}

impl EntryState {
    const ALL: [Self; 3] = [Self::Active, Self::Deleting, Self::Kept];

    const fn code(self) -> u8 {
        match self {
            Self::Active => 0,
            Self::Deleting => 1,
            Self::Kept => 2,
        }
    }

    fn from_code(code: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.code() == code)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Changing one of these strands the data of every node: add a version instead.
    #[test]
    fn golden() {
        for (code, state) in EntryState::ALL.into_iter().enumerate() {
            let entry = StackEntry {
                name: "shop".parse().unwrap(),
                id: StackId::new([0xab; 32]),
                owner: "k_a".into(),
                created: Timestamp::from_micros(258),
                state,
            };
            let expected =
                [&[1, u8::try_from(code).unwrap(), 0, 0, 0, 0, 0, 0, 1, 2][..], &[0xab; 32], b"k_a"].concat();
            assert_eq!(entry.encode(), expected);
            assert_eq!(StackEntry::decode("shop", &expected), Some(entry));
            for damaged in [&expected[..41], &[&[2], &expected[1..]].concat(), &[&[1, 9], &expected[2..]].concat()] {
                assert_eq!(StackEntry::decode("shop", damaged), None);
            }
        }
    }
}
