//! What images may take.

use std::time::Duration;

const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;

/// What an image, and all of them together, may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ImageLimits {
    /// All layers of an image unpacked, in bytes of the archives that they are. Default: 10 GiB.
    pub image_bytes_max: u64,
    /// A layer as it is fetched, usually compressed, in bytes. Default: 4 GiB.
    pub layer_bytes_max: u64,
    /// Files, directories and links of all layers of an image. Default: 1 000 000.
    pub files_max: u64,
    /// A manifest or an index, in bytes. Default: 4 MiB, as registries have it.
    pub manifest_bytes_max: u64,
    /// The configuration of an image, in bytes. Default: 4 MiB.
    pub config_bytes_max: u64,
    /// Layers of an image. Default: 128; overlayfs takes no more than 500.
    pub layers_max: usize,
    /// All images together, on a disk with blocks of 4 KiB: where one more does not fit, those go that nobody holds, and
    /// if it still does not, it is not fetched. What is fetched may be larger unpacked, and exceeds this once. Default:
    /// 20 GiB.
    pub store_bytes_max: u64,
    /// An image that has not been in use for longer is collected. Default: 7 days.
    pub unused_for_max: Duration,
    /// How long an image may take from the first question to being unpacked. Default: 10 minutes.
    pub pull_timeout: Duration,
}

impl Default for ImageLimits {
    fn default() -> Self {
        Self {
            image_bytes_max: 10 * GIB,
            layer_bytes_max: 4 * GIB,
            files_max: 1_000_000,
            manifest_bytes_max: 4 * MIB,
            config_bytes_max: 4 * MIB,
            layers_max: 128,
            store_bytes_max: 20 * GIB,
            unused_for_max: Duration::from_secs(7 * 24 * 3600),
            pull_timeout: Duration::from_secs(600),
        }
    }
}
