//! Signed requests: HTTP Message Signatures (RFC 9421) in one narrow profile.
//!
//! A request carries one signature, labelled `mu`, by an ed25519 key. It covers the method, the authority, the path,
//! the query, and the digest of the body (RFC 9530, SHA-256) when there is one:
//!
//! ```text
//! content-digest: sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:
//! signature-input: mu=("@method" "@authority" "@path" "@query" "content-digest");created=1700000000;
//!     nonce="3q2-7_AAECAwQFBgcICQ";keyid="k_...";alg="ed25519"
//! signature: mu=:...64 bytes in base64...:
//! ```
//!
//! [`Signer`] writes these headers and [`Verifier`] checks them. Nothing else is understood: other components, other
//! parameters, second signatures, and texts that are not in the canonical form of structured fields are refused, so that
//! there is one way to say a thing and nothing to be confused about. A signature without a digest is one of a request
//! without a body.
//!
//! A signature is good for [`SKEW`] before and after its time. That it is used once is for [`Nonces`](super::Nonces) to
//! see to. Authorities are compared without case, and without the ports 80 and 443, which clients leave out.

mod authority;
mod base;
mod digest;
mod input;
mod signer;
mod verifier;

use std::time::Duration;

use http::HeaderName;
use mu_env::Timestamp;

pub use self::authority::Authorities;
pub use self::digest::{ContentDigest, DigestCheck, ExpectedBody, WrongBody};
pub use self::signer::{NoAuthority, SignedBody, Signer};
pub use self::verifier::{VerifiedSignature, Verifier};

/// How far the time of a signature may be from the server's, in either direction.
pub const SKEW: Duration = Duration::from_secs(5 * 60);
/// Shortest nonce, in characters.
pub const NONCE_CHARS_MIN: usize = 16;
/// Longest nonce, in characters.
pub const NONCE_CHARS_MAX: usize = 64;

/// Longest path and query together, in bytes, of a request whose signature is looked at.
const TARGET_BYTES_MAX: usize = 16 * 1024;

const CONTENT_DIGEST: HeaderName = HeaderName::from_static("content-digest");
const SIGNATURE_INPUT: HeaderName = HeaderName::from_static("signature-input");
const SIGNATURE: HeaderName = HeaderName::from_static("signature");

/// Why a signature is not accepted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// Part of a signature is there, and this header is not.
    #[error("the request has no `{header}` header, which its signature needs: send all headers of the signature")]
    Missing {
        /// The header.
        header: &'static str,
    },
    /// A header is not in the form that this server understands.
    #[error("the `{header}` header can't be used: {problem}")]
    Malformed {
        /// The header.
        header: &'static str,
        /// What is wrong, and what would be right.
        problem: &'static str,
    },
    /// The signature covers other parts of the request than it must.
    #[error(
        "the signature covers other components than \"@method\" \"@authority\" \"@path\" \"@query\", and \
         \"content-digest\" when there is a body: cover exactly these, in this order"
    )]
    Components,
    /// The signature is made by an algorithm that is not taken.
    #[error("the signature's algorithm is not `ed25519`, the only one that is taken")]
    Algorithm,
    /// The signature was made too long ago.
    #[error("the signature was made at {created}, and it is {now} here: set the clock, and sign every request anew")]
    TooOld {
        /// When it says that it was made.
        created: Timestamp,
        /// The server's time.
        now: Timestamp,
    },
    /// The signature was made in the future.
    #[error("the signature was made at {created}, and it is only {now} here: set the clock of the client")]
    InFuture {
        /// When it says that it was made.
        created: Timestamp,
        /// The server's time.
        now: Timestamp,
    },
    /// The request is not signed for this server.
    #[error(
        "the request is signed for `{authority}`, which is no name of this node: reach it by a name that its \
         configuration lists"
    )]
    Authority {
        /// For whom it is signed.
        authority: String,
    },
    /// The key did not sign this request.
    #[error("the signature is not one of this request by the key it names: sign exactly what is sent")]
    Wrong,
}

/// Whether a request claims to be signed.
pub(super) fn is_signed(head: &super::RequestHead<'_>) -> bool {
    head.has(&SIGNATURE_INPUT) || head.has(&SIGNATURE)
}

#[cfg(test)]
mod tests;
