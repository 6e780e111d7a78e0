//! What stands in front of an entry and does not fit into its header: long names, large numbers, maps of sparse files.

use super::LayerError;

/// A name is a path, and no path is longer.
pub(super) const NAME_BYTES_MAX: usize = 4095;
/// Room for names and numbers; what else stands among them (extended attributes) is not used.
pub(super) const RECORDS_BYTES_MAX: u64 = 1 << 20;

/// What was said of the next entry.
#[derive(Debug, Default)]
pub(super) struct Extensions {
    pub(super) name: Option<Vec<u8>>,
    pub(super) link: Option<Vec<u8>>,
    pub(super) size: Option<u64>,
    pub(super) uid: Option<u64>,
    pub(super) gid: Option<u64>,
    pub(super) mtime: Option<i64>,
    pub(super) sparse: SparseRecords,
}

/// What GNU tar says of a sparse file in records.
#[derive(Debug, Default)]
pub(super) struct SparseRecords {
    pub(super) major: Option<u64>,
    pub(super) minor: Option<u64>,
    pub(super) name: Option<Vec<u8>>,
    pub(super) real_size: Option<u64>,
    /// Whether there are records of the older formats.
    pub(super) is_older: bool,
}

impl Extensions {
    /// A long name in the manner of GNU tar, which ends with a NUL. Records in the manner of POSIX go before it.
    pub(super) fn long_name(text: &[u8], place: &mut Option<Vec<u8>>) {
        let end = text.iter().position(|byte| *byte == 0).unwrap_or(text.len());
        place.get_or_insert_with(|| text[..end].to_vec());
    }

    /// Records in the manner of POSIX: `LENGTH KEY=VALUE\n`, the length being that of the whole record.
    pub(super) fn records(&mut self, mut text: &[u8]) -> Result<(), LayerError> {
        while !text.is_empty() {
            let (key, value, rest) = record(text).ok_or_else(|| corrupt("a record of its extended headers"))?;
            self.record(key, value)?;
            text = rest;
        }
        Ok(())
    }

    fn record(&mut self, key: &[u8], value: &[u8]) -> Result<(), LayerError> {
        let name = || match value.len() {
            0..=NAME_BYTES_MAX => Ok(Some(value.to_vec())),
            _ => Err(LayerError::TooLarge(format!(
                "a name in its extended headers is longer than {NAME_BYTES_MAX} bytes"
            ))),
        };
        let number = || number(value).ok_or_else(|| corrupt("a number in its extended headers"));
        match key {
            b"path" => self.name = name()?,
            b"linkpath" => self.link = name()?,
            b"size" => self.size = Some(number()?),
            b"uid" => self.uid = Some(number()?),
            b"gid" => self.gid = Some(number()?),
            b"mtime" => self.mtime = Some(seconds(value).ok_or_else(|| corrupt("a time in its extended headers"))?),
            b"GNU.sparse.major" => self.sparse.major = Some(number()?),
            b"GNU.sparse.minor" => self.sparse.minor = Some(number()?),
            b"GNU.sparse.name" => self.sparse.name = name()?,
            b"GNU.sparse.realsize" => self.sparse.real_size = Some(number()?),
            b"GNU.sparse.map" | b"GNU.sparse.size" | b"GNU.sparse.numblocks" => self.sparse.is_older = true,
            _ => {}
        }
        Ok(())
    }
}

fn record(text: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let space = text.iter().take(20).position(|byte| *byte == b' ')?;
    let length = usize::try_from(number(&text[..space])?).ok()?;
    let body = text.get(space + 1..length)?.strip_suffix(b"\n")?;
    let equals = body.iter().position(|byte| *byte == b'=')?;
    Some((&body[..equals], &body[equals + 1..], &text[length..]))
}

pub(super) fn number(text: &[u8]) -> Option<u64> {
    let is_number = !text.is_empty() && text.iter().all(u8::is_ascii_digit);
    std::str::from_utf8(text).ok().filter(|_| is_number)?.parse().ok()
}

/// `1700000000.25`, maybe negative: whole seconds are enough.
fn seconds(text: &[u8]) -> Option<i64> {
    let text = std::str::from_utf8(text).ok()?;
    text.split('.').next()?.parse().ok()
}

fn corrupt(what: &str) -> LayerError {
    LayerError::Corrupt(format!("{what} cannot be read"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_read() {
        let mut extensions = Extensions::default();
        extensions.records(b"12 path=a/b\n13 size=1024\n20 mtime=1234567.89\n13 comment=x\n").unwrap();
        assert_eq!(extensions.name.as_deref(), Some(&b"a/b"[..]));
        assert_eq!((extensions.size, extensions.mtime), (Some(1024), Some(1_234_567)));
    }

    #[test]
    fn names_in_records_are_bounded() {
        for key in ["path", "linkpath", "GNU.sparse.name"] {
            for (length, fits) in [(NAME_BYTES_MAX, true), (NAME_BYTES_MAX + 1, false)] {
                // Four digits, a space, `=` and a line feed.
                let whole = 4 + 3 + key.len() + length;
                let record = format!("{whole} {key}={}\n", "x".repeat(length));
                let read = Extensions::default().records(record.as_bytes());
                assert!(
                    if fits { read.is_ok() } else { matches!(read, Err(LayerError::TooLarge(_))) },
                    "{key} {length}"
                );
            }
        }
    }

    #[test]
    fn broken_records_are_corrupt() {
        for text in [
            &b"x path=a\n"[..],
            b"99 path=a\n",
            b"3 path=a\n",
            b"0 path=a\n",
            b"11 path=ab",
            b"8 patha\n",
            b"18446744073709551616 a=b\n",
            b"11 size=-1\n",
            b"12 mtime=ab\n",
            b"\0\0\0\0",
        ] {
            let read = Extensions::default().records(text);
            assert!(matches!(read, Err(LayerError::Corrupt(_))), "{}", String::from_utf8_lossy(text));
        }
    }
}
