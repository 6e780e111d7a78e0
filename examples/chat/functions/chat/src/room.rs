//! A room, and who is in it.

use mu_sdk::{Delivery, MuContext, Result, log};

use crate::{TABLE, name::Name};

/// The most connections that hear what is said in a room.
const MEMBERS_MAX: u32 = 1000;

/// A room of the chat.
pub(crate) struct Room<'a> {
    ctx: &'a MuContext,
    /// What the keys of its members start with.
    prefix: String,
}

// === impl Room ===

impl<'a> Room<'a> {
    pub(crate) fn new(ctx: &'a MuContext, name: &Name) -> Self {
        Self { ctx, prefix: format!("{name}/") }
    }

    /// Lets a connection hear what is said from now on.
    pub(crate) fn enter(&self, connection: &str, name: &Name) -> Result<()> {
        self.ctx.db().put(TABLE, self.key(connection), name.to_string())
    }

    /// Forgets a connection.
    pub(crate) fn leave(&self, connection: &str) -> Result<()> {
        self.ctx.db().delete(TABLE, self.key(connection))
    }

    /// Sends a line to everyone who is here.
    pub(crate) fn say(&self, line: &str) -> Result<()> {
        for row in self.ctx.db().scan_keys(TABLE, &self.prefix, MEMBERS_MAX)? {
            let key = String::from_utf8(row)?;
            let connection = &key[self.prefix.len()..];
            match self.ctx.websockets().send_text(connection, line)? {
                Delivery::Queued => {}
                // A node that was killed could not say that its connections ended.
                Delivery::Gone => self.leave(connection)?,
                Delivery::Full => log::warn!("{connection} is too slow and misses a line"),
            }
        }
        Ok(())
    }

    /// The names of who is here, one in a line.
    pub(crate) fn names(&self) -> Result<String> {
        let rows = self.ctx.db().scan(TABLE, &self.prefix, MEMBERS_MAX)?;
        let names = rows.into_iter().map(|row| Ok(String::from_utf8(row.value)? + "\n"));
        names.collect()
    }

    fn key(&self, connection: &str) -> String {
        format!("{}{connection}", self.prefix)
    }
}
