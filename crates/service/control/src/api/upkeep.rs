//! What has to be done although nobody asks for it: deletions that were begun, rollouts, and removing what is old.

use std::time::Duration;

use super::Control;
use super::error::ApiError;
use crate::catalog::{
    CatalogError, EntryState, Routing, RoutingChange, RoutingRecord, StackListParams, StackRecord, StackState,
};
use crate::rollout::{Observation, RolloutAction, Sample};

/// How long audit records are kept.
const AUDIT_RETENTION: Duration = Duration::from_secs(400 * 24 * 3_600);
/// Stacks of one page.
const STACKS_PAGE: usize = 500;
/// Who changes routing in a rollout, as its history says.
const ROLLOUT: &str = "rollout";

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

    /// Removes what is too old. `everything` also looks for artifacts that nobody uses.
    pub async fn clean(&self, everything: bool) {
        while let Ok(cleaned) = self.access.clean_step().await
            && cleaned.has_more
        {}
        while let Ok(cleaned) = self.audit.clean_step(AUDIT_RETENTION).await
            && cleaned.has_more
        {}
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

    /// Looks at every rollout that is under way, and gives the new version more, or takes it back.
    pub async fn step_rollouts(&self) {
        let mut after: Option<String> = None;
        loop {
            let params = StackListParams { prefix: "", after: after.as_deref(), limit: STACKS_PAGE };
            let Ok(page) = self.catalog.list(params, |entry| entry.state == EntryState::Active).await else { return };
            let ids: Vec<_> = page.stacks.iter().map(|entry| entry.id).collect();
            let Ok(routings) = self.catalog.routings(&ids).await else { return };
            for (id, routing) in ids.iter().zip(routings) {
                if let Some(routing) = routing.filter(|routing| routing.rollout.is_some())
                    && let Err(error) = self.step_rollout(id, routing).await
                {
                    tracing::warn!(?error, stack = %id, "carrying a rollout on");
                }
            }
            match page.next {
                Some(next) => after = Some(next),
                None => return,
            }
        }
    }

    async fn step_rollout(&self, stack: &mu_stack::StackId, present: RoutingRecord) -> Result<(), ApiError> {
        let Some(rollout) = &present.rollout else { return Ok(()) };
        let samples = self.region.samples(stack);
        let sample = |version| samples.get(&version).copied().unwrap_or_else(Sample::default);
        let observed = Observation { old: sample(rollout.old), new: sample(rollout.new) };
        let (next, action) = rollout.step(&observed, self.env.now());
        let (routing, rollout, why) = match action {
            RolloutAction::Wait => return Ok(()),
            RolloutAction::SetWeight(percent) => {
                (Routing::split(rollout.new, percent, rollout.old), Some(next), format!("step to {percent} %"))
            }
            RolloutAction::Complete => (Routing::only(rollout.new), None, "completed".to_owned()),
            RolloutAction::RollBack { reason } => (Routing::only(rollout.old), None, format!("taken back: {reason}")),
        };
        let expected_revision = Some(present.revision);
        let change = RoutingChange { routing, expected_revision, rollout, by: ROLLOUT.to_owned(), why };
        match self.catalog.route(stack, &change).await {
            // Somebody routed by hand, which ends the rollout.
            Err(CatalogError::RoutingConflict { .. }) => Ok(()),
            Err(error) => Err(error.into()),
            Ok(_) => self.serve(stack).await,
        }
    }
}
