//! Who may do what on a stack.
//!
//! A grant is stored twice, by its stack and by who has it, always in one commit.

use std::sync::Arc;

use bytes::Bytes;
use mu_db::keys::access as keys;
use mu_db::{Batch, KeyRange, Kv, Order, Outcome, Row, Select};
use mu_env::{Env, Timestamp};
use mu_stack::StackId;
use serde::{Deserialize, Serialize};

use super::paged::{self, Paged};
use super::record::{self, Unreadable};
use super::{AccessError, Principal, Role};

/// Most grants on one stack. Those made at the same moment may exceed it by their number.
pub const STACK_GRANTS_MAX: usize = 1_000;
/// How often a change is tried again when others change the same thing.
pub(super) const ATTEMPTS_MAX: usize = 8;
/// Grants of a deleted stack that are removed in one commit.
const FORGET_STEP_ROWS: usize = 500;

/// The roles on all stacks.
#[derive(Clone, Debug)]
pub struct Grants {
    kv: Arc<dyn Kv>,
    env: Env,
}

/// A role of somebody on a stack.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// On which stack.
    pub stack: StackId,
    /// Who has it.
    pub who: Principal,
    /// Which role.
    pub role: Role,
    /// Who granted it.
    pub by: Principal,
    /// When.
    pub at: Timestamp,
}

/// Whether a stack may be left without an admin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LastAdmin {
    /// It may not: what an admin does by mistake.
    Stays,
    /// It may: an operator does it, who can make another one.
    MayGo,
}

#[derive(Serialize, Deserialize)]
struct GrantRecord {
    role: Role,
    by: Principal,
    at_micros: u64,
}

impl Grants {
    /// The grants in this store.
    #[must_use]
    pub fn new(kv: Arc<dyn Kv>, env: Env) -> Self {
        Self { kv, env }
    }

    /// Adds to a batch what makes somebody admin of a stack that is created by it.
    ///
    /// # Errors
    /// [`AccessError::NobodyInParticular`]
    pub fn write_first_admin(&self, batch: &mut Batch, stack: StackId, who: &Principal) -> Result<(), AccessError> {
        let grant =
            Grant { stack, who: somebody(who)?.clone(), role: Role::Admin, by: who.clone(), at: self.env.now() };
        *batch = put(std::mem::take(batch), &grant);
        Ok(())
    }

    /// Gives somebody a role on a stack, in place of the one they have.
    ///
    /// # Errors
    /// [`AccessError::LastAdmin`] when the last admin would become less than that; [`AccessError::TooMany`],
    /// [`AccessError::NobodyInParticular`], [`AccessError::Contended`], [`AccessError::Store`].
    pub async fn grant(
        &self,
        stack: StackId,
        who: &Principal,
        role: Role,
        by: &Principal,
        last_admin: LastAdmin,
    ) -> Result<(), AccessError> {
        let grant = Grant { stack, who: somebody(who)?.clone(), role, by: by.clone(), at: self.env.now() };
        self.change(stack, who, last_admin, Some(grant)).await
    }

    /// Takes somebody's role on a stack away.
    ///
    /// # Errors
    /// [`AccessError::NotGranted`] when they have none, [`AccessError::LastAdmin`], [`AccessError::Contended`],
    /// [`AccessError::Store`].
    pub async fn revoke(&self, stack: StackId, who: &Principal, last_admin: LastAdmin) -> Result<(), AccessError> {
        self.change(stack, who, last_admin, None).await
    }

    /// Removes all grants on a stack that was deleted. When it fails half way, calling it again goes on.
    ///
    /// # Errors
    /// [`AccessError::Store`]
    pub async fn forget_stack(&self, stack: &StackId) -> Result<(), AccessError> {
        loop {
            let range = KeyRange::prefix(keys::grant(stack.key(), ""));
            let page = paged::rows(&*self.kv, range, Order::Ascending, FORGET_STEP_ROWS, Select::Keys).await?;
            let mut batch = Batch::new();
            for row in &page.rows {
                let who = keys::parse_grant(stack.key(), &row.key).ok_or(UNREADABLE)?;
                batch = batch.delete(keys::stack_by_principal(who, stack.key())).delete(row.key.clone());
            }
            if !page.rows.is_empty() {
                self.kv.commit(batch).await?;
            }
            if !page.is_cut {
                return Ok(());
            }
        }
    }

    /// Somebody's role on a stack.
    ///
    /// # Errors
    /// [`AccessError::Unreadable`], [`AccessError::Store`]
    pub async fn role(&self, stack: &StackId, who: &Principal) -> Result<Option<Role>, AccessError> {
        if who.is_anonymous() {
            return Ok(None);
        }
        let stored = self.kv.get(&keys::grant(stack.key(), &who.to_string())).await?;
        stored.as_deref().map(role_of).transpose()
    }

    /// Whether somebody has a role on any stack.
    ///
    /// # Errors
    /// [`AccessError::Store`]
    pub async fn has_any(&self, who: &Principal) -> Result<bool, AccessError> {
        let range = KeyRange::prefix(keys::stacks_by_principal(&who.to_string()));
        Ok(paged::has_at_least(&*self.kv, range, 1).await?)
    }

    /// The grants on a stack, in the order of the principals' texts, after one of them.
    ///
    /// # Errors
    /// [`AccessError::Unreadable`], [`AccessError::Store`]
    pub async fn list(
        &self,
        stack: StackId,
        after: Option<&Principal>,
        rows_max: usize,
    ) -> Result<Paged<Grant, Principal>, AccessError> {
        let mut range = KeyRange::prefix(keys::grant(stack.key(), ""));
        if let Some(after) = after {
            range = range.after(&keys::grant(stack.key(), &after.to_string()));
        }
        let page = paged::rows(&*self.kv, range, Order::Ascending, rows_max, Select::Rows).await?;
        page.read(|row| grant_of(stack, &row), |grant| grant.who.clone())
    }

    /// The stacks on which somebody has a role, in the order of their ids, after one of them.
    ///
    /// # Errors
    /// [`AccessError::Unreadable`], [`AccessError::Store`]
    pub async fn stacks_of(
        &self,
        who: &Principal,
        after: Option<&StackId>,
        rows_max: usize,
    ) -> Result<Paged<(StackId, Role), StackId>, AccessError> {
        let who = who.to_string();
        let mut range = KeyRange::prefix(keys::stacks_by_principal(&who));
        if let Some(after) = after {
            range = range.after(&keys::stack_by_principal(&who, after.key()));
        }
        let page = paged::rows(&*self.kv, range, Order::Ascending, rows_max, Select::Rows).await?;
        let read = |row: Row| {
            let stack = keys::parse_stack_by_principal(&who, &row.key).ok_or(UNREADABLE)?;
            Ok((StackId::new(stack), role_of(&row.value)?))
        };
        page.read(read, |(stack, _)| *stack)
    }

    async fn change(
        &self,
        stack: StackId,
        who: &Principal,
        last_admin: LastAdmin,
        to: Option<Grant>,
    ) -> Result<(), AccessError> {
        let key = keys::grant(stack.key(), &who.to_string());
        for _ in 0..ATTEMPTS_MAX {
            let current = self.kv.get(&key).await?;
            let mut batch = Batch::new().expect(key.clone(), current.clone());
            match (&current, &to) {
                (None, None) => return Err(AccessError::NotGranted { who: who.clone() }),
                (None, Some(_)) => self.check_room(&stack).await?,
                (Some(current), to) => {
                    let was_admin = role_of(current)? == Role::Admin;
                    let stays_admin = to.as_ref().is_some_and(|to| to.role == Role::Admin);
                    if was_admin && !stays_admin && last_admin == LastAdmin::Stays {
                        // That the other admin is still there when this happens, keeps two of them from removing each
                        // other.
                        let other = self.other_admin(&stack, &key).await?;
                        let other = other.ok_or_else(|| AccessError::LastAdmin { who: who.clone(), stack })?;
                        batch = batch.expect_value(other.key, other.value);
                    }
                }
            }
            batch = match &to {
                Some(grant) => put(batch, grant),
                None => batch.delete(keys::stack_by_principal(&who.to_string(), stack.key())).delete(key.clone()),
            };
            if self.kv.commit(batch).await? == Outcome::Committed {
                return Ok(());
            }
        }
        Err(AccessError::Contended { what: "the roles on the stack" })
    }

    async fn check_room(&self, stack: &StackId) -> Result<(), AccessError> {
        let range = KeyRange::prefix(keys::grant(stack.key(), ""));
        if paged::has_at_least(&*self.kv, range, STACK_GRANTS_MAX).await? {
            return Err(AccessError::TooMany { what: "a stack", of_what: "grants", limit: STACK_GRANTS_MAX });
        }
        Ok(())
    }

    async fn other_admin(&self, stack: &StackId, than: &Bytes) -> Result<Option<Row>, AccessError> {
        let range = KeyRange::prefix(keys::grant(stack.key(), ""));
        let is_other = |row: &Row| row.key != *than && role_of(&row.value).is_ok_and(|role| role == Role::Admin);
        Ok(paged::find(&*self.kv, range, is_other).await?)
    }
}

const UNREADABLE: AccessError = AccessError::Unreadable { what: "a role on a stack" };

pub(super) fn somebody(who: &Principal) -> Result<&Principal, AccessError> {
    if who.is_anonymous() { Err(AccessError::NobodyInParticular) } else { Ok(who) }
}

fn put(batch: Batch, grant: &Grant) -> Batch {
    let record = GrantRecord { role: grant.role, by: grant.by.clone(), at_micros: grant.at.as_micros() };
    let (record, who) = (record::encode(&record), grant.who.to_string());
    batch
        .put(keys::grant(grant.stack.key(), &who), record.clone())
        .put(keys::stack_by_principal(&who, grant.stack.key()), record)
}

fn role_of(stored: &[u8]) -> Result<Role, AccessError> {
    record::decode(stored).map(|record: GrantRecord| record.role).map_err(|Unreadable| UNREADABLE)
}

fn grant_of(stack: StackId, row: &Row) -> Result<Grant, AccessError> {
    let who = keys::parse_grant(stack.key(), &row.key).and_then(|who| who.parse().ok()).ok_or(UNREADABLE)?;
    let record: GrantRecord = record::decode(&row.value).map_err(|Unreadable| UNREADABLE)?;
    Ok(Grant { stack, who, role: record.role, by: record.by, at: Timestamp::from_micros(record.at_micros) })
}

#[cfg(test)]
mod tests;
