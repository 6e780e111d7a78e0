//! A question that the node asks itself before it says that it is ready.

use std::fmt;
use std::time::{Duration, Instant};

use futures_util::future::{BoxFuture, FutureExt as _};

/// Asks whether one part of the node works.
pub struct Probe {
    name: &'static str,
    timeout: Duration,
    ask: Box<dyn Fn() -> BoxFuture<'static, Result<(), String>> + Send + Sync>,
}

/// What a probe found.
#[derive(Debug)]
pub(super) struct Finding {
    pub(super) name: &'static str,
    /// Why it failed, if it did.
    pub(super) failure: Option<String>,
    pub(super) took: Duration,
}

impl Probe {
    /// A probe that fails when `ask` gives an error, or nothing within `timeout`. The name and the error's text are
    /// told to everyone who asks whether the node is ready. It may be asked several times at once, and is dropped when
    /// who asked went away.
    pub fn new<A, F>(name: &'static str, timeout: Duration, ask: A) -> Self
    where
        A: Fn() -> F + Send + Sync + 'static,
        F: Future<Output = Result<(), String>> + Send + 'static,
    {
        Self { name, timeout, ask: Box::new(move || ask().boxed()) }
    }

    pub(super) async fn find(&self) -> Finding {
        let start = Instant::now();
        let failure = match tokio::time::timeout(self.timeout, (self.ask)()).await {
            Ok(answer) => answer.err(),
            Err(_) => Some(format!("no answer within {:?}", self.timeout)),
        };
        Finding { name: self.name, failure, took: start.elapsed() }
    }
}

impl fmt::Debug for Probe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Probe").field("name", &self.name).field("timeout", &self.timeout).finish_non_exhaustive()
    }
}
