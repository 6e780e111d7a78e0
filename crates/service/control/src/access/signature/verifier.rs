//! Checks signatures of requests.

use ed25519_dalek::{Signature, VerifyingKey};
use http::HeaderName;
use mu_env::{Env, Timestamp};

use super::super::head::Once;
use super::super::{ClientKey, RequestHead};
use super::authority::normalised;
use super::digest::decode_exactly;
use super::input::{self, CoversBody, Input};
use super::{
    Authorities, CONTENT_DIGEST, ContentDigest, ExpectedBody, SIGNATURE, SIGNATURE_INPUT, SKEW, SignatureError,
    TARGET_BYTES_MAX, base,
};

/// Checks who signed a request, except for whether the signature was used before.
#[derive(Clone, Debug)]
pub struct Verifier {
    env: Env,
    authorities: Authorities,
}

/// A good signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedSignature {
    /// Who signed.
    pub client: ClientKey,
    /// When, in seconds since 1970.
    pub created_secs: u64,
    /// What tells this signature from others of that client.
    pub nonce: String,
    /// What the body must be for the signature to hold.
    pub body: ExpectedBody,
}

impl Verifier {
    /// A verifier that takes the time from `env`, of a node with these names.
    #[must_use]
    pub fn new(env: Env, authorities: Authorities) -> Self {
        Self { env, authorities }
    }

    /// Who signed this request.
    ///
    /// # Errors
    /// [`SignatureError`]; a request without any of the headers is [`SignatureError::Missing`].
    pub fn verify(&self, head: &RequestHead<'_>) -> Result<VerifiedSignature, SignatureError> {
        let input = input::read(required(head, &SIGNATURE_INPUT, "signature-input")?)?;
        let signature = signature(required(head, &SIGNATURE, "signature")?)?;
        let digest = covered_digest(head, input.covers_body)?;
        let body = match digest {
            Some(text) => ExpectedBody::Digest(ContentDigest::from_header_text(text).ok_or(WRONG_DIGEST_FORM)?),
            None => ExpectedBody::Empty,
        };
        let authority = authority(head)?;
        self.check_time(input.created_secs)?;
        if !self.authorities.accept(&normalised(authority)) {
            return Err(SignatureError::Authority { authority: authority.to_owned() });
        }
        check(&input, &base::of_request(head, authority, digest, input.text), &signature)?;
        let Input { created_secs, nonce, client, .. } = input;
        Ok(VerifiedSignature { client, created_secs, nonce: nonce.to_owned(), body })
    }

    fn check_time(&self, created_secs: u64) -> Result<(), SignatureError> {
        let now = self.env.now();
        let (now_secs, skew_secs) = (now.as_millis() / 1_000, SKEW.as_secs());
        let created = Timestamp::from_micros(created_secs.saturating_mul(1_000_000));
        if now_secs > created_secs.saturating_add(skew_secs) {
            return Err(SignatureError::TooOld { created, now });
        }
        if created_secs > now_secs.saturating_add(skew_secs) {
            return Err(SignatureError::InFuture { created, now });
        }
        Ok(())
    }
}

const WRONG_DIGEST_FORM: SignatureError = SignatureError::Malformed {
    header: "content-digest",
    problem: "it is `sha-256=:`, the base64 form of the body's SHA-256, and `:`",
};

/// Bytes that are no key, or a key that more than one secret could stand for, sign nothing.
fn check(input: &Input<'_>, base: &str, signature: &[u8; 64]) -> Result<(), SignatureError> {
    let key = VerifyingKey::from_bytes(input.client.as_bytes()).map_err(|_| SignatureError::Wrong)?;
    key.verify_strict(base.as_bytes(), &Signature::from_bytes(signature)).map_err(|_| SignatureError::Wrong)
}

fn required<'a>(head: &RequestHead<'a>, name: &HeaderName, header: &'static str) -> Result<&'a str, SignatureError> {
    match head.once(name) {
        Once::Text(text) => Ok(text),
        Once::Absent => Err(SignatureError::Missing { header }),
        Once::Unusable => Err(SignatureError::Malformed { header, problem: "it may stand there once, in ASCII" }),
    }
}

fn signature(value: &str) -> Result<[u8; 64], SignatureError> {
    let encoded = value.strip_prefix("mu=:").and_then(|rest| rest.strip_suffix(':'));
    encoded.and_then(decode_exactly).ok_or(SignatureError::Malformed {
        header: "signature",
        problem: "it is `mu=:`, the base64 form of 64 bytes, and `:`",
    })
}

/// The value of `content-digest`, which is there if and only if the signature covers it: else somebody could take it
/// for a promise.
fn covered_digest<'a>(head: &RequestHead<'a>, covers_body: CoversBody) -> Result<Option<&'a str>, SignatureError> {
    match covers_body {
        CoversBody::Yes => required(head, &CONTENT_DIGEST, "content-digest").map(Some),
        CoversBody::No if head.has(&CONTENT_DIGEST) => Err(SignatureError::Malformed {
            header: "content-digest",
            problem: "the signature does not cover it: add it to the components",
        }),
        CoversBody::No => Ok(None),
    }
}

/// The authority of a request that is small enough to be looked at.
fn authority<'a>(head: &RequestHead<'a>) -> Result<&'a str, SignatureError> {
    let target_bytes = head.uri.path().len() + head.uri.query().map_or(0, str::len);
    if target_bytes > TARGET_BYTES_MAX {
        return Err(SignatureError::Malformed {
            header: "signature",
            problem: "the path and the query of a signed request have 16 KiB at most",
        });
    }
    head.authority().ok_or(SignatureError::Malformed {
        header: "host",
        problem: "it is there once, and agrees with the target of the request",
    })
}
