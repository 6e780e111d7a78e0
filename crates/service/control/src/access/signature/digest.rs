//! The body that a signature speaks of, checked while it is read.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};

/// The SHA-256 of a body, in the form of RFC 9530: `sha-256=:...base64...:`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ContentDigest([u8; 32]);

/// What the body of a signed request must be. Nothing of a body may have an effect before [`DigestCheck::finish`] has
/// accepted it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "the signature holds for one body only: check it while it is read"]
pub enum ExpectedBody {
    /// No byte.
    Empty,
    /// The body with this digest.
    Digest(ContentDigest),
}

/// Takes a body piece by piece, and says at the end whether it is the one that was signed.
#[derive(Debug)]
pub struct DigestCheck {
    expected: ExpectedBody,
    state: Sha256,
}

/// The body is not the one that was signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WrongBody {
    /// There is a body, and the signature covers none.
    #[error("the request has a body that its signature does not cover: sign with `content-digest`")]
    Unexpected,
    /// Its digest is another one.
    #[error("the body is not the one that was signed: its SHA-256 differs from `content-digest`")]
    Digest,
}

impl ContentDigest {
    /// The digest of a whole body.
    #[must_use]
    pub fn of(body: &[u8]) -> Self {
        Self(Sha256::digest(body).into())
    }

    /// The digest of a body whose SHA-256 is known.
    #[must_use]
    pub const fn from_sha256(sha256: [u8; 32]) -> Self {
        Self(sha256)
    }

    /// The SHA-256.
    #[must_use]
    pub const fn as_sha256(&self) -> &[u8; 32] {
        &self.0
    }

    /// The value of the header `content-digest`.
    #[must_use]
    pub fn header_text(&self) -> String {
        format!("sha-256=:{}:", STANDARD.encode(self.0))
    }

    /// Reads the value of the header `content-digest`, if it is exactly what [`ContentDigest::header_text`] writes.
    #[must_use]
    pub fn from_header_text(text: &str) -> Option<Self> {
        let encoded = text.strip_prefix("sha-256=:")?.strip_suffix(':')?;
        decode_exactly(encoded).map(Self)
    }
}

impl ExpectedBody {
    /// Begins to look at a body.
    #[must_use]
    pub fn check(self) -> DigestCheck {
        DigestCheck { expected: self, state: Sha256::new() }
    }
}

impl DigestCheck {
    /// Takes the next piece.
    ///
    /// # Errors
    /// [`WrongBody::Unexpected`] at once, when there may be no body.
    pub fn feed(&mut self, piece: &[u8]) -> Result<(), WrongBody> {
        match self.expected {
            ExpectedBody::Empty if !piece.is_empty() => Err(WrongBody::Unexpected),
            ExpectedBody::Empty => Ok(()),
            ExpectedBody::Digest(_) => {
                self.state.update(piece);
                Ok(())
            }
        }
    }

    /// Says whether all that was fed is the body that was signed.
    ///
    /// # Errors
    /// [`WrongBody::Digest`] when it is another one, or only the beginning of it.
    pub fn finish(self) -> Result<(), WrongBody> {
        match self.expected {
            ExpectedBody::Empty => Ok(()),
            ExpectedBody::Digest(ContentDigest(expected)) => {
                if <[u8; 32]>::from(self.state.finalize()) == expected {
                    Ok(())
                } else {
                    Err(WrongBody::Digest)
                }
            }
        }
    }
}

/// The bytes that a base64 text of exactly the right length stands for. Longer ones are refused unread.
pub(super) fn decode_exactly<const BYTES: usize>(encoded: &str) -> Option<[u8; BYTES]> {
    if encoded.len() != BYTES.div_ceil(3) * 4 {
        return None;
    }
    STANDARD.decode(encoded).ok()?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const EMPTY: &str = "sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:";

    #[test]
    fn a_digest_survives_its_header_and_nothing_else_is_one() {
        assert_eq!(ContentDigest::of(b"").header_text(), EMPTY);
        assert_eq!(ContentDigest::from_header_text(EMPTY), Some(ContentDigest::of(b"")));
        for bad in [
            "",
            "sha-256=::",
            "sha-512=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:",
            "sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU:",
            // The last character has bits that do not belong to any byte.
            "sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFV=:",
            "sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:, unixsum=30637",
        ] {
            assert_eq!(ContentDigest::from_header_text(bad), None, "{bad}");
        }
    }

    #[test]
    fn no_body_is_no_body() {
        let mut check = ExpectedBody::Empty.check();
        assert_eq!(check.feed(b""), Ok(()));
        assert_eq!(check.feed(b"x"), Err(WrongBody::Unexpected));
        assert_eq!(ExpectedBody::Empty.check().finish(), Ok(()));
    }

    proptest! {
        #[test]
        fn pieces_make_the_body(pieces in proptest::collection::vec(any::<Vec<u8>>(), 0..5), extra: Option<u8>) {
            let mut check = ExpectedBody::Digest(ContentDigest::of(&pieces.concat())).check();
            for piece in &pieces {
                check.feed(piece).unwrap();
            }
            if let Some(extra) = extra {
                check.feed(&[extra]).unwrap();
            }
            let expected = if extra.is_some() { Err(WrongBody::Digest) } else { Ok(()) };
            prop_assert_eq!(check.finish(), expected);
        }
    }
}
