//! The entries of a tar archive, one after the other.
//!
//! The blocks are read by the `tar` crate; what stands between them is read here, because names and maps that are as
//! long as their writer likes must not be held in memory, and because a size in an extended header has to count.

use std::borrow::Cow;
use std::io::{self, Read};
use std::ops::Range;

use tar::{EntryType, Header};

use super::LayerError;
use super::extensions::{Extensions, NAME_BYTES_MAX, RECORDS_BYTES_MAX};
use super::sparse::Sparse;

pub(super) const BLOCK_BYTES: usize = 512;
/// With the NUL at the end.
const LONG_NAME_BYTES_MAX: u64 = NAME_BYTES_MAX as u64 + 1;

/// An entry; its content, if it is a file, is read from the [`Entries`] before the next one.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) name: Vec<u8>,
    pub(crate) kind: Kind,
    /// Where a link leads.
    pub(crate) link: Vec<u8>,
    pub(super) mode: u32,
    pub(super) uid: u32,
    pub(super) gid: u32,
    /// Seconds since 1970.
    pub(super) mtime: i64,
    /// What is stored of a file, in bytes.
    pub(crate) stored: u64,
    pub(crate) sparse: Option<Sparse>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    File,
    Directory,
    Symlink,
    HardLink,
    Fifo,
    Device,
}

pub(crate) struct Entries<R> {
    reader: R,
    /// Content of the current entry that was not read yet, and what pads it to whole blocks.
    content_left: u64,
    padding: u64,
}

impl<R: Read> Entries<R> {
    pub(crate) fn new(reader: R) -> Self {
        Self { reader, content_left: 0, padding: 0 }
    }

    pub(super) fn into_inner(self) -> R {
        self.reader
    }

    /// The next entry; what was not read of the one before is skipped.
    pub(crate) fn next(&mut self) -> Result<Option<Entry>, LayerError> {
        let mut extensions = Extensions::default();
        loop {
            self.skip()?;
            let Some(header) = self.header()? else { return Ok(None) };
            let kind = header.entry_type();
            let size = header.entry_size().map_err(|_| corrupt("a size"))?;
            match kind {
                EntryType::GNULongName => {
                    Extensions::long_name(&self.text(size, LONG_NAME_BYTES_MAX)?, &mut extensions.name);
                }
                EntryType::GNULongLink => {
                    Extensions::long_name(&self.text(size, LONG_NAME_BYTES_MAX)?, &mut extensions.link);
                }
                EntryType::XHeader => {
                    let records = self.text(size, RECORDS_BYTES_MAX)?;
                    extensions.records(&records)?;
                }
                // What is said of all entries is a comment in practice.
                EntryType::XGlobalHeader => drop(self.text(size, RECORDS_BYTES_MAX)?),
                _ => return self.entry(&header, kind, extensions.size.unwrap_or(size), extensions).map(Some),
            }
        }
    }

    fn entry(
        &mut self,
        header: &Header,
        kind: EntryType,
        size: u64,
        extensions: Extensions,
    ) -> Result<Entry, LayerError> {
        let mut name = extensions.name.unwrap_or_else(|| header.path_bytes().into_owned());
        let in_header =
            if kind == EntryType::GNUSparse { Some(Sparse::in_header(header, &mut self.reader)?) } else { None };
        let kind = match kind {
            // Before there was a type for directories, a slash told.
            EntryType::Regular if name.ends_with(b"/") => Kind::Directory,
            EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse => Kind::File,
            EntryType::Directory => Kind::Directory,
            EntryType::Symlink => Kind::Symlink,
            EntryType::Link => Kind::HardLink,
            EntryType::Fifo => Kind::Fifo,
            EntryType::Char | EntryType::Block => Kind::Device,
            other => {
                let reason = format!("`{}` is of the unknown type {:?}", shown(&name), char::from(other.as_byte()));
                return Err(LayerError::Unsupported(reason));
            }
        };
        // Others have no content, whatever their size says.
        let size = if kind == Kind::File { size } else { 0 };
        self.begin(size)?;
        let mut stored = size;
        let mut sparse = in_header;
        if kind == Kind::File
            && sparse.is_none()
            && let Some((map, taken)) = Sparse::in_content(&extensions.sparse, self)?
        {
            stored -= taken;
            sparse = Some(map);
            name = extensions.sparse.name.unwrap_or(name);
        }
        if sparse.as_ref().is_some_and(|sparse| sparse.stored() != stored) {
            return Err(corrupt("the map of a sparse file"));
        }
        let id = |extended: Option<u64>, read: io::Result<u64>| {
            let id = extended.map_or(read, Ok).map_err(|_| corrupt("an owner"))?;
            // The largest number stands for nobody.
            u32::try_from(id).ok().filter(|id| *id != u32::MAX).ok_or_else(|| corrupt("an owner"))
        };
        Ok(Entry {
            link: extensions.link.or_else(|| header.link_name_bytes().map(Cow::into_owned)).unwrap_or_default(),
            mode: header.mode().map_err(|_| corrupt("a mode"))?,
            uid: id(extensions.uid, header.uid())?,
            gid: id(extensions.gid, header.gid())?,
            // A time that does not fit is no reason to refuse a file.
            mtime: extensions
                .mtime
                .or_else(|| header.mtime().ok().and_then(|time| i64::try_from(time).ok()))
                .unwrap_or(0),
            name,
            kind,
            stored,
            sparse,
        })
    }

    /// The next header; `None` at the end, which is a block of zeros, or nothing.
    fn header(&mut self) -> Result<Option<Header>, LayerError> {
        let mut header = Header::new_old();
        let block = header.as_mut_bytes();
        let mut filled = 0;
        while filled < block.len() {
            match self.reader.read(&mut block[filled..])? {
                0 if filled == 0 => return Ok(None),
                0 => return Err(cut_off(io::ErrorKind::UnexpectedEof.into())),
                count => filled += count,
            }
        }
        if block.iter().all(|byte| *byte == 0) {
            return Ok(None);
        }
        let sum = checksum(block);
        match header.cksum() {
            Ok(written) if written == sum => {
                fill_blanks(header.as_mut_bytes());
                Ok(Some(header))
            }
            _ => Err(LayerError::Corrupt("it is not a tar archive, or a damaged one".to_owned())),
        }
    }

    fn text(&mut self, size: u64, size_max: u64) -> Result<Vec<u8>, LayerError> {
        if size > size_max {
            return Err(LayerError::TooLarge(format!("a name or an extended header is larger than {size_max} bytes")));
        }
        self.begin(size)?;
        let mut text = Vec::new();
        self.read_to_end(&mut text)?;
        Ok(text)
    }

    /// Lets the reader pass over what is left of the current entry by itself.
    pub(crate) fn leap<T>(&mut self, leap: impl FnOnce(&mut R, u64) -> T) -> T {
        let over = self.content_left + self.padding;
        (self.content_left, self.padding) = (0, 0);
        leap(&mut self.reader, over)
    }

    fn begin(&mut self, size: u64) -> Result<(), LayerError> {
        // The room for padding stays within the number.
        if size > i64::MAX as u64 {
            return Err(corrupt("a size"));
        }
        (self.content_left, self.padding) = (size, size.wrapping_neg() % BLOCK_BYTES as u64);
        Ok(())
    }

    fn skip(&mut self) -> Result<(), LayerError> {
        let skipped = self.content_left + self.padding;
        (self.content_left, self.padding) = (0, 0);
        match io::copy(&mut self.reader.by_ref().take(skipped), &mut io::sink())? {
            count if count < skipped => Err(cut_off(io::ErrorKind::UnexpectedEof.into())),
            _ => Ok(()),
        }
    }
}

/// The content of the current entry.
impl<R: Read> Read for Entries<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let wanted = buffer.len().min(usize::try_from(self.content_left).unwrap_or(usize::MAX));
        if wanted == 0 {
            return Ok(0);
        }
        match self.reader.read(&mut buffer[..wanted])? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            count => {
                self.content_left -= count as u64;
                Ok(count)
            }
        }
    }
}

/// The sum of a header's bytes, with those of the sum itself read as spaces.
fn checksum(block: &[u8]) -> u32 {
    let outside = block[..148].iter().chain(&block[156..]);
    8 * u32::from(b' ') + outside.map(|byte| u32::from(*byte)).sum::<u32>()
}

/// Some tools leave numbers out; they mean zero.
fn fill_blanks(block: &mut [u8]) {
    const NUMBERS: [Range<usize>; 5] = [100..108, 108..116, 116..124, 124..136, 136..148];
    for field in NUMBERS {
        let digits = &mut block[field];
        if digits.iter().all(|byte| matches!(byte, 0 | b' ')) {
            digits[0] = b'0';
        }
    }
}

/// What it means when an archive ends too early.
pub(super) fn cut_off(error: io::Error) -> LayerError {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => LayerError::Corrupt("it is cut off".to_owned()),
        _ => error.into(),
    }
}

/// What somebody else wrote, for people: cut to a reasonable length, and without what terminals obey.
pub(crate) fn shown(text: &[u8]) -> String {
    const SHOWN_MAX: usize = 200;
    String::from_utf8_lossy(&text[..text.len().min(SHOWN_MAX)]).escape_debug().to_string()
}

fn corrupt(what: &str) -> LayerError {
    LayerError::Corrupt(format!("{what} in it cannot be read"))
}
