//! Signs requests.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use http::request::Parts;
use mu_env::Env;

use super::super::head::ascii_value;
use super::super::{ClientKey, RequestHead, SecretKey};
use super::input::{self, CoversBody};
use super::{CONTENT_DIGEST, ContentDigest, SIGNATURE, SIGNATURE_INPUT, base};

/// 22 characters in base64.
const NONCE_BYTES: usize = 16;

/// Signs the requests of one client.
#[derive(Clone, Debug)]
pub struct Signer {
    key: SecretKey,
    env: Env,
}

/// The body of a request that is to be signed.
#[derive(Clone, Copy, Debug)]
pub enum SignedBody<'a> {
    /// There is none. A body of no bytes is the same.
    None,
    /// The whole body.
    Bytes(&'a [u8]),
    /// A body that is sent later, or read from somewhere as it is sent.
    Digest(ContentDigest),
}

/// A request that does not say where it goes cannot be signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the request can't be signed, because it has no host: give it an absolute URL, or a `host` header")]
pub struct NoAuthority;

impl Signer {
    /// A signer with this key, which takes the time and its nonces from `env`.
    #[must_use]
    pub fn new(key: SecretKey, env: Env) -> Self {
        Self { key, env }
    }

    /// Who signs.
    #[must_use]
    pub fn client(&self) -> ClientKey {
        self.key.client()
    }

    /// Adds the headers of a signature, in place of those that are there. Method, URI and `host` must be what is sent;
    /// other headers may change afterwards.
    ///
    /// Each call makes another signature: one that was sent cannot be sent again.
    ///
    /// # Errors
    /// [`NoAuthority`]
    pub fn sign(&self, request: &mut Parts, body: SignedBody<'_>) -> Result<(), NoAuthority> {
        let digest = match body {
            SignedBody::None | SignedBody::Bytes([]) => None,
            SignedBody::Bytes(bytes) => Some(ContentDigest::of(bytes)),
            SignedBody::Digest(digest) => Some(digest),
        };
        let digest = digest.map(|digest| digest.header_text());
        let covers_body = if digest.is_some() { CoversBody::Yes } else { CoversBody::No };
        let created_secs = self.env.now().as_millis() / 1_000;
        let input = input::write(covers_body, created_secs, &self.nonce(), &self.key.client());

        let head = RequestHead::from(&*request);
        let authority = head.authority().ok_or(NoAuthority)?;
        let signature = self.key.sign(base::of_request(&head, authority, digest.as_deref(), &input).as_bytes());

        let headers = &mut request.headers;
        match digest {
            Some(digest) => headers.insert(CONTENT_DIGEST, ascii_value(&digest)),
            None => headers.remove(CONTENT_DIGEST),
        };
        headers.insert(SIGNATURE_INPUT, ascii_value(&format!("mu={input}")));
        headers.insert(SIGNATURE, ascii_value(&format!("mu=:{}:", STANDARD.encode(signature))));
        Ok(())
    }

    fn nonce(&self) -> String {
        let mut nonce = [0; NONCE_BYTES];
        self.env.random().fill_secret(&mut nonce);
        URL_SAFE_NO_PAD.encode(nonce)
    }
}
