//! The verified hosts, as gateways look them up.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use mu_db::{KeyRange, Kv, Order, Scan, ScanLimit, Select, keys};
use mu_stack::{GatewayName, StackId};

use super::record::HostRecord;
use super::{DomainError, HostName};
use crate::catalog::RecordError;
use crate::catalog::stored::decode;

/// Rows read in one step.
const CHUNK_ROWS: usize = 1_000;

/// All verified hosts at one moment, and what each leads to.
pub type HostTable = HashMap<HostName, HostTarget>;

/// What a host leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostTarget {
    /// The stack.
    pub stack: StackId,
    /// The gateway; the only one of the stack when there is none.
    pub gateway: Option<GatewayName>,
}

/// The port by which whatever serves hosts learns of them.
pub trait HostSink: Send + Sync + fmt::Debug {
    /// From now on these are all verified hosts.
    fn replace(&self, hosts: HostTable);
}

/// The in-memory twin: keeps what it was told.
#[derive(Clone, Debug, Default)]
pub struct MemHosts(Arc<Mutex<HostTable>>);

impl MemHosts {
    /// What it was told last.
    #[must_use]
    pub fn table(&self) -> HostTable {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl HostSink for MemHosts {
    fn replace(&self, hosts: HostTable) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = hosts;
    }
}

/// Reads all verified hosts and passes them on.
#[derive(Clone, Debug)]
pub(super) struct Hosts {
    kv: Arc<dyn Kv>,
    sink: Arc<dyn HostSink>,
    /// Held while they are read and passed on, so that older ones never replace newer ones.
    publishing: Arc<tokio::sync::Mutex<()>>,
}

impl Hosts {
    pub(super) fn new(kv: Arc<dyn Kv>, sink: Arc<dyn HostSink>) -> Self {
        Self { kv, sink, publishing: Arc::default() }
    }

    pub(super) async fn publish(&self) -> Result<(), DomainError> {
        let _alone = self.publishing.lock().await;
        let mut hosts = HostTable::new();
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
        self.sink.replace(hosts);
        Ok(())
    }
}
