//! Rollouts that are under way, carried on step by step.
//!
//! What the versions had done when a step began is known in memory only. After a restart each rollout goes on with its
//! step and gathers requests anew, as the counts that it compares do.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

use mu_stack::StackId;

use super::Control;
use super::error::ApiError;
use crate::catalog::{
    CatalogError, EntryState, Routing, RoutingChange, RoutingRecord, StackListParams, VersionNumber,
};
use crate::rollout::{Counts, Observation, Rollout, RolloutAction, Sample};

/// Stacks of one page.
const STACKS_PAGE: usize = 500;
/// Who changes routing in a rollout, as its history says.
const ROLLOUT: &str = "rollout";

/// The present step of every rollout under way.
#[derive(Debug, Default)]
pub struct Rollouts(Mutex<HashMap<StackId, Step>>);

/// A step, which is a revision of the routing.
#[derive(Debug)]
struct Step {
    revision: u64,
    /// What had been done when it began.
    before: BTreeMap<VersionNumber, Counts>,
}

impl Rollouts {
    /// A step begins.
    fn begin(&self, stack: &StackId, revision: u64, before: BTreeMap<VersionNumber, Counts>) {
        self.lock().insert(*stack, Step { revision, before });
    }

    /// What the versions did in the step that this revision is. One that nobody saw begin, begins now.
    fn observe(
        &self,
        stack: &StackId,
        revision: u64,
        rollout: &Rollout,
        now: &BTreeMap<VersionNumber, Counts>,
    ) -> Observation {
        let mut steps = self.lock();
        let step = steps.entry(*stack).or_insert_with(|| Step { revision, before: now.clone() });
        if step.revision < revision {
            *step = Step { revision, before: now.clone() };
        }
        let sample = |version: VersionNumber| {
            let counts = now.get(&version);
            counts.map_or_else(Sample::default, |counts| counts.since(step.before.get(&version)))
        };
        Observation { old: sample(rollout.old), new: sample(rollout.new) }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<StackId, Step>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Control {
    /// Changes the routing of a stack. When that is a step of a rollout, what the versions do from now on counts for it.
    pub(super) async fn route(&self, stack: &StackId, change: &RoutingChange) -> Result<RoutingRecord, CatalogError> {
        let record = self.catalog.route(stack, change).await?;
        if record.rollout.is_some() {
            self.rollouts.begin(stack, record.revision, self.region.counts(stack));
        }
        Ok(record)
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

    async fn step_rollout(&self, stack: &StackId, present: RoutingRecord) -> Result<(), ApiError> {
        let Some(rollout) = &present.rollout else { return Ok(()) };
        let observed = self.rollouts.observe(stack, present.revision, rollout, &self.region.counts(stack));
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
        match self.route(stack, &change).await {
            // Somebody routed by hand, which ends the rollout.
            Err(CatalogError::RoutingConflict { .. }) => Ok(()),
            Err(error) => Err(error.into()),
            Ok(_) => self.serve(stack).await,
        }
    }
}
