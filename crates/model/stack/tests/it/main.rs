//! The manifest as its writers meet it.

mod broken;
mod forms;
mod func;
mod manifest;
mod schema;

/// A manifest that has every key there is.
const FULL: &str = include_str!("full.yaml");
