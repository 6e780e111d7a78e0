//! Who asks.

use std::fmt;

use mu_sdk::{Error, FromRequest, Request, Result};

use crate::name::Name;

/// The header that tells who asks. A real service would put something in front that checks it.
const USER_HEADER: &str = "x-user-id";

/// Who asks. A handler that has this as a parameter is only run for requests that tell.
#[derive(Debug)]
pub(crate) struct User(Name);

// === impl User ===

impl User {
    /// What the keys of all of the user's todos start with.
    pub(crate) fn prefix(&self) -> String {
        format!("{}/", self.0)
    }

    /// The key of a todo.
    pub(crate) fn key(&self, title: &Name) -> String {
        format!("{}/{title}", self.0)
    }

    /// What the keys of all attachments of a todo start with.
    pub(crate) fn attachment_prefix(&self, title: &Name) -> String {
        format!("{}/{title}/", self.0)
    }

    /// The key of an attachment.
    pub(crate) fn attachment_key(&self, title: &Name, name: &Name) -> String {
        format!("{}/{title}/{name}", self.0)
    }
}

impl FromRequest<'_> for User {
    fn from_request(request: &Request) -> Result<Self> {
        let user = request
            .header(USER_HEADER)
            .ok_or_else(|| Error::unauthorized(format!("say who you are in the header `{USER_HEADER}`")))?;
        let name = Name::try_from(user.to_owned())
            .map_err(|problem| Error::unauthorized(format!("the header `{USER_HEADER}`: {problem}")))?;
        Ok(Self(name))
    }
}

impl fmt::Display for User {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}
