//! The way in when nobody is operator yet: a token that makes the first one.
//!
//! Only its hash is here. The text is for the caller to write where only the machine's owner can read it.

use std::sync::Arc;

use mu_db::keys::access as keys;
use mu_db::{Batch, Kv, Outcome};
use mu_env::Env;

use super::bearer::BearerKind;
use super::grants::somebody;
use super::members::{self, Member, Members};
use super::{AccessError, NodeRole, Principal, TokenText, record};

/// The bootstrap token of a node.
#[derive(Clone, Debug)]
pub struct Bootstrap {
    kv: Arc<dyn Kv>,
    env: Env,
    members: Members,
}

/// What to do with the file of the bootstrap token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BootstrapFile {
    /// The node has an operator: remove the file, if there is one.
    Remove,
    /// The token in it is the valid one: leave it.
    Keep,
    /// Write this token, in place of what is there. Earlier ones are no longer valid.
    Write(TokenText),
}

impl Bootstrap {
    /// The bootstrap token in this store, for a node with these members.
    #[must_use]
    pub fn new(kv: Arc<dyn Kv>, env: Env, members: Members) -> Self {
        Self { kv, env, members }
    }

    /// Makes a token if the node needs one, when it starts. `existing` is the text in the file, if there is one.
    ///
    /// # Errors
    /// [`AccessError::Unreadable`], [`AccessError::Store`]
    pub async fn prepare(&self, existing: Option<&str>) -> Result<BootstrapFile, AccessError> {
        if self.members.has_operator().await? {
            // An operator may have come by the configuration, with a token left from before.
            if self.kv.get(&keys::bootstrap()).await?.is_some() {
                self.kv.commit(Batch::new().delete(keys::bootstrap())).await?;
            }
            return Ok(BootstrapFile::Remove);
        }
        let existing = existing.and_then(|text| BearerKind::Bootstrap.hash(text.trim()));
        if existing.is_some() && existing == self.stored_hash().await? {
            return Ok(BootstrapFile::Keep);
        }
        let text = BearerKind::Bootstrap.generate(self.env.random());
        let hash = BearerKind::Bootstrap.hash(text.reveal()).expect("a text that was just made is of its kind");
        self.kv.commit(Batch::new().put(keys::bootstrap(), record::encode_bytes(&hash))).await?;
        Ok(BootstrapFile::Write(text))
    }

    /// Whether this text is the valid bootstrap token.
    ///
    /// # Errors
    /// [`AccessError::Bootstrap`] when it is not; [`AccessError::Unreadable`], [`AccessError::Store`].
    pub async fn verify(&self, text: &str) -> Result<(), AccessError> {
        let hash = BearerKind::Bootstrap.hash(text).ok_or(AccessError::Bootstrap)?;
        if self.stored_hash().await? != Some(hash) || self.members.has_operator().await? {
            return Err(AccessError::Bootstrap);
        }
        Ok(())
    }

    /// Makes somebody the first operator, and ends the use of the token: whoever comes second is refused.
    ///
    /// # Errors
    /// [`AccessError::Bootstrap`], [`AccessError::NobodyInParticular`], [`AccessError::Unreadable`],
    /// [`AccessError::Store`]
    pub async fn register_first_operator(&self, text: &str, who: &Principal) -> Result<(), AccessError> {
        let who = somebody(who)?.clone();
        self.verify(text).await?;
        let hash = BearerKind::Bootstrap.hash(text).ok_or(AccessError::Bootstrap)?;
        let batch = Batch::new().expect_value(keys::bootstrap(), record::encode_bytes(&hash));
        let operator = Member { by: who.clone(), who, role: NodeRole::Operator, at: self.env.now() };
        match self.kv.commit(members::put(batch, &operator)).await? {
            Outcome::Committed => Ok(()),
            Outcome::Conflict(_) => Err(AccessError::Bootstrap),
        }
    }

    async fn stored_hash(&self) -> Result<Option<[u8; 32]>, AccessError> {
        let stored = self.kv.get(&keys::bootstrap()).await?;
        let read = |stored: &[u8]| record::decode_bytes(stored).map_err(AccessError::unreadable("the bootstrap token"));
        stored.as_deref().map(read).transpose()
    }
}

#[cfg(test)]
mod tests;
