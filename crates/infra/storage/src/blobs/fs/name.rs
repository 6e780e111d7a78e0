//! File names made from keys, and keys read back from file names.
//!
//! A key may hold any text and be longer than a file name may be, so it is cut into pieces: one ends after the first
//! `/`, or after 80 bytes. All pieces but the last become directories. In a name, bytes other than `a-z 0-9 _ -` are
//! written as `%` and two hexadecimal digits. Capital letters are among them, for file systems that don't tell them
//! apart. The ending says what the name stands for, so that `a` and `a/b` can both exist:
//!
//! | ending | piece |
//! |---|---|
//! | `.dir` | a directory: text that ended with `/` |
//! | `.part` | a directory: 80 bytes of longer text |
//! | `.blob` | a file: the last piece |
//!
//! No piece that becomes a directory is the beginning of another one, and all keys in a directory begin with its
//! pieces. Sorted by piece, files before directories, a directory's entries are in the order of their keys.

use std::path::{Path, PathBuf};

const PIECE_BYTES: usize = 80;

/// What a piece takes in a path besides its text, at most.
const LONGEST_ENDING: &str = ".part/";

/// What a file name stands for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Piece {
    /// Its part of the key.
    pub(super) text: Vec<u8>,
    pub(super) kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Blob,
    Directory,
}

/// The file of a key.
pub(super) fn path(root: &Path, key: &str) -> PathBuf {
    let (mut path, last) = directory(root, key);
    path.push(encode(last, Kind::Blob));
    path
}

/// The file of a blob, or the directory, that a piece stands for.
pub(super) fn entry(directory: &Path, piece: &Piece) -> PathBuf {
    directory.join(encode(&piece.text, piece.kind))
}

/// The most bytes that the path of a key can have below the root. It grows with the key.
pub(in crate::blobs) fn path_bytes(key: &str) -> usize {
    let (mut escaped, mut slashes) = (0, 0);
    for byte in key.bytes() {
        match byte {
            b'/' => slashes += 1,
            byte if is_plain(byte) => {}
            _ => escaped += 1,
        }
    }
    // A piece ends at a slash, after its longest length, or with the key.
    let pieces = slashes + key.len() / PIECE_BYTES + 1;
    // The last 2 are for a slash at the end, which is escaped.
    key.len() + 2 * escaped + pieces * LONGEST_ENDING.len() + 2
}

/// The deepest directory that holds all keys that begin with `key`, and the rest of the key within it.
pub(super) fn directory<'key>(root: &Path, key: &'key str) -> (PathBuf, &'key [u8]) {
    let mut path = root.to_owned();
    let mut rest = key.as_bytes();
    loop {
        let longest = &rest[..rest.len().min(PIECE_BYTES)];
        let end = longest.iter().position(|&byte| byte == b'/').map_or(longest.len(), |slash| slash + 1);
        let (text, later) = rest.split_at(end);
        if later.is_empty() {
            return (path, text);
        }
        path.push(encode(text, Kind::Directory));
        rest = later;
    }
}

fn encode(text: &[u8], kind: Kind) -> String {
    let (text, ending) = match (kind, text) {
        (Kind::Blob, text) => (text, ".blob"),
        (Kind::Directory, [text @ .., b'/']) => (text, ".dir"),
        (Kind::Directory, text) => (text, ".part"),
    };
    let mut name = String::with_capacity(text.len() + ending.len());
    for &byte in text {
        match byte {
            byte if is_plain(byte) => name.push(char::from(byte)),
            _ => name.push_str(&format!("%{byte:02x}")),
        }
    }
    name + ending
}

fn is_plain(byte: u8) -> bool {
    matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-')
}

/// What a file name stands for; `None` when it is not one of ours.
pub(super) fn decode(name: &str) -> Option<Piece> {
    let (stem, ending) = name.rsplit_once('.')?;
    let mut text = Vec::with_capacity(stem.len());
    let mut bytes = stem.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'%' => text.push(hex(bytes.next()?)? << 4 | hex(bytes.next()?)?),
            byte => text.push(byte),
        }
    }
    let kind = match ending {
        "blob" => Kind::Blob,
        "dir" => {
            text.push(b'/');
            Kind::Directory
        }
        "part" => Kind::Directory,
        _ => return None,
    };
    // Only what we would have written ourselves: otherwise two names could stand for one key.
    (encode(&text, kind) == name).then_some(Piece { text, kind })
}

fn hex(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Changing one of these hides the blobs of every node.
    #[test]
    fn golden() {
        let (long, dots) = ("x".repeat(100), "../..");
        for (key, expected) in [
            ("a", "a.blob".to_owned()),
            ("a/b", "a.dir/b.blob".into()),
            ("a/", "a%2f.blob".into()),
            ("//x", ".dir/.dir/x.blob".into()),
            ("Photo 1.jpg", "%50hoto%201%2ejpg.blob".into()),
            ("ä", "%c3%a4.blob".into()),
            (dots, "%2e%2e.dir/%2e%2e.blob".into()),
            ("/etc/passwd", ".dir/etc.dir/passwd.blob".into()),
            ("a\0\\b", "a%00%5cb.blob".into()),
            (&long, format!("{}.part/{}.blob", "x".repeat(80), "x".repeat(20))),
            (&long[..80], format!("{}.blob", "x".repeat(80))),
        ] {
            assert_eq!(path(Path::new(""), key), Path::new(&expected), "{key:?}");
        }
    }

    #[test]
    fn foreign_names_are_not_ours() {
        for name in ["", "a", ".", "..", "a.txt", "A.blob", "%61.blob", "%4A.blob", "%4.blob", "%.blob", "a%2f.dir.x"] {
            assert_eq!(decode(name), None, "{name:?}");
        }
        assert_eq!(decode("a%2f.dir"), Some(Piece { text: b"a//".to_vec(), kind: Kind::Directory }), "harmless");
    }

    fn key() -> impl Strategy<Value = String> {
        let piece = prop_oneof![Just("a"), Just("/"), Just("A"), Just("."), Just("!"), Just("ö"), Just("\0")];
        let long = prop_oneof![4 => Just(String::new()), 1 => (70..90_usize).prop_map(|count| "a".repeat(count))];
        (long, proptest::collection::vec(piece, 1..8)).prop_map(|(long, rest)| long + &rest.concat())
    }

    fn pieces(key: &str) -> Vec<Piece> {
        path(Path::new(""), key).iter().map(|name| decode(name.to_str().unwrap()).unwrap()).collect()
    }

    proptest! {
        #[test]
        fn keys_survive(key in key()) {
            let pieces = pieces(&key);
            prop_assert_eq!(pieces.iter().map(|piece| &piece.text[..]).collect::<Vec<_>>().concat(), key.as_bytes());
            let (last, directories) = pieces.split_last().unwrap();
            prop_assert_eq!(last.kind, Kind::Blob);
            prop_assert!(directories.iter().all(|piece| piece.kind == Kind::Directory));
            for name in path(Path::new(""), &key).iter() {
                prop_assert!(name.len() <= 255);
            }
            prop_assert!(path(Path::new(""), &key).as_os_str().len() <= path_bytes(&key));
            for (start, _) in key.char_indices().skip(1) {
                prop_assert!(path_bytes(&key[..start]) <= path_bytes(&key));
                prop_assert!(path(Path::new(""), &key).starts_with(directory(Path::new(""), &key[..start]).0));
            }
        }

        #[test]
        fn pieces_sort_like_keys(a in key(), b in key()) {
            prop_assert_eq!(pieces(&a).cmp(&pieces(&b)), a.cmp(&b));
        }
    }
}
