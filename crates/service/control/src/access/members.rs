//! Who belongs to the node: operators and members.

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;
use mu_db::keys::access as keys;
use mu_db::{Batch, KeyRange, Kv, Order, Outcome, Row, Select};
use mu_env::{Env, Timestamp};
use serde::{Deserialize, Serialize};

use super::grants::{ATTEMPTS_MAX, somebody};
use super::paged::{self, Paged};
use super::record::{self, Unreadable};
use super::{AccessError, NodeRole, Principal};

/// Most members and operators of a node. Those made at the same moment may exceed it by their number.
pub const MEMBERS_MAX: usize = 10_000;

/// The members and operators of a node: those in its database, and the operators that its configuration names.
#[derive(Clone, Debug)]
pub struct Members {
    kv: Arc<dyn Kv>,
    env: Env,
    configured: Arc<BTreeSet<Principal>>,
}

/// Somebody who belongs to the node, by its database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Who.
    pub who: Principal,
    /// What they are.
    pub role: NodeRole,
    /// Who made them that; for the first operator, they themselves.
    pub by: Principal,
    /// When.
    pub at: Timestamp,
}

#[derive(Serialize, Deserialize)]
struct MemberRecord {
    role: NodeRole,
    by: Principal,
    at_micros: u64,
}

impl Members {
    /// The members in this store, and these operators of the configuration. Nobody in particular is never one of them.
    #[must_use]
    pub fn new(kv: Arc<dyn Kv>, env: Env, configured: BTreeSet<Principal>) -> Self {
        let configured = configured.into_iter().filter(|who| !who.is_anonymous()).collect();
        Self { kv, env, configured: Arc::new(configured) }
    }

    /// Makes somebody a member or an operator. Whoever becomes operator ends the use of the bootstrap token.
    ///
    /// # Errors
    /// [`AccessError::LastOperator`] when the last operator would become a member, [`AccessError::Configured`] when one
    /// of the configuration would; [`AccessError::TooMany`], [`AccessError::NobodyInParticular`],
    /// [`AccessError::Contended`], [`AccessError::Store`].
    pub async fn set(&self, who: &Principal, role: NodeRole, by: &Principal) -> Result<(), AccessError> {
        if role < NodeRole::Operator && self.configured.contains(who) {
            return Err(AccessError::Configured { who: who.clone() });
        }
        let member = Member { who: somebody(who)?.clone(), role, by: by.clone(), at: self.env.now() };
        self.change(who, Some(member)).await
    }

    /// Takes away what somebody is on the node. They keep their roles on stacks.
    ///
    /// # Errors
    /// [`AccessError::NotGranted`] when they are nothing, [`AccessError::LastOperator`], [`AccessError::Configured`],
    /// [`AccessError::Contended`], [`AccessError::Store`].
    pub async fn remove(&self, who: &Principal) -> Result<(), AccessError> {
        match self.change(who, None).await {
            Err(AccessError::NotGranted { who }) if self.configured.contains(&who) => {
                Err(AccessError::Configured { who })
            }
            outcome => outcome,
        }
    }

    /// What somebody is on the node.
    ///
    /// # Errors
    /// [`AccessError::Unreadable`], [`AccessError::Store`]
    pub async fn role(&self, who: &Principal) -> Result<Option<NodeRole>, AccessError> {
        if who.is_anonymous() {
            return Ok(None);
        }
        if self.configured.contains(who) {
            return Ok(Some(NodeRole::Operator));
        }
        let stored = self.kv.get(&keys::member(&who.to_string())).await?;
        stored.as_deref().map(role_of).transpose()
    }

    /// The operators that the node's configuration names. They are not in the list.
    #[must_use]
    pub fn configured_operators(&self) -> &BTreeSet<Principal> {
        &self.configured
    }

    /// Those in the database, in the order of their texts, after one of them.
    ///
    /// # Errors
    /// [`AccessError::Unreadable`], [`AccessError::Store`]
    pub async fn list(
        &self,
        after: Option<&Principal>,
        rows_max: usize,
    ) -> Result<Paged<Member, Principal>, AccessError> {
        let mut range = all();
        if let Some(after) = after {
            range = range.after(&keys::member(&after.to_string()));
        }
        let page = paged::rows(&*self.kv, range, Order::Ascending, rows_max, Select::Rows).await?;
        page.read(|row| member_of(&row), |member| member.who.clone())
    }

    /// Whether anybody is operator.
    ///
    /// # Errors
    /// [`AccessError::Store`]
    pub async fn has_operator(&self) -> Result<bool, AccessError> {
        Ok(!self.configured.is_empty() || self.other_operator(&Bytes::new()).await?.is_some())
    }

    async fn change(&self, who: &Principal, to: Option<Member>) -> Result<(), AccessError> {
        let key = keys::member(&who.to_string());
        for _ in 0..ATTEMPTS_MAX {
            let current = self.kv.get(&key).await?;
            let mut batch = Batch::new().expect(key.clone(), current.clone());
            match (&current, &to) {
                (None, None) => return Err(AccessError::NotGranted { who: who.clone() }),
                (None, Some(_)) => self.check_room().await?,
                (Some(current), to) => {
                    let was_operator = role_of(current)? == NodeRole::Operator;
                    let stays_operator = to.as_ref().is_some_and(|to| to.role == NodeRole::Operator);
                    if was_operator && !stays_operator && self.configured.is_empty() {
                        // As with the admins of a stack, the other one must still be there when this happens.
                        let other = self.other_operator(&key).await?;
                        let other = other.ok_or_else(|| AccessError::LastOperator { who: who.clone() })?;
                        batch = batch.expect_value(other.key, other.value);
                    }
                }
            }
            batch = match &to {
                Some(member) => put(batch, member),
                None => batch.delete(key.clone()),
            };
            if self.kv.commit(batch).await? == Outcome::Committed {
                return Ok(());
            }
        }
        Err(AccessError::Contended { what: "the members of the node" })
    }

    async fn check_room(&self) -> Result<(), AccessError> {
        if paged::has_at_least(&*self.kv, all(), MEMBERS_MAX).await? {
            return Err(AccessError::TooMany { what: "a node", of_what: "members", limit: MEMBERS_MAX });
        }
        Ok(())
    }

    async fn other_operator(&self, than: &Bytes) -> Result<Option<Row>, AccessError> {
        let is_other = |row: &Row| row.key != *than && role_of(&row.value).is_ok_and(|role| role == NodeRole::Operator);
        Ok(paged::find(&*self.kv, all(), is_other).await?)
    }
}

const UNREADABLE: AccessError = AccessError::Unreadable { what: "a member of the node" };

fn all() -> KeyRange {
    KeyRange::prefix(keys::member(""))
}

/// Adds a member to a batch; an operator ends the use of the bootstrap token.
pub(super) fn put(batch: Batch, member: &Member) -> Batch {
    let record = MemberRecord { role: member.role, by: member.by.clone(), at_micros: member.at.as_micros() };
    let batch = batch.put(keys::member(&member.who.to_string()), record::encode(&record));
    match member.role {
        NodeRole::Operator => batch.delete(keys::bootstrap()),
        NodeRole::Member => batch,
    }
}

fn role_of(stored: &[u8]) -> Result<NodeRole, AccessError> {
    record::decode(stored).map(|record: MemberRecord| record.role).map_err(|Unreadable| UNREADABLE)
}

fn member_of(row: &Row) -> Result<Member, AccessError> {
    let who = keys::parse_member(&row.key).and_then(|who| who.parse().ok()).ok_or(UNREADABLE)?;
    let record: MemberRecord = record::decode(&row.value).map_err(|Unreadable| UNREADABLE)?;
    Ok(Member { who, role: record.role, by: record.by, at: Timestamp::from_micros(record.at_micros) })
}

#[cfg(test)]
mod tests;
