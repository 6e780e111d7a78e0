//! Those who want the same thing at the same time wait for one attempt.

use std::collections::HashMap;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use mu_env::Env;
use tokio::sync::watch;

use crate::{Image, ImageError};

type Outcome = Option<Result<Image, ImageError>>;

/// The attempts that are under way, by the name of what they are about.
#[derive(Clone, Debug, Default)]
pub(super) struct Attempts(Arc<Mutex<HashMap<String, watch::Receiver<Outcome>>>>);

impl Attempts {
    /// Waits for the attempt that is under way, or begins one. It goes on when nobody waits any more, and ends when the
    /// node stops.
    pub(super) async fn share<W>(&self, env: &Env, name: &str, work: impl FnOnce() -> W) -> Result<Image, ImageError>
    where
        W: Future<Output = Result<Image, ImageError>> + Send + 'static,
    {
        let stopping = || ImageError::Stopping { image: name.to_owned() };
        let (sender, begun) = watch::channel(None);
        let mut outcome = self.lock().entry(name.to_owned()).or_insert_with(|| begun.clone()).clone();
        // Not under the lock: a runtime that stops drops what is spawned at once, and the entry with it.
        if outcome.same_channel(&begun) {
            let entry = Entry { attempts: self.clone(), name: name.to_owned() };
            let (work, shutdown, stopped) = (work(), env.tasks().shutdown().clone(), stopping());
            env.tasks().spawn(async move {
                let ended = tokio::select! {
                    ended = work => ended,
                    () = shutdown.requested() => Err(stopped),
                };
                // Who comes from now on begins another one.
                drop(entry);
                let _ = sender.send(Some(ended));
            });
        }
        // It is gone without an outcome when the runtime stops, or it panicked.
        outcome.wait_for(Option::is_some).await.ok().and_then(|ended| ended.clone()).unwrap_or_else(|| Err(stopping()))
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, watch::Receiver<Outcome>>> {
        // Every change is one call, so a panic elsewhere leaves the map whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Takes an attempt off the list however it ends.
struct Entry {
    attempts: Attempts,
    name: String,
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.attempts.lock().remove(&self.name);
    }
}
