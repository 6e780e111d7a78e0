//! Why there is no image.

use std::io;
use std::sync::Arc;
use std::time::Duration;

/// Why an image was not found, fetched, unpacked or mounted. The texts are for people: they name the image, where it was
/// looked for, and the remedy. Cheap to clone, because everybody who waited for an attempt is told why it failed.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ImageError {
    /// A text is no reference of an image.
    #[error("`{text}` is not the name of an image: {reason}")]
    Reference {
        /// The text.
        text: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The settings of registries cannot be read.
    #[error("credentials of registries cannot be read: {reason}")]
    Credentials {
        /// What is wrong with them; nothing of them is in it.
        reason: String,
    },
    /// The registry knows no such image (404).
    #[error("{registry} has no image `{image}`: push it there, or correct its name")]
    NotFound {
        /// The image that was asked for.
        image: String,
        /// The registry's host.
        registry: String,
    },
    /// The registry lets us not read or write it (401, 403). Some say so of images that do not exist.
    #[error(
        "{registry} denies access to `{image}` ({status}): correct its name, or provide credentials for {registry} \
         (a user and a password or access token: credential helpers and identity tokens are not used)"
    )]
    Denied {
        /// The image that was asked for.
        image: String,
        /// The registry's host.
        registry: String,
        /// 401 or 403.
        status: u16,
    },
    /// The registry refused for another reason (another 4xx).
    #[error("{registry} refused `{image}` with status {status}: {reason}")]
    Refused {
        /// The image that was asked for.
        image: String,
        /// The registry's host.
        registry: String,
        /// The registry's status.
        status: u16,
        /// How long to wait, if it said so.
        retry_after: Option<Duration>,
        /// What it said.
        reason: String,
    },
    /// The registry cannot be reached, or fails (5xx).
    #[error("{registry} did not deliver `{image}`: {reason}; try again when the registry can be reached")]
    Unavailable {
        /// The image that was asked for.
        image: String,
        /// The registry's host.
        registry: String,
        /// What went wrong.
        reason: String,
    },
    /// The registry, or a place that it leads to, is where images are not fetched from.
    #[error(
        "`{image}` is not asked for: `{host}` is at an address that is not public, or is this machine, and is not \
         among the registries that the operator lists (`containers.insecure_registries`, or in `containers.credentials`)"
    )]
    OutOfReach {
        /// The image that was asked for.
        image: String,
        /// The host that is not asked.
        host: String,
    },
    /// It took too long.
    #[error("`{image}` was not ready within {} s: try again, or allow more time for pulling images", .after.as_secs())]
    TimedOut {
        /// The image that was asked for.
        image: String,
        /// How long was waited.
        after: Duration,
    },
    /// The node is stopping.
    #[error("`{image}` was not fetched because the node is stopping")]
    Stopping {
        /// The image that was asked for.
        image: String,
    },
    /// The image is for other machines.
    #[error("`{image}` is for {offered}, and this machine is {wanted}: build it for {wanted}")]
    Architecture {
        /// The image.
        image: String,
        /// This machine: `linux/amd64`.
        wanted: String,
        /// What there is.
        offered: String,
    },
    /// The image does not say what to run.
    #[error("`{image}` has neither an entrypoint nor a command: add one to its Dockerfile or func.yaml")]
    NoCommand {
        /// The image.
        image: String,
    },
    /// The image wants volumes, which functions do not have.
    #[error("`{image}` declares VOLUME {volumes}, and functions have no volumes: take it out of its Dockerfile")]
    Volumes {
        /// The image.
        image: String,
        /// The volumes.
        volumes: String,
    },
    /// A layer tries to reach out of its directory, or to make what no layer may.
    #[error("`{image}` is hostile: in layer {layer}, `{entry}` {reason}")]
    Hostile {
        /// The image.
        image: String,
        /// The digest of the layer, unpacked.
        layer: String,
        /// The entry of the layer, cut to a reasonable length.
        entry: String,
        /// What it tries.
        reason: String,
    },
    /// A limit was reached.
    #[error("`{image}` is too large: {what}")]
    TooLarge {
        /// The image.
        image: String,
        /// What is larger than what.
        what: String,
    },
    /// The images of the node leave no room for it.
    #[error(
        "`{image}` was not fetched: with it, the images that are in use would take more than {bytes_max} bytes \
         ({used_bytes} without it); remove functions that are not needed, or allow images more room"
    )]
    NoRoom {
        /// The image.
        image: String,
        /// What those take that stay, in bytes.
        used_bytes: u64,
        /// What all may take, in bytes.
        bytes_max: u64,
    },
    /// The content is not what its name says, or cannot be read.
    #[error("`{image}` is corrupt: {reason}; build and push it again")]
    Corrupt {
        /// The image.
        image: String,
        /// What does not fit.
        reason: String,
    },
    /// The image uses what is not supported here.
    #[error("`{image}` cannot be used here: {reason}")]
    Unsupported {
        /// The image.
        image: String,
        /// What, and the remedy.
        reason: String,
    },
    /// The machine failed.
    #[error("{action}: {source}")]
    Io {
        /// What was being done.
        action: String,
        /// What failed.
        source: Arc<io::Error>,
    },
}

impl ImageError {
    /// The status with which the registry refused, if it did.
    #[must_use]
    pub fn registry_status(&self) -> Option<u16> {
        match self {
            Self::NotFound { .. } => Some(404),
            Self::Denied { status, .. } | Self::Refused { status, .. } => Some(*status),
            _ => None,
        }
    }

    /// Whether the disk is full.
    pub(crate) fn is_full(&self) -> bool {
        let full = [io::ErrorKind::StorageFull, io::ErrorKind::QuotaExceeded];
        matches!(self, Self::Io { source, .. } if full.contains(&source.kind()))
    }

    /// For `map_err`: what was being done when the machine failed.
    pub(crate) fn io(action: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let action = action.into();
        move |source| Self::Io { action, source: Arc::new(source) }
    }
}
