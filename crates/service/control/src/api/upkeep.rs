//! What has to be done although nobody asks for it: deletions that were begun, and removing what is old.

use std::time::Duration;

use super::Control;
use super::error::ApiError;
use crate::catalog::{StackRecord, StackState};

/// How long audit records are kept.
const AUDIT_RETENTION: Duration = Duration::from_secs(400 * 24 * 3_600);

impl Control {
    /// Goes on with deletions that a process before this one, or a failure, left half done.
    pub async fn resume_deletions(&self) {
        let pending = match self.catalog.pending_deletions().await {
            Ok(pending) => pending,
            Err(error) => return tracing::warn!(%error, "looking for deletions that were begun"),
        };
        for stack in pending {
            if let Err(error) = self.resume_deletion(&stack).await {
                tracing::warn!(?error, stack = %stack.name, "going on with a deletion");
            }
        }
    }

    async fn resume_deletion(&self, stack: &StackRecord) -> Result<(), ApiError> {
        let StackState::Deleting { data, .. } = stack.state else { return Ok(()) };
        self.finish_deletion(stack, data).await
    }

    /// Removes what is too old, and tells the gateways all hosts anew. `everything` also looks for artifacts that nobody uses.
    pub async fn clean(&self, everything: bool) {
        while let Ok(cleaned) = self.access.clean_step().await
            && cleaned.has_more
        {}
        while let Ok(cleaned) = self.audit.clean_step(AUDIT_RETENTION).await
            && cleaned.has_more
        {}
        // Also what a change has left undone whose caller was told that the database failed.
        if let Err(error) = self.domains.publish().await {
            tracing::warn!(%error, "telling the gateways which hosts are verified");
        }
        if !everything {
            return;
        }
        if let Err(error) = self.artifacts.collect().await {
            tracing::warn!(%error, "removing artifacts that nobody uses");
        }
        if let Err(error) = self.idempotency.collect().await {
            tracing::warn!(%error, "removing old idempotency keys");
        }
    }
}
