//! Containers as their users see them, by every adapter.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod docker;
mod image;
mod memory;
mod oci;
mod sweep;
