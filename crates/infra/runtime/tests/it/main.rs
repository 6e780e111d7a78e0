//! The wasm engine through its port, with small modules written as text.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod cache;
mod components;
mod failures;
mod fairness;
mod guests;
mod metering;
mod support;
