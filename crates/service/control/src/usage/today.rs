//! What stacks have executed today, in memory: quotas ask on every invocation.

use std::collections::HashMap;
use std::sync::{PoisonError, RwLock};

use mu_stack::StackId;

use super::Day;

/// Instructions of each stack that has used any on the last day it used any. Days before the last two are forgotten.
#[derive(Debug, Default)]
pub(super) struct Today(RwLock<HashMap<StackId, (Day, u64)>>);

impl Today {
    /// What a stack has executed on a day, as far as it was added up.
    pub(super) fn instructions(&self, stack: &StackId, day: Day) -> u64 {
        let stacks = self.0.read().unwrap_or_else(PoisonError::into_inner);
        stacks.get(stack).filter(|(counted, _)| *counted == day).map_or(0, |(_, instructions)| *instructions)
    }

    /// Takes what stacks have executed in all of a day. An earlier day than the known one says nothing new.
    pub(super) fn update(&self, counted: impl IntoIterator<Item = (StackId, Day, u64)>) {
        let mut stacks = self.0.write().unwrap_or_else(PoisonError::into_inner);
        for (stack, day, instructions) in counted {
            let known = stacks.entry(stack).or_insert((day, 0));
            if day >= known.0 {
                *known = (day, instructions);
            }
        }
    }

    /// Forgets the days before the last two.
    pub(super) fn forget_before(&self, today: Day) {
        let mut stacks = self.0.write().unwrap_or_else(PoisonError::into_inner);
        stacks.retain(|_, (day, _)| *day >= today.minus(1));
        let used = stacks.len();
        stacks.shrink_to(used * 2);
    }
}
