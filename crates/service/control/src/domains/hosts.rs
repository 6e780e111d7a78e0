//! The verified hosts, as they are looked up for every request.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use arc_swap::ArcSwap;
use mu_db::{KeyRange, Kv, Order, Scan, ScanLimit, Select, keys};
use mu_stack::{GatewayName, StackId};

use super::record::HostRecord;
use super::{DomainError, HostName};
use crate::catalog::RecordError;
use crate::catalog::stored::decode;

/// Rows read in one step.
const CHUNK_ROWS: usize = 1_000;

/// The verified hosts that this process knows of. Looking one up takes no lock. Cloning is cheap.
///
/// [`Domains`](super::Domains) reloads them with every change that it makes. Where other processes share the database,
/// someone has to call [`Hosts::reload`] now and then.
#[derive(Clone)]
pub struct Hosts {
    kv: Arc<dyn Kv>,
    table: Arc<ArcSwap<HostTable>>,
    /// Held while the table is read and replaced, so that an older one never replaces a newer one.
    reloading: Arc<tokio::sync::Mutex<()>>,
}

/// All verified hosts at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HostTable {
    hosts: HashMap<HostName, HostTarget>,
}

/// What a host leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostTarget {
    /// The stack.
    pub stack: StackId,
    /// The gateway; the only one of the stack when there is none.
    pub gateway: Option<GatewayName>,
}

impl Hosts {
    pub(super) fn new(kv: Arc<dyn Kv>) -> Self {
        Self { kv, table: Arc::default(), reloading: Arc::default() }
    }

    /// The hosts as they are now. To be taken once for a request.
    #[must_use]
    pub fn table(&self) -> Arc<HostTable> {
        self.table.load_full()
    }

    /// What a host leads to, as it stands in a request: in any case, and perhaps with a port or a last dot.
    #[must_use]
    pub fn find(&self, host: &str) -> Option<HostTarget> {
        self.table.load().find(host).cloned()
    }

    /// Reads all hosts from the database.
    ///
    /// # Errors
    /// [`DomainError::Record`]; the hosts stay as they were then.
    pub async fn reload(&self) -> Result<(), DomainError> {
        let _alone = self.reloading.lock().await;
        let mut hosts = HashMap::new();
        let mut range = KeyRange::prefix(keys::catalog::hosts());
        loop {
            let limit = ScanLimit { rows: CHUNK_ROWS, bytes: usize::MAX };
            let scan = Scan { range: range.clone(), order: Order::Ascending, limit, select: Select::Rows };
            let page = self.kv.scan(scan).await?;
            for row in &page.rows {
                let host = keys::catalog::parse_host(&row.key).unwrap_or_default();
                let what = || format!("the host `{host}`");
                let HostRecord { stack, gateway } = decode(&row.value, what)?;
                let name: HostName = host.parse().map_err(|_| RecordError::Unreadable { what: what() })?;
                hosts.insert(name, HostTarget { stack, gateway });
            }
            let Some(last) = page.rows.last().filter(|_| page.cut.is_some()) else { break };
            range = range.after(&last.key);
        }
        self.table.store(Arc::new(HostTable { hosts }));
        Ok(())
    }
}

impl HostTable {
    /// What a host leads to, as it stands in a request: in any case, and perhaps with a port or a last dot.
    #[must_use]
    pub fn find(&self, host: &str) -> Option<&HostTarget> {
        let name = host.split_once(':').map_or(host, |(name, _)| name);
        let name = name.strip_suffix('.').unwrap_or(name);
        if name.bytes().any(|byte| byte.is_ascii_uppercase()) {
            return self.hosts.get(name.to_ascii_lowercase().as_str());
        }
        self.hosts.get(name)
    }

    /// How many hosts there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.hosts.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.hosts.is_empty()
    }
}

impl fmt::Debug for Hosts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hosts").field("count", &self.table.load().len()).finish_non_exhaustive()
    }
}
