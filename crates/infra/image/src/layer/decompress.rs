//! Layers come plain, or compressed by gzip or zstd. Their first bytes say how, whatever the manifest says: the digests
//! tell whether it was right.

use std::io::{self, BufReader, Cursor, Read};

use super::{BUFFER_BYTES, LayerError};

/// How what gzip made begins.
pub(crate) const GZIP: [u8; 2] = [0x1f, 0x8b];
const ZSTD: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

pub(super) fn decompress<'a>(mut packed: impl Read + Send + 'a) -> Result<Box<dyn Read + Send + 'a>, LayerError> {
    let mut start = Vec::with_capacity(ZSTD.len());
    packed.by_ref().take(ZSTD.len() as u64).read_to_end(&mut start)?;
    let (is_gzip, is_zstd) = (start.starts_with(&GZIP), is_zstd(&start));
    let whole = Cursor::new(start).chain(BufReader::with_capacity(BUFFER_BYTES, packed));
    if is_gzip {
        return Ok(Box::new(flate2::bufread::MultiGzDecoder::new(whole)));
    }
    if is_zstd {
        // The library refuses windows of more than 128 MiB by itself.
        return Ok(Box::new(zstd::stream::read::Decoder::with_buffer(whole).map_err(io::Error::other)?));
    }
    Ok(Box::new(whole))
}

/// A frame, or one to be skipped, with which some tools begin.
fn is_zstd(start: &[u8]) -> bool {
    start == ZSTD || matches!(start, [0x50..=0x5f, 0x2a, 0x4d, 0x18])
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn gzip(content: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(content).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn the_first_bytes_tell() {
        let zstd = |content: &[u8]| zstd::encode_all(content, 1).unwrap();
        let skipped = [&[0x51, 0x2a, 0x4d, 0x18, 2, 0, 0, 0, 9, 9][..], &zstd(b"content")].concat();
        for (name, packed) in [
            ("plain", b"content".to_vec()),
            ("gzip", gzip(b"content")),
            ("two members", [gzip(b"con"), gzip(b"tent")].concat()),
            ("zstd", zstd(b"content")),
            ("two frames", [zstd(b"con"), zstd(b"tent")].concat()),
            ("a frame to skip", skipped),
        ] {
            let mut content = Vec::new();
            decompress(&packed[..]).unwrap().read_to_end(&mut content).unwrap();
            assert_eq!(content, b"content", "{name}");
        }
        for short in [&b""[..], b"a", b"abc"] {
            let mut content = Vec::new();
            decompress(short).unwrap().read_to_end(&mut content).unwrap();
            assert_eq!(content, short);
        }
    }

    #[test]
    fn what_is_cut_off_is_corrupt() {
        for packed in [gzip(&[7; 1000]), zstd::encode_all(&[7; 1000][..], 1).unwrap()] {
            let cut = &packed[..packed.len() - 3];
            let read = decompress(cut).unwrap().read_to_end(&mut Vec::new());
            let error = LayerError::from(read.expect_err("the end is missing"));
            assert!(matches!(error, LayerError::Corrupt(_)), "{error:?}");
        }
    }
}
