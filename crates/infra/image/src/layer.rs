//! From a layer as it comes to a directory as overlayfs wants it.
//!
//! A layer is a tar archive made by whoever made the image. It is read once, front to back: what it takes is counted as
//! it is read, every entry is made where no name and no link leads out of the directory, and the digest of it all is
//! compared at the end. The caller shows the directory to nobody before.

mod budget;
mod decompress;
mod entries;
mod extensions;
mod remove;
mod sparse;
mod tree;

#[cfg(test)]
mod tests;

use std::io::{self, BufReader, Read};
use std::path::Path;

pub(crate) use budget::{Budget, Stop, Taken};
pub(crate) use decompress::GZIP;
pub(crate) use entries::{Entries, Kind, shown};
pub(crate) use remove::remove_tree;
pub(crate) use tree::is_opaque;

use crate::digest::Hashing;
use crate::{Digest, ImageError};
use budget::{Meter, Metered};
use entries::Entry;
use tree::{Name, Tree};

const BUFFER_BYTES: usize = 64 << 10;

/// Files of this name hide what lower layers have under the rest of it.
const WHITEOUT: &[u8] = b".wh.";
/// A file of this name hides all that lower layers have in its directory.
const OPAQUE: &[u8] = b".wh..wh..opq";
/// Other files that start so are notes of a filesystem that is not used any more.
const NOTE: &[u8] = b".wh..wh.";

/// Why a layer is not unpacked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LayerError {
    #[error("`{entry}` {reason}")]
    Hostile { entry: String, reason: String },
    #[error("{0}")]
    TooLarge(String),
    #[error("{0}")]
    Corrupt(String),
    #[error("{0}")]
    Unsupported(String),
    /// Nobody waits for it any more.
    #[error("stopped")]
    Stopped,
    #[error("{action}: {source}")]
    Io { action: String, source: io::Error },
}

impl LayerError {
    /// As what it means for an image.
    pub(crate) fn of(self, image: &str, layer: &Digest) -> ImageError {
        let image = image.to_owned();
        match self {
            Self::Hostile { entry, reason } => ImageError::Hostile { image, layer: layer.to_string(), entry, reason },
            Self::TooLarge(what) => ImageError::TooLarge { image, what },
            Self::Corrupt(reason) => ImageError::Corrupt { image, reason: format!("layer {layer}: {reason}") },
            Self::Unsupported(reason) => ImageError::Unsupported { image, reason: format!("layer {layer}: {reason}") },
            Self::Stopped => ImageError::Stopping { image },
            Self::Io { action, source } => {
                ImageError::io(format!("layer {layer} of `{image}` was not unpacked: {action}"))(source)
            }
        }
    }
}

/// What a reader below says: decoders and meters have errors of their own, and those of the machine have a number.
impl From<io::Error> for LayerError {
    fn from(error: io::Error) -> Self {
        if error.raw_os_error().is_some() {
            return Self::Io { action: "it cannot be read".to_owned(), source: error };
        }
        match error.downcast::<Self>() {
            Ok(error) => error,
            Err(error) => Self::Corrupt(format!("it cannot be decompressed: {error}")),
        }
    }
}

/// Unpacks a layer, compressed or not, into an empty directory, all of it durable when this returns. The layer unpacked
/// has to have the digest `diff_id`. Answers what it took of the budget.
pub(crate) fn unpack(
    packed: impl Read + Send,
    into: &Path,
    diff_id: &Digest,
    budget: &Budget,
    stop: &Stop,
) -> Result<Taken, LayerError> {
    let meter = Meter::new(budget, stop);
    let unpacked = Metered::new(decompress::decompress(packed)?, &meter);
    let mut entries = Entries::new(BufReader::with_capacity(BUFFER_BYTES, Hashing::new(unpacked)));
    let tree = Tree::open(into, &meter)?;
    while let Some(entry) = entries.next()? {
        meter.take_file()?;
        make(&tree, &entry, &mut entries)?;
    }
    let found = entries.into_inner().into_inner().finish()?;
    if found != *diff_id {
        return Err(LayerError::Corrupt(format!("unpacked, it has the digest {found}")));
    }
    tree.sync()?;
    Ok(meter.taken())
}

fn make(tree: &Tree<'_>, entry: &Entry, content: &mut impl Read) -> Result<(), LayerError> {
    let name = Name::parse(&entry.name)?;
    let Some(last) = name.last() else {
        return match entry.kind {
            Kind::Directory => tree.root_metadata(entry),
            _ => Err(name.hostile("takes the place of the root")),
        };
    };
    if last == OPAQUE {
        return tree.opaque(&name);
    }
    if last.starts_with(NOTE) {
        return Ok(());
    }
    if let Some(hidden) = last.strip_prefix(WHITEOUT) {
        return match hidden {
            b"" | b"." | b".." => Err(name.hostile("hides what is no file")),
            hidden => tree.whiteout(&name, hidden),
        };
    }
    match &entry.kind {
        Kind::Directory => tree.directory(&name, entry),
        Kind::File => tree.file(&name, entry, content),
        Kind::Symlink => tree.symlink(&name, entry),
        Kind::HardLink => tree.hard_link(&name, &Name::parse(&entry.link)?),
        Kind::Fifo => tree.fifo(&name, entry),
        // Containers have devices of their own.
        Kind::Device => Ok(()),
    }
}
