//! Nothing but the exact bytes in the exact place is accepted.

use mu_env::{Env, Random, Timestamp};
use proptest::prelude::*;

use super::*;
use crate::RootKey;

const CHUNK: usize = CHUNK_BYTES + CHUNK_OVERHEAD_BYTES;

fn random(seed: u64) -> Random {
    Env::simulated(seed, Timestamp::from_micros(0)).random().clone()
}

fn key() -> BoxKey {
    BoxKey::from_bytes(&[7; 32])
}

fn identity() -> Identity {
    Identity { stack: [1; 32], box_name: "attachments".into(), key: "a/b".into() }
}

fn sealed(content: &[u8]) -> Vec<u8> {
    seal_object(content, &key(), &identity(), &random(1))
}

fn opened(bytes: &[u8]) -> Result<Vec<u8>, FormatError> {
    open_object(bytes, &key(), &identity())
}

fn text(bytes: usize) -> Vec<u8> {
    (0..bytes).map(|i| u8::try_from(i % 251).unwrap()).collect()
}

#[test]
fn objects_survive_and_sizes_agree() {
    for size in [0, 1, 15, 16, 17, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, CHUNK_BYTES * 3, CHUNK_BYTES * 3 + 5]
    {
        let bytes = sealed(&text(size));
        assert_eq!(bytes.len() as u64, stored_bytes(size as u64), "{size}");
        assert_eq!(content_bytes(bytes.len() as u64), Ok(size as u64));
        assert!(opened(&bytes) == Ok(text(size)), "{size}");
    }
}

#[test]
fn every_changed_byte_is_noticed() {
    let bytes = sealed(&text(50));
    for position in 0..bytes.len() {
        for flip in [1, 0x80] {
            let mut changed = bytes.clone();
            changed[position] ^= flip;
            assert!(opened(&changed).is_err(), "byte {position}");
        }
    }
    let bytes = sealed(&text(CHUNK_BYTES * 2 + 10));
    for position in [HEADER_BYTES, HEADER_BYTES + CHUNK - 1, HEADER_BYTES + CHUNK, bytes.len() - 27, bytes.len() - 1] {
        let mut changed = bytes.clone();
        changed[position] ^= 1;
        assert_eq!(opened(&changed), Err(FormatError::Forged), "byte {position}");
    }
}

#[test]
fn every_cut_and_every_addition_is_noticed() {
    let bytes = sealed(&text(50));
    for length in 0..bytes.len() {
        assert!(opened(&bytes[..length]).is_err(), "{length}");
    }
    assert!(opened(&[&bytes[..], &[0]].concat()).is_err());
    let bytes = sealed(&text(CHUNK_BYTES * 3));
    for chunks in 0..3 {
        assert!(opened(&bytes[..HEADER_BYTES + chunks * CHUNK]).is_err(), "{chunks} chunks");
    }
    let doubled = [&bytes[..], &bytes[HEADER_BYTES + 2 * CHUNK..]].concat();
    assert_eq!(opened(&doubled), Err(FormatError::Forged));
}

#[test]
fn chunks_cannot_change_places() {
    let bytes = sealed(&text(CHUNK_BYTES * 3));
    let (header, chunks) = bytes.split_at(HEADER_BYTES);
    let chunk: Vec<&[u8]> = chunks.chunks(CHUNK).collect();
    for order in [[1, 0, 2], [0, 2, 1], [0, 0, 2], [0, 1, 1], [2, 1, 0]] {
        let shuffled = [header, chunk[order[0]], chunk[order[1]], chunk[order[2]]].concat();
        assert_eq!(opened(&shuffled), Err(FormatError::Forged), "{order:?}");
    }
    let other = seal_object(&text(CHUNK_BYTES * 3), &key(), &identity(), &random(2));
    let mixed = [&bytes[..HEADER_BYTES + CHUNK], &other[HEADER_BYTES + CHUNK..]].concat();
    assert_eq!(opened(&mixed), Err(FormatError::Forged), "chunks of another version of the same object");
}

#[test]
fn objects_cannot_be_passed_off_as_others() {
    let bytes = sealed(b"secret");
    let same = identity();
    for (other, what) in [
        (Identity { stack: [2; 32], ..same.clone() }, "stack"),
        (Identity { box_name: "other".into(), ..same.clone() }, "box"),
        (Identity { key: "a/c".into(), ..same.clone() }, "key"),
        (Identity { box_name: "attachmentsa".into(), key: "/b".into(), ..same.clone() }, "boundary of box and key"),
    ] {
        assert_eq!(open_object(&bytes, &key(), &other), Err(FormatError::Forged), "another {what}");
    }
    let other_key = BoxKey::from_bytes(&[8; 32]);
    assert_eq!(open_object(&bytes, &other_key, &same), Err(FormatError::Forged), "another box key");
}

#[test]
fn other_versions_and_other_files_are_told_apart() {
    let bytes = sealed(b"secret");
    let mut newer = bytes.clone();
    newer[4] = 2;
    assert_eq!(opened(&newer), Err(FormatError::UnknownVersion(2)));
    assert_eq!(opened(b"GIF89a"), Err(FormatError::NotOurs));
    assert_eq!(opened(b""), Err(FormatError::NotOurs));
    assert_eq!(opened(b"muob"), Err(FormatError::NotOurs));
    assert_eq!(opened(b"muob\x01"), Err(FormatError::ImpossibleSize(5)));
}

#[test]
fn box_records_survive_and_forgeries_are_noticed() {
    let (root, stack) = (RootKey::from_bytes([3; 32]), [1; 32]);
    let record = new_box(&root, &random(1), &stack, "b");
    assert_eq!(record.len(), BOX_RECORD_BYTES);
    let (id, _) = open_box(&root, &stack, "b", &record).unwrap();
    assert_eq!(id[..], record[13..29]);
    let refused =
        |root: &RootKey, stack: &StackId, name: &str, record: &[u8]| open_box(root, stack, name, record).err();
    assert_eq!(refused(&root, &stack, "c", &record), Some(FormatError::Forged));
    assert_eq!(refused(&root, &[2; 32], "b", &record), Some(FormatError::Forged));
    let other = RootKey::from_bytes([4; 32]);
    assert_eq!(refused(&other, &stack, "b", &record), Some(FormatError::OtherRootKey));
    for position in 0..record.len() {
        let mut changed = record.clone();
        changed[position] ^= 1;
        assert!(refused(&root, &stack, "b", &changed).is_some(), "byte {position}");
        assert!(refused(&root, &stack, "b", &record[..position]).is_some(), "cut at {position}");
    }
    assert!(refused(&root, &stack, "b", &[&record[..], &[0]].concat()).is_some());
}

/// Version 1 stays readable for ever, and stays what is written until there is a version 2.
#[test]
fn golden() {
    fn bytes(hex: &str) -> Vec<u8> {
        let digits: Vec<u8> = hex.bytes().filter(u8::is_ascii_hexdigit).collect();
        digits.chunks(2).map(|pair| u8::from_str_radix(str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
    }
    let (root, stack) = (RootKey::from_bytes([3; 32]), [1; 32]);
    let record = bytes(include_str!("../../tests/golden/box-v1.hex"));
    assert!(new_box(&root, &random(1), &stack, "attachments") == record);
    let (_, key) = open_box(&root, &stack, "attachments", &record).unwrap();
    let object = bytes(include_str!("../../tests/golden/object-v1.hex"));
    let content = b"what was written once can be read for ever";
    assert_eq!(open_object(&object, &key, &identity()).as_deref(), Ok(&content[..]));
    assert!(seal_object(content, &key, &identity(), &random(2)) == object);
}

proptest! {
    #[test]
    fn no_bytes_can_make_it_panic(
        bytes in proptest::collection::vec(any::<u8>(), 0..300),
        is_ours in any::<bool>(),
    ) {
        let bytes = if is_ours { [b"muob\x01", &bytes[..]].concat() } else { bytes };
        prop_assert!(opened(&bytes).is_err());
    }

    #[test]
    fn sizes_are_possible_or_refused(stored in prop_oneof![0..300_000_u64, any::<u64>()]) {
        match content_bytes(stored) {
            Ok(content) => prop_assert_eq!(stored_bytes(content), stored),
            Err(error) => prop_assert_eq!(error, FormatError::ImpossibleSize(stored)),
        }
    }

    #[test]
    fn sizes_survive(content in prop_oneof![0..300_000_u64, 0..1_u64 << 50]) {
        prop_assert_eq!(content_bytes(stored_bytes(content)), Ok(content));
    }
}
