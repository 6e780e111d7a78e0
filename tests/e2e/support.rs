//! What the tests stand on: temporary projects, the running binary, and an HTTP client.

pub mod http;
pub mod process;
pub mod project;

use std::time::Duration;

pub use http::Answer;
pub use process::{Running, mu, output, wait_until};
pub use project::{Project, files_below, guest, repository};

/// When waiting for something has failed. Generous: machines that run tests are busy.
pub const DEADLINE: Duration = Duration::from_secs(60);
