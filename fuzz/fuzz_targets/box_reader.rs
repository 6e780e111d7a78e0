//! The bytes of an object at rest: any bytes, and a sealed object with some of its bytes changed.
#![no_main]

use libfuzzer_sys::arbitrary::{self, Arbitrary};
use libfuzzer_sys::fuzz_target;
use mu_env::{Env, Timestamp};
use mu_storage::format::{BoxKey, CHUNK_BYTES, FormatError, HEADER_BYTES, Identity, open_object, seal_object};

#[derive(Arbitrary, Debug)]
enum Input {
    /// Anything, perhaps behind what objects begin with.
    Raw { marked: bool, bytes: Vec<u8> },
    /// Content sealed, then changed.
    Sealed { content: Vec<u8>, repeated: u8, changes: Vec<Change> },
}

#[derive(Arbitrary, Debug)]
enum Change {
    Flip { at: u32, with: u8 },
    CutTo(u32),
    Append(Vec<u8>),
    SwapChunks,
}

fuzz_target!(|input: Input| {
    let key = BoxKey::from_bytes(&[7; 32]);
    let identity = Identity { stack: [1; 32], box_name: "box".to_owned(), key: "key".to_owned() };
    match input {
        Input::Raw { marked, bytes } => {
            let bytes = if marked { [b"muob\x01", bytes.as_slice()].concat() } else { bytes };
            assert!(open_object(&bytes, &key, &identity).is_err(), "nobody can make an object without the key");
        }
        Input::Sealed { content, repeated, changes } => {
            // Some contents take several chunks.
            let content = content.repeat(1 + usize::from(repeated) * 16);
            let content = &content[..content.len().min(3 * CHUNK_BYTES)];
            let sealed = seal_object(content, &key, &identity, Env::simulated(1, Timestamp::from_micros(0)).random());
            let mut bytes = sealed.clone();
            for change in changes {
                change.apply(&mut bytes);
            }
            let opened = open_object(&bytes, &key, &identity);
            if bytes == sealed {
                assert_eq!(opened.as_deref(), Ok(content));
            } else {
                assert!(opened.is_err(), "a change was not noticed");
            }
            let elsewhere = Identity { key: "other".to_owned(), ..identity };
            assert_eq!(open_object(&sealed, &key, &elsewhere), Err(FormatError::Forged));
        }
    }
});

impl Change {
    fn apply(self, bytes: &mut Vec<u8>) {
        match self {
            Self::Flip { at, with } => {
                let length = bytes.len().max(1);
                if let Some(byte) = bytes.get_mut(at as usize % length) {
                    *byte ^= with;
                }
            }
            Self::CutTo(length) => bytes.truncate(length as usize % (bytes.len() + 1)),
            Self::Append(more) => bytes.extend(more),
            Self::SwapChunks => {
                let chunk = CHUNK_BYTES + mu_storage::format::CHUNK_OVERHEAD_BYTES;
                if let Some(chunks) = bytes.get_mut(HEADER_BYTES..HEADER_BYTES + 2 * chunk) {
                    chunks.rotate_left(chunk);
                }
            }
        }
    }
}
