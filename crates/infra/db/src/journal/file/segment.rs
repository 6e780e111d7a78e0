//! The bytes of a segment: a header, then a frame per record.
//!
//! A header is `mujl`, a version, the journal's id, the position at which the segment starts, and a checksum of all of
//! that. A frame is the record's length, a checksum of length and record, and the record. Numbers are big-endian;
//! checksums are CRC-32.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::path::Path;

use bytes::{BufMut, Bytes};

use crate::journal::{JournalId, RECORD_BYTES_MAX};

const MAGIC: [u8; 4] = *b"mujl";
const VERSION: u8 = 1;

pub(super) const HEADER_BYTES: usize = 4 + 1 + 16 + 8 + 4;
/// What a frame has besides its record.
pub(super) const FRAME_BYTES: usize = 8;

/// What a segment begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) id: JournalId,
    pub(super) start: u64,
}

impl Header {
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(HEADER_BYTES);
        bytes.put_slice(&MAGIC);
        bytes.put_u8(VERSION);
        bytes.put_slice(&self.id);
        bytes.put_u64(self.start);
        bytes.put_u32(crc32fast::hash(&bytes));
        bytes
    }

    fn decode(bytes: &[u8; HEADER_BYTES]) -> Option<Self> {
        let (text, checksum) = bytes.split_last_chunk::<4>()?;
        let rest = text.strip_prefix(&MAGIC)?.strip_prefix(&[VERSION])?;
        let (id, start) = rest.split_first_chunk::<16>()?;
        let is_whole = crc32fast::hash(text).to_be_bytes() == *checksum;
        is_whole.then_some(Self { id: *id, start: u64::from_be_bytes(start.try_into().ok()?) })
    }
}

/// The header of a file; `None` when it has none.
pub(super) fn header(path: &Path) -> io::Result<Option<Header>> {
    let mut bytes = [0; HEADER_BYTES];
    match File::open(path)?.read_exact(&mut bytes) {
        Ok(()) => Ok(Header::decode(&bytes)),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
        Err(error) => Err(error),
    }
}

/// Puts the frame of a record into `frame`.
pub(super) fn frame(record: &[u8], frame: &mut Vec<u8>) {
    frame.clear();
    let length = u32::try_from(record.len()).expect("a record's length was checked");
    frame.put_u32(length);
    frame.put_u32(checksum(length, record));
    frame.put_slice(record);
}

/// Where the last whole frame of a file ends, counted from the end of its header.
pub(super) fn valid_end(path: &Path) -> io::Result<u64> {
    let mut file = BufReader::with_capacity(1 << 20, File::open(path)?);
    file.seek(SeekFrom::Start(HEADER_BYTES as u64))?;
    let (mut end, mut record) = (0, Vec::new());
    loop {
        let mut front = [0; FRAME_BYTES];
        if !read_whole(&mut file, &mut front)? {
            return Ok(end);
        }
        let Some((length, checksum_found)) = parse_front(&front) else { return Ok(end) };
        record.resize(length as usize, 0);
        if !read_whole(&mut file, &mut record)? || checksum(length, &record) != checksum_found {
            return Ok(end);
        }
        end += (FRAME_BYTES + record.len()) as u64;
    }
}

/// The records between two places of a file, both counted from the end of its header, and the place after the last of
/// them. At most `bytes_max` bytes of records, but one if there is one.
pub(super) fn read_frames(path: &Path, from: u64, end: u64, bytes_max: usize) -> io::Result<(Vec<Bytes>, u64)> {
    let wanted = (bytes_max.max(RECORD_BYTES_MAX) + FRAME_BYTES) as u64;
    let mut buffer = Vec::new();
    let mut file = File::open(path)?;
    file.seek(SeekFrom::Start(HEADER_BYTES as u64 + from))?;
    file.take(wanted.min(end.saturating_sub(from))).read_to_end(&mut buffer)?;
    let buffer = Bytes::from(buffer);
    let (mut records, mut at, mut bytes) = (Vec::new(), 0, 0);
    while let Some(record) = frame_at(&buffer, at) {
        bytes += record.len();
        if bytes > bytes_max && !records.is_empty() {
            break;
        }
        at += FRAME_BYTES + record.len();
        records.push(record);
    }
    if records.is_empty() && !buffer.is_empty() {
        tracing::error!("{} has {} bytes that are no records: they are skipped", path.display(), end - from);
    }
    Ok((records, from + at as u64))
}

/// The record of the whole frame at a place of the buffer.
fn frame_at(buffer: &Bytes, at: usize) -> Option<Bytes> {
    let front = buffer.get(at..)?.first_chunk::<FRAME_BYTES>()?;
    let (length, checksum_found) = parse_front(front)?;
    let start = at + FRAME_BYTES;
    let end = start.checked_add(length as usize).filter(|end| *end <= buffer.len())?;
    (checksum(length, &buffer[start..end]) == checksum_found).then(|| buffer.slice(start..end))
}

/// The length and the checksum of a frame; `None` when no record is that long. Zeros, which a file system may leave
/// where nothing was written, are no frame.
fn parse_front(front: &[u8; FRAME_BYTES]) -> Option<(u32, u32)> {
    let [a, b, c, d, rest @ ..] = *front;
    let length = u32::from_be_bytes([a, b, c, d]);
    let is_possible = (1..=RECORD_BYTES_MAX).contains(&(length as usize));
    is_possible.then_some((length, u32::from_be_bytes(rest)))
}

fn checksum(length: u32, record: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&length.to_be_bytes());
    hasher.update(record);
    hasher.finalize()
}

/// Whether there was enough to fill the buffer.
fn read_whole(file: &mut impl Read, buffer: &mut [u8]) -> io::Result<bool> {
    match file.read_exact(buffer) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Changing one of these makes what is in the journals of nodes unreadable.
    #[test]
    fn golden() {
        let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        let header = Header { id: [7; 16], start: 0x0102 };
        let encoded = header.encode();
        assert_eq!(hex(&encoded), format!("6d756a6c01{}0000000000000102{}", "07".repeat(16), "95b089ed"));
        assert_eq!(Header::decode(encoded.as_slice().try_into().unwrap()), Some(header));
        let mut bytes = Vec::new();
        frame(b"record", &mut bytes);
        assert_eq!(hex(&bytes), "00000006aaac637e7265636f7264");
    }

    #[test]
    fn a_changed_header_is_none() {
        let encoded = Header { id: [7; 16], start: 5 }.encode();
        for at in 0..encoded.len() {
            let mut changed: [u8; HEADER_BYTES] = encoded.as_slice().try_into().unwrap();
            changed[at] ^= 1;
            assert_eq!(Header::decode(&changed), None, "byte {at}");
        }
    }
}
