//! What has to be done now and then: deletions that were begun, and removing what is no longer needed.

use std::sync::Arc;
use std::time::Duration;

use mu_control::api::Control;
use mu_env::Shutdown;

/// Between two rounds.
const INTERVAL: Duration = Duration::from_secs(60);
/// Rounds between two collections of artifacts and keys, which look at everything.
const COLLECT_EVERY: u32 = 60;

/// Does so until the node stops; first of all it goes on with what an earlier process did not end.
pub(super) async fn run(control: Arc<Control>, shutdown: Shutdown) {
    for round in 0_u32.. {
        control.resume_deletions().await;
        control.clean(round % COLLECT_EVERY == 0).await;
        tokio::select! {
            () = shutdown.requested() => return,
            () = tokio::time::sleep(INTERVAL) => {}
        }
    }
}
