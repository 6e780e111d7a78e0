//! Files with holes: what is stored, and where it belongs.

use std::io::Read;

use tar::Header;

use super::LayerError;
use super::entries::BLOCK_BYTES;
use super::extensions::{SparseRecords, number};

/// More pieces than any tool makes of a file that belongs into an image.
const SEGMENTS_MAX: usize = 1 << 16;

/// Where the stored bytes of a file belong; between them are holes.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Sparse {
    pub(super) real_size: u64,
    /// Offset and length, in ascending order and within the size.
    pub(super) segments: Vec<(u64, u64)>,
}

impl Sparse {
    /// The map in an old GNU header, and in the blocks behind it.
    pub(super) fn in_header(header: &Header, reader: &mut impl Read) -> Result<Self, LayerError> {
        let gnu = header.as_gnu().ok_or_else(|| broken("its header is not one of GNU tar"))?;
        let mut segments = Vec::new();
        let mut extend = |pieces: &[tar::GnuSparseHeader]| -> Result<(), LayerError> {
            for piece in pieces.iter().filter(|piece| !piece.is_empty()) {
                let number = |read: std::io::Result<u64>| read.map_err(|_| broken("a number cannot be read"));
                segments.push((number(piece.offset())?, number(piece.length())?));
            }
            if segments.len() > SEGMENTS_MAX { Err(broken("it has too many pieces")) } else { Ok(()) }
        };
        extend(&gnu.sparse)?;
        let mut is_extended = gnu.is_extended();
        while is_extended {
            let mut block = tar::GnuExtSparseHeader::new();
            reader.read_exact(block.as_mut_bytes()).map_err(super::entries::cut_off)?;
            extend(block.sparse())?;
            is_extended = block.is_extended();
        }
        let real_size = gnu.real_size().map_err(|_| broken("its size cannot be read"))?;
        Self { real_size, segments }.checked()
    }

    /// The map in front of the content, as GNU tar writes it into POSIX archives (format 1.0), if the records say that
    /// there is one. Answers what of the stored size it took as well.
    pub(super) fn in_content(
        records: &SparseRecords,
        content: &mut impl Read,
    ) -> Result<Option<(Self, u64)>, LayerError> {
        match (records.major, records.minor) {
            (Some(1), Some(0)) => {}
            (None, None) if !records.is_older => return Ok(None),
            _ => return Err(LayerError::Unsupported("a sparse file in a format older than GNU tar's 1.0".to_owned())),
        }
        let real_size = records.real_size.ok_or_else(|| broken("its size is not given"))?;
        let mut map = Map { content, block: [0; BLOCK_BYTES], at: BLOCK_BYTES, taken: 0 };
        let count = map.number()?;
        if count > SEGMENTS_MAX as u64 {
            return Err(broken("it has too many pieces"));
        }
        let mut segments = Vec::new();
        for _ in 0..count {
            segments.push((map.number()?, map.number()?));
        }
        let taken = map.taken;
        Ok(Some((Self { real_size, segments }.checked()?, taken)))
    }

    /// What is stored, in bytes.
    pub(super) fn stored(&self) -> u64 {
        self.segments.iter().map(|(_, length)| length).sum()
    }

    fn checked(self) -> Result<Self, LayerError> {
        let mut end = 0;
        for (offset, length) in &self.segments {
            let next = offset.checked_add(*length).filter(|next| *offset >= end && *next <= self.real_size);
            end = next.ok_or_else(|| broken("its pieces overlap or exceed it"))?;
        }
        Ok(self)
    }
}

/// Decimal numbers, each with a line feed, in whole blocks.
struct Map<'a, R> {
    content: &'a mut R,
    block: [u8; BLOCK_BYTES],
    at: usize,
    taken: u64,
}

impl<R: Read> Map<'_, R> {
    fn number(&mut self) -> Result<u64, LayerError> {
        let mut digits = Vec::new();
        loop {
            if self.at == BLOCK_BYTES {
                self.content.read_exact(&mut self.block).map_err(super::entries::cut_off)?;
                (self.at, self.taken) = (0, self.taken + BLOCK_BYTES as u64);
            }
            let byte = self.block[self.at];
            self.at += 1;
            match byte {
                b'\n' => return number(&digits).ok_or_else(|| broken("a number cannot be read")),
                byte if digits.len() < 20 => digits.push(byte),
                _ => return Err(broken("a number cannot be read")),
            }
        }
    }
}

fn broken(reason: &str) -> LayerError {
    LayerError::Corrupt(format!("the map of a sparse file is broken: {reason}"))
}
