//! Containers as their users see them, by every adapter.

mod image;
mod memory;
mod oci;
mod sweep;
