//! OCI images: from a registry or an archive to a root filesystem.
//!
//! An [`ImageStore`] is a directory of a node. It gets images, checks every byte of them against digests, unpacks their
//! layers where nothing in them leads out, mounts them, and clears away what is not needed any more. [`push`] and
//! [`resolve`] are for those who make images.

mod archive;
mod config;
mod digest;
mod error;
mod image;
mod layer;
mod limits;
mod manifest;
mod mount;
mod push;
mod reference;
mod registries;
mod registry;
mod store;
mod stream;
#[cfg(test)]
mod testing;

pub use config::ImageConfig;
pub use digest::{Digest, InvalidDigest};
pub use error::ImageError;
pub use image::Image;
pub use limits::ImageLimits;
pub use mount::RootFs;
pub use push::{PushProgress, push, resolve};
pub use reference::ImageRef;
pub use registries::Registries;
pub use store::{Collected, Form, ImageArchive, ImageStore, StoreParams};
pub use stream::ArchiveStream;
