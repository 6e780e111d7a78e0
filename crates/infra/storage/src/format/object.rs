//! Objects: encrypted chunk by chunk, decrypted in any order.

use std::fmt;

use mu_env::Random;

use super::{
    BoxKey, CHUNK_BYTES, CHUNK_OVERHEAD_BYTES, FormatError, HEADER_BYTES, Identity, VERSION, chunk_count, content_bytes,
};
use crate::cipher::{Cipher, NONCE_BYTES, WRAPPED_KEY_BYTES, context, new_key};

const MAGIC: [u8; 4] = *b"muob";

/// A random number that every put makes anew.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct ObjectId([u8; 16]);

/// 32 lower-case hexadecimal digits.
impl fmt::Display for ObjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", u128::from_be_bytes(self.0))
    }
}

impl fmt::Debug for ObjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The data key of one object and what its chunks are bound to.
struct Chunks {
    cipher: Cipher,
    /// The context of all chunks; the index and the last-mark of a chunk take the place of the final nine bytes.
    context: Vec<u8>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Middle,
    Last,
}

/// Encrypts one object: the header first, then its chunks in order.
pub struct Sealer {
    header: [u8; HEADER_BYTES],
    id: ObjectId,
    chunks: Chunks,
    next_index: u64,
}

/// Decrypts chunks of one object.
pub struct Opener {
    id: ObjectId,
    chunks: Chunks,
    content_bytes: u64,
}

impl Sealer {
    /// Makes the id and the data key of a new object.
    #[must_use]
    pub fn new(key: &BoxKey, identity: &Identity, random: &Random) -> Self {
        let mut id = ObjectId([0; 16]);
        random.fill(&mut id.0);
        let data_key = new_key(random);
        let wrapped = key.cipher().wrap(random, &key_context(identity, id), &data_key);
        let mut header = [0; HEADER_BYTES];
        header.copy_from_slice(&[&MAGIC[..], &[VERSION], &id.0, &wrapped].concat());
        Self { header, id, chunks: Chunks::new(Cipher::new(&data_key), identity, id), next_index: 0 }
    }

    /// What comes before the chunks.
    #[must_use]
    pub fn header(&self) -> &[u8; HEADER_BYTES] {
        &self.header
    }

    /// The id of the object.
    #[must_use]
    pub fn id(&self) -> ObjectId {
        self.id
    }

    /// Encrypts a chunk that is not the last one in place and appends its tag. It must have [`CHUNK_BYTES`].
    pub fn seal_chunk(&mut self, chunk: &mut Vec<u8>) {
        debug_assert_eq!(chunk.len(), CHUNK_BYTES);
        self.chunks.seal(self.next_index, Place::Middle, chunk);
        self.next_index += 1;
    }

    /// Encrypts the last chunk in place and appends its tag. It has at most [`CHUNK_BYTES`], and none only when it is
    /// the first one, too.
    pub fn seal_last_chunk(mut self, chunk: &mut Vec<u8>) {
        debug_assert!(chunk.len() <= CHUNK_BYTES && (self.next_index == 0 || !chunk.is_empty()));
        self.chunks.seal(self.next_index, Place::Last, chunk);
    }
}

impl Opener {
    /// Reads the first [`HEADER_BYTES`] of an object of `stored_bytes`.
    ///
    /// # Errors
    /// [`FormatError`], when it is not an object of that identity and box.
    pub fn new(header: &[u8], stored_bytes: u64, key: &BoxKey, identity: &Identity) -> Result<Self, FormatError> {
        let rest = header.strip_prefix(&MAGIC).ok_or(FormatError::NotOurs)?;
        let (&version, rest) = rest.split_first().ok_or(FormatError::NotOurs)?;
        if version != VERSION {
            return Err(FormatError::UnknownVersion(version));
        }
        let content_bytes = content_bytes(stored_bytes)?;
        let parts = || {
            let (id, rest) = rest.split_first_chunk::<16>()?;
            Some((ObjectId(*id), rest.first_chunk::<WRAPPED_KEY_BYTES>()?))
        };
        let (id, wrapped) = parts().ok_or(FormatError::ImpossibleSize(stored_bytes))?;
        let data_key = key.cipher().unwrap(&key_context(identity, id), wrapped).ok_or(FormatError::Forged)?;
        Ok(Self { id, chunks: Chunks::new(Cipher::new(&data_key), identity, id), content_bytes })
    }

    /// The id of the object.
    #[must_use]
    pub fn id(&self) -> ObjectId {
        self.id
    }

    /// The size of the content.
    #[must_use]
    pub fn content_bytes(&self) -> u64 {
        self.content_bytes
    }

    /// Decrypts the chunk of this index, with its tag, in place, and returns its content.
    ///
    /// # Errors
    /// [`FormatError::Forged`], when it is not that chunk.
    pub fn open_chunk<'a>(&mut self, index: u64, chunk: &'a mut [u8]) -> Result<&'a [u8], FormatError> {
        let place = if index + 1 == chunk_count(self.content_bytes) { Place::Last } else { Place::Middle };
        self.chunks.open(index, place, chunk).ok_or(FormatError::Forged)
    }
}

/// Decrypts a whole object. The bytes may be anything.
///
/// # Errors
/// [`FormatError`], unless they are exactly what was sealed with this key for this identity.
pub fn open_object(bytes: &[u8], key: &BoxKey, identity: &Identity) -> Result<Vec<u8>, FormatError> {
    let mut opener = Opener::new(bytes, bytes.len() as u64, key, identity)?;
    let mut content = Vec::with_capacity(bytes.len());
    for (index, chunk) in (0..).zip(bytes[HEADER_BYTES..].chunks(CHUNK_BYTES + CHUNK_OVERHEAD_BYTES)) {
        content.extend_from_slice(opener.open_chunk(index, &mut chunk.to_vec())?);
    }
    Ok(content)
}

/// Encrypts a whole object, for tests of the decoder. Boxes do it chunk by chunk.
#[must_use]
pub fn seal_object(content: &[u8], key: &BoxKey, identity: &Identity, random: &Random) -> Vec<u8> {
    let mut sealer = Sealer::new(key, identity, random);
    let mut bytes = sealer.header().to_vec();
    let mut rest = content;
    while rest.len() > CHUNK_BYTES {
        let (chunk, later) = rest.split_at(CHUNK_BYTES);
        let mut chunk = chunk.to_vec();
        sealer.seal_chunk(&mut chunk);
        bytes.extend_from_slice(&chunk);
        rest = later;
    }
    let mut last = rest.to_vec();
    sealer.seal_last_chunk(&mut last);
    bytes.extend_from_slice(&last);
    bytes
}

impl Chunks {
    fn new(cipher: Cipher, identity: &Identity, id: ObjectId) -> Self {
        let Identity { stack, box_name, key } = identity;
        let parts: [&[u8]; 6] = [&[VERSION], stack, box_name.as_bytes(), key.as_bytes(), &id.0, &[0; 9]];
        Self { cipher, context: context("mu storage: chunk", &parts) }
    }

    fn seal(&mut self, index: u64, place: Place, chunk: &mut Vec<u8>) {
        let nonce = self.bind(index, place);
        let tag = self.cipher.seal(nonce, &self.context, chunk);
        chunk.extend_from_slice(&tag);
    }

    fn open<'a>(&mut self, index: u64, place: Place, chunk: &'a mut [u8]) -> Option<&'a [u8]> {
        let nonce = self.bind(index, place);
        self.cipher.open(nonce, &self.context, chunk).map(|content| &*content)
    }

    /// Puts a chunk's place into the context, and makes its nonce.
    fn bind(&mut self, index: u64, place: Place) -> [u8; NONCE_BYTES] {
        let is_last = u8::from(place == Place::Last);
        let mut nonce = [0; NONCE_BYTES];
        nonce[0] = is_last;
        nonce[4..].copy_from_slice(&index.to_be_bytes());
        let end = self.context.len() - 9;
        self.context[end] = is_last;
        self.context[end + 1..].copy_from_slice(&index.to_be_bytes());
        nonce
    }
}

fn key_context(identity: &Identity, id: ObjectId) -> Vec<u8> {
    let Identity { stack, box_name, key } = identity;
    context("mu storage: data key", &[&[VERSION], stack, box_name.as_bytes(), key.as_bytes(), &id.0])
}
