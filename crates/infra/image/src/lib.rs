//! OCI images: from a registry or an archive to a root filesystem.

/// An image. (To be written.)
#[derive(Clone, Debug)]
pub struct Image;

/// Why there is no image. (To be written.)
#[derive(Debug, thiserror::Error)]
#[error("no image")]
pub struct ImageError;
