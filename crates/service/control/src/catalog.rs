//! Stacks, their numbered versions, and the artifacts they are made of.
//!
//! [`Catalog`] keeps stacks, versions and routing in the database; [`Artifacts`] keeps the code of functions, which
//! arrives by uploads that can be continued; [`Idempotency`] sees to it that a request that is sent again is not done
//! again. A deploy goes like this:
//!
//! 1. [`Artifacts::missing`] says what to upload; [`Artifacts::create_upload`], [`Artifacts::append`] and
//!    [`Artifacts::finish_upload`] take it.
//! 2. [`Catalog::begin_version`] writes the version, which is not prepared yet.
//! 3. Whoever runs functions prepares it and says how that went: [`Catalog::version_prepared`] or
//!    [`Catalog::version_failed`].
//! 4. [`Catalog::activate`] routes all traffic to it, or [`Catalog::route`] a part.
//!
//! Every step is one commit that is whole or not at all, so that a process can end between any two of them: what is
//! left is a version that is not routed, which is removed when it is old. Deleting takes several commits and begins with
//! a tombstone, from which it goes on.

mod activate;
mod artifact_hash;
mod artifacts;
mod change;
mod collect;
mod create;
mod delete;
mod diff;
mod error;
mod finish;
pub mod fns;
mod idempotency;
pub mod limits;
mod list;
mod prune;
mod routing;
mod stack_record;
pub(crate) mod stored;
mod uploads;
mod version_record;
mod versions;

use std::sync::Arc;

use mu_db::{Kv, keys};
use mu_env::Env;
use mu_stack::StackId;

pub use self::activate::{RoutingChange, RoutingRecord};
pub use self::artifact_hash::{ArtifactHash, InvalidArtifactHash};
pub use self::artifacts::{ArtifactError, ArtifactInfo, Artifacts};
pub use self::change::StackPatch;
pub use self::collect::Collected;
pub use self::create::NewStack;
pub use self::delete::DataFate;
pub use self::diff::{Change, FieldChange, ServiceChange, StackDiff};
pub use self::error::CatalogError;
pub use self::idempotency::{Begun, Idempotency, IdempotencyError, Ticket};
pub use self::list::{EntryState, StackEntry, StackListParams, StackPage};
pub use self::routing::{InvalidRouting, Routing, Weight};
pub use self::stack_record::{Annotations, StackRecord, StackRef, StackState};
pub use self::stored::RecordError;
use self::stored::Stored;
pub use self::uploads::{GATHERED_BYTES, Upload};
pub use self::version_record::{InvalidVersionNumber, StoredVersion, VersionNumber, VersionRecord, VersionState};
pub use self::versions::{BegunVersion, NewVersion, VersionPage};

/// The stacks of a node, with their versions and routing. Cloning is cheap.
#[derive(Clone, Debug)]
pub struct Catalog {
    kv: Arc<dyn Kv>,
    env: Env,
}

impl Catalog {
    /// The catalog in this database.
    #[must_use]
    pub fn new(kv: Arc<dyn Kv>, env: Env) -> Self {
        Self { kv, env }
    }

    /// A stack, in whatever state, whose name may be found by its id and its id by its name.
    ///
    /// # Errors
    /// [`CatalogError::UnknownStack`], [`CatalogError::Record`].
    pub async fn stack(&self, stack: &StackRef) -> Result<StackRecord, CatalogError> {
        let unknown = || CatalogError::UnknownStack { stack: stack.to_string() };
        let id = match stack {
            StackRef::Id(id) => *id,
            StackRef::Name(name) => self.entry(name).await?.ok_or_else(unknown)?.value.id,
        };
        // A stack may be renamed or deleted between the two reads, and is then answered as it is now.
        Ok(self.read_stack(&id).await?.ok_or_else(unknown)?.value)
    }

    async fn read_stack(&self, id: &StackId) -> Result<Option<Stored<StackRecord>>, CatalogError> {
        Ok(stored::read(&*self.kv, &keys::catalog::stack(id.key()), || format!("stack `{id}`")).await?)
    }

    /// The stack, if it can be changed. Changes expect to find it as it was read: they never meet a deletion.
    pub(crate) async fn active(&self, id: &StackId) -> Result<Stored<StackRecord>, CatalogError> {
        let stack = self.any_state(id).await?;
        match stack.value.state {
            StackState::Active => Ok(stack),
            StackState::Deleting { .. } => Err(CatalogError::Deleted { name: stack.value.name, data_kept: false }),
            StackState::Kept { .. } => Err(CatalogError::Deleted { name: stack.value.name, data_kept: true }),
        }
    }

    async fn any_state(&self, id: &StackId) -> Result<Stored<StackRecord>, CatalogError> {
        self.read_stack(id).await?.ok_or_else(|| CatalogError::UnknownStack { stack: id.to_string() })
    }
}

#[cfg(test)]
mod tests;
