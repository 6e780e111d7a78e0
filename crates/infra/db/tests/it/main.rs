//! The stores from outside: against a model, and killed at work.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panicking, as tests do")]

mod kill;
mod model;
