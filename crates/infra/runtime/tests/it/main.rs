//! The wasm engine through its port, with small modules written as text.

mod cache;
mod failures;
mod fairness;
mod metering;
mod support;
