//! The wasm engine through its port, with small modules written as text.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod cache;
mod component_guest;
mod components;
mod containers;
mod failures;
mod fairness;
mod guests;
mod latest;
mod metering;
mod stores;
mod support;
