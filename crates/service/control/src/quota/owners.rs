//! Whose stacks they are: what a client may use is counted over all of its stacks, also those that sleep.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

use mu_env::Timestamp;
use mu_stack::StackId;

use crate::catalog::{Catalog, CatalogError, StackListParams};
use crate::usage::Day;

/// Stacks of one page, when all are read.
const STACKS_PAGE: usize = 500;
/// How old a sum over the stacks of a client may be: as far as usage lags behind.
const SUM_AGE_MAX: Duration = Duration::from_secs(1);

/// The stacks of each client, by the text of its principal.
#[derive(Debug, Default)]
pub struct Owners(RwLock<Known>);

#[derive(Debug, Default)]
struct Known {
    owners: HashMap<StackId, Arc<str>>,
    clients: HashMap<Arc<str>, Client>,
}

#[derive(Debug, Default)]
struct Client {
    stacks: HashSet<StackId>,
    /// What its stacks have executed, and when they were asked.
    instructions: Mutex<Option<(Timestamp, u64)>>,
}

impl Owners {
    /// Reads whose the stacks of the catalog are.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn load(catalog: &Catalog) -> Result<Self, CatalogError> {
        let owners = Self::default();
        let mut after: Option<String> = None;
        loop {
            let params = StackListParams { prefix: "", after: after.as_deref(), limit: STACKS_PAGE };
            // Those that are being deleted, or of which the data alone are kept, still take room.
            let page = catalog.list(params, |_| true).await?;
            for entry in page.stacks {
                owners.add(entry.id, &entry.owner);
            }
            after = page.next;
            if after.is_none() {
                return Ok(owners);
            }
        }
    }

    /// Makes known whose a stack is. Answers with the owner's text, which all of its stacks share.
    pub fn add(&self, stack: StackId, owner: &str) -> Arc<str> {
        if let Some(known) = self.of(&stack).filter(|known| **known == *owner) {
            return known;
        }
        self.remove(&stack);
        let mut known = self.write();
        let shared = known.clients.get_key_value(owner).map(|(shared, _)| Arc::clone(shared));
        let owner = shared.unwrap_or_else(|| owner.into());
        known.owners.insert(stack, Arc::clone(&owner));
        known.clients.entry(Arc::clone(&owner)).or_default().stacks.insert(stack);
        owner
    }

    /// Forgets a stack that is gone.
    pub fn remove(&self, stack: &StackId) {
        let mut known = self.write();
        let Some(owner) = known.owners.remove(stack) else { return };
        if let Some(client) = known.clients.get_mut(&owner) {
            client.stacks.remove(stack);
            if client.stacks.is_empty() {
                known.clients.remove(&owner);
            }
        }
    }

    /// Whose a stack is.
    #[must_use]
    pub fn of(&self, stack: &StackId) -> Option<Arc<str>> {
        self.read().owners.get(stack).cloned()
    }

    /// The stacks of a client.
    #[must_use]
    pub fn stacks(&self, client: &str) -> Vec<StackId> {
        self.read().clients.get(client).map(|client| client.stacks.iter().copied().collect()).unwrap_or_default()
    }

    /// The sum over the stacks of a client of what each has executed today. They are asked about once a second.
    #[must_use]
    pub fn instructions_today(&self, client: &str, now: Timestamp, of_stack: impl Fn(&StackId) -> u64) -> u64 {
        let known = self.read();
        let Some(client) = known.clients.get(client) else { return 0 };
        let mut summed = client.instructions.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((at, sum)) = *summed
            && Day::of(at) == Day::of(now)
            && now < at.plus(SUM_AGE_MAX)
        {
            return sum;
        }
        let sum = client.stacks.iter().map(of_stack).fold(0, u64::saturating_add);
        *summed = Some((now, sum));
        sum
    }

    fn read(&self) -> RwLockReadGuard<'_, Known> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Known> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stack(number: u8) -> StackId {
        StackId::new([number; 32])
    }

    #[test]
    fn stacks_come_and_go() {
        let owners = Owners::default();
        for number in [1, 2] {
            assert_eq!(*owners.add(stack(number), "k_a"), *"k_a");
        }
        assert!(Arc::ptr_eq(&owners.add(stack(3), "k_a"), &owners.of(&stack(1)).unwrap()), "the text is shared");
        owners.add(stack(3), "k_b");
        let (mut of_a, of_b) = (owners.stacks("k_a"), owners.stacks("k_b"));
        of_a.sort();
        assert_eq!((of_a, of_b), (vec![stack(1), stack(2)], vec![stack(3)]));
        owners.remove(&stack(3));
        assert_eq!((owners.of(&stack(3)), owners.stacks("k_b")), (None, Vec::new()));
        assert_eq!(owners.read().clients.len(), 1, "nothing is remembered of who has no stack");
    }

    #[test]
    fn a_sum_is_made_once_a_second_and_anew_each_day() {
        let owners = Owners::default();
        owners.add(stack(1), "k_a");
        owners.add(stack(2), "k_a");
        let midnight = 86_400_000_000;
        for (at_micros, each, expected) in [
            (midnight - 2_500_000, 5, 10),
            (midnight - 1_500_001, 6, 10),
            (midnight - 1_500_000, 7, 14),
            (midnight - 500_000, 8, 16),
            (midnight, 0, 0),
        ] {
            let sum = owners.instructions_today("k_a", Timestamp::from_micros(at_micros), |_| each);
            assert_eq!(sum, expected, "{at_micros}");
        }
        assert_eq!(owners.instructions_today("k_b", Timestamp::from_micros(0), |_| 1), 0);
    }
}
