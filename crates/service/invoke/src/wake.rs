//! Stacks that are loaded when something asks for them.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use mu_env::InvocationId;
use mu_stack::StackId;
use tokio::sync::watch;
use tokio::time::{Instant, timeout, timeout_at};

use crate::deployment::Deployment;
use crate::deployments::{Entry, Weighted};
use crate::error::{InvokeError, Kind, RETRY_AFTER, code};
use crate::invoker::Invoker;

/// Loads dormant stacks.
#[async_trait]
pub trait Wake: Send + Sync {
    /// Prepares the versions of a stack that are to be served, with [`Invoker::prepare`]. Called once at a time for a
    /// stack, and dropped when it takes longer than [`wake_timeout`](crate::InvokeConfig::wake_timeout).
    ///
    /// # Errors
    /// When a version cannot be prepared, or there is none. It is tried again some seconds later, not before.
    async fn wake(&self, invoker: &Arc<Invoker>, stack: StackId) -> Result<Vec<Weighted>, WakeError>;
}

/// Why a stack cannot be loaded, for the operator's log.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct WakeError(pub String);

/// The [`Wake`] of a node without dormant stacks.
#[derive(Clone, Copy, Debug, Default)]
pub struct NothingSleeps;

#[async_trait]
impl Wake for NothingSleeps {
    async fn wake(&self, _invoker: &Arc<Invoker>, _stack: StackId) -> Result<Vec<Weighted>, WakeError> {
        Err(WakeError("this node does not load stacks later".to_owned()))
    }
}

/// A dormant stack could not be woken now.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Asleep {
    /// One of [`code`](crate::code).
    pub code: &'static str,
    /// What happened, fit to be shown to whoever called.
    pub message: String,
    /// When trying again may help.
    pub retry_after: Duration,
}

impl Asleep {
    /// The same as the error of an invocation.
    #[must_use]
    pub fn into_error(self, invocation: InvocationId) -> InvokeError {
        let Self { code, message, retry_after } = self;
        InvokeError { kind: Kind::Unavailable, code, message, invocation, retry_after: Some(retry_after) }
    }
}

/// Whether a stack is being woken, or could not be a moment ago.
#[derive(Debug, Default)]
pub(crate) enum Waking {
    #[default]
    No,
    UnderWay(Arc<watch::Sender<Option<Woken>>>),
    Failed {
        until: Instant,
    },
}

/// How an attempt ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Woken {
    Awake,
    Failed,
}

impl Invoker {
    /// The version of a stack that gets a request, chosen by weight; the stack is woken when it is dormant. `None` when
    /// it is not here. Cancellation-safe: waking goes on for others.
    ///
    /// # Errors
    /// When the stack cannot be loaded now, or does not wake in time, or too many wait for it.
    pub async fn awake(self: &Arc<Self>, id: &StackId) -> Result<Option<Arc<Deployment>>, Asleep> {
        let patience = self.config().wake_timeout;
        let deadline = Instant::now() + patience;
        loop {
            let Some(entry) = self.deployments().entry(id) else { return Ok(None) };
            if let Some(deployment) = entry.choose(self.deployments().random()) {
                return Ok(Some(deployment));
            }
            let mut outcome = self.start_waking(&entry)?;
            let retry_after = self.config().wake_retry;
            match timeout_at(deadline, outcome.wait_for(Option::is_some)).await {
                // It is awake now, unless it was put to rest again at once.
                Ok(Ok(outcome)) if *outcome == Some(Woken::Awake) => {}
                Ok(_) => return Err(not_loaded(retry_after)),
                Err(_) => {
                    let message = format!("the stack was not loaded within {patience:?}; try again");
                    return Err(Asleep { code: code::NOT_LOADED, message, retry_after: RETRY_AFTER });
                }
            }
        }
    }

    /// Joins the attempt to wake a stack, or begins one.
    fn start_waking(self: &Arc<Self>, entry: &Arc<Entry>) -> Result<watch::Receiver<Option<Woken>>, Asleep> {
        let mut waking = entry.waking();
        match &*waking {
            Waking::UnderWay(outcome) if outcome.receiver_count() >= self.config().queue_max => {
                let message = "too many calls wait for the stack to be loaded".to_owned();
                return Err(Asleep { code: code::QUEUE_FULL, message, retry_after: RETRY_AFTER });
            }
            Waking::UnderWay(outcome) => return Ok(outcome.subscribe()),
            Waking::Failed { until } => {
                let left = until.saturating_duration_since(Instant::now());
                if !left.is_zero() {
                    return Err(not_loaded(left));
                }
            }
            Waking::No => {}
        }
        let outcome = Arc::new(watch::Sender::new(None));
        let receiver = outcome.subscribe();
        *waking = Waking::UnderWay(Arc::clone(&outcome));
        drop(waking);
        let attempt = Attempt { entry: Arc::clone(entry), outcome, retry: self.config().wake_retry, is_awake: false };
        let invoker = Arc::clone(self);
        // A task of the node's, because whoever asked first may go away before the others.
        self.env().tasks().spawn(async move { invoker.wake(attempt).await });
        Ok(receiver)
    }

    async fn wake(self: Arc<Self>, mut attempt: Attempt) {
        let stack = attempt.entry.id();
        let waking = async {
            // Many stacks that wake at once would take all threads, and all memory, for compiling.
            let _place = self.wakers().acquire().await.map_err(|_| WakeError("the node stops".to_owned()))?;
            let loaded = timeout(self.config().wake_timeout, self.ports().wake.wake(&self, stack)).await;
            let versions = loaded.map_err(|_| WakeError("loading it took too long".to_owned()))??;
            if versions.is_empty() {
                return Err(WakeError("it has no version to serve".to_owned()));
            }
            Ok(versions)
        };
        match self.stopped().run_until_cancelled(waking).await {
            Some(Ok(versions)) => {
                self.deployments().serve_woken(&attempt.entry, versions);
                attempt.is_awake = true;
            }
            Some(Err(error)) => tracing::error!(%stack, %error, "loading a stack that is asked for"),
            None => {}
        }
    }
}

/// An attempt to wake a stack. However it ends, also by a panic, whoever waits is told when this is dropped.
struct Attempt {
    entry: Arc<Entry>,
    outcome: Arc<watch::Sender<Option<Woken>>>,
    retry: Duration,
    is_awake: bool,
}

impl Drop for Attempt {
    fn drop(&mut self) {
        let (state, outcome) = match self.is_awake {
            true => (Waking::No, Woken::Awake),
            false => (Waking::Failed { until: Instant::now() + self.retry }, Woken::Failed),
        };
        *self.entry.waking() = state;
        self.outcome.send_replace(Some(outcome));
    }
}

fn not_loaded(retry_after: Duration) -> Asleep {
    let message =
        "the stack cannot be loaded at the moment; its operator finds the reason in the node's log".to_owned();
    Asleep { code: code::NOT_LOADED, message, retry_after }
}
