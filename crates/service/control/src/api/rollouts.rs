//! Rollouts that are under way, carried on step by step.
//!
//! Which stacks have one is known in memory, so that a node without rollouts does nothing for them, and what the versions
//! had done when a step began is known there only. After a restart each rollout is found again, goes on with its step and
//! gathers requests anew, as the counts that it compares do.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

use mu_stack::StackId;

use super::Control;
use super::error::ApiError;
use crate::catalog::{CatalogError, EntryState, Routing, RoutingChange, RoutingRecord, StackListParams, VersionNumber};
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
    /// The stacks that may have a rollout.
    fn stacks(&self) -> Vec<StackId> {
        self.lock().keys().copied().collect()
    }

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

    /// The routing of this revision has no rollout. One that has begun since stays.
    fn end(&self, stack: &StackId, revision: u64) {
        self.lock().retain(|of, step| of != stack || step.revision > revision);
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

    /// Finds the rollouts that a process before this one has begun. To be called before any other begins.
    ///
    /// # Errors
    /// When the database fails, or a routing cannot be read.
    pub async fn find_rollouts(&self) -> Result<(), CatalogError> {
        let mut after: Option<String> = None;
        loop {
            let params = StackListParams { prefix: "", after: after.as_deref(), limit: STACKS_PAGE };
            let page = self.catalog.list(params, |entry| entry.state == EntryState::Active).await?;
            let ids: Vec<_> = page.stacks.iter().map(|entry| entry.id).collect();
            let routings = self.catalog.routings(&ids).await?;
            for (id, _) in ids.iter().zip(routings).filter(|(_, routing)| goes_on(routing.as_ref())) {
                // The first look at it finds what was done before.
                self.rollouts.begin(id, 0, BTreeMap::new());
            }
            match page.next {
                Some(next) => after = Some(next),
                None => return Ok(()),
            }
        }
    }

    /// Looks at every rollout that is under way, and gives the new version more, or takes it back.
    pub async fn step_rollouts(&self) {
        for stack in self.rollouts.stacks() {
            if let Err(error) = self.step_rollout(&stack).await {
                tracing::warn!(?error, %stack, "carrying a rollout on");
            }
        }
    }

    async fn step_rollout(&self, stack: &StackId) -> Result<(), ApiError> {
        let present = self.catalog.routing(stack).await?;
        let revision = present.as_ref().map_or(u64::MAX, |present| present.revision);
        let Some(rollout) = present.and_then(|present| present.rollout) else {
            self.rollouts.end(stack, revision);
            return Ok(());
        };
        let observed = self.rollouts.observe(stack, revision, &rollout, &self.region.counts(stack));
        let (next, action) = rollout.step(&observed, self.env.now());
        let (routing, rollout, why) = match action {
            RolloutAction::Wait => return Ok(()),
            RolloutAction::SetWeight(percent) => {
                (Routing::split(rollout.new, percent, rollout.old), Some(next), format!("step to {percent} %"))
            }
            RolloutAction::Complete => (Routing::only(rollout.new), None, "completed".to_owned()),
            RolloutAction::RollBack { reason } => (Routing::only(rollout.old), None, format!("taken back: {reason}")),
        };
        let expected_revision = Some(revision);
        let change = RoutingChange { routing, expected_revision, rollout, by: ROLLOUT.to_owned(), why };
        match self.route(stack, &change).await {
            // Somebody routed by hand, which ends the rollout, or deletes the stack.
            Err(CatalogError::RoutingConflict { .. } | CatalogError::Deleted { .. }) => Ok(()),
            Err(error) => Err(error.into()),
            Ok(_) => self.serve(stack).await,
        }
    }
}

fn goes_on(routing: Option<&RoutingRecord>) -> bool {
    routing.is_some_and(|routing| routing.rollout.is_some())
}
