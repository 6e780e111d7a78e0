//! What an invoker does, shown with functions that are closures.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panicking, as tests do")]

mod calls;
mod data;
mod deployments;
mod gatekeeper;
mod streaming;
mod versions;
mod wake;
mod world;
