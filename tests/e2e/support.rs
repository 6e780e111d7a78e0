//! What the tests stand on: temporary projects, the running binary, and an HTTP client.

pub(crate) mod builder;
pub(crate) mod http;
pub(crate) mod images;
pub(crate) mod module;
pub(crate) mod node;
pub(crate) mod process;
pub(crate) mod project;
pub(crate) mod readme;
pub(crate) mod registry;

use std::time::Duration;

pub(crate) use http::Answer;
pub(crate) use images::Images;
pub(crate) use process::{Running, mu, output};
pub(crate) use project::{Project, files_below, guest, repository};

/// When waiting for something has failed. Generous: machines that run tests are busy.
pub(crate) const DEADLINE: Duration = Duration::from_secs(60);
