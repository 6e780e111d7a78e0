//! Rollouts that are under way, looked at every so often.

use std::sync::Arc;
use std::time::Duration;

use mu_control::api::Control;
use mu_env::Shutdown;

/// Between two looks; a step of a rollout lasts longer.
const INTERVAL: Duration = Duration::from_secs(1);

/// Carries rollouts on until the node stops.
pub(super) async fn run(control: Arc<Control>, shutdown: Shutdown) {
    loop {
        tokio::select! {
            () = shutdown.requested() => return,
            () = tokio::time::sleep(INTERVAL) => control.step_rollouts().await,
        }
    }
}
