//! A JWT in compact form, read but not believed.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::{CLAIMS_BYTES_MAX, JWT_CHARS_MAX, OidcError};

/// Most bytes of the header, as JSON.
const HEADER_BYTES_MAX: usize = 2 * 1024;

/// The parts of a token. Until its signature is checked, they are what anybody could have written.
pub(super) struct Jwt<'a> {
    pub(super) algorithm: String,
    pub(super) key_id: Option<String>,
    pub(super) claims: Map<String, Value>,
    /// What is signed.
    pub(super) message: &'a str,
    /// The signature, in base64.
    pub(super) signature: &'a str,
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    kid: Option<String>,
    /// Extensions that a reader must understand, or refuse the token. None are understood here.
    crit: Option<Value>,
}

impl<'a> Jwt<'a> {
    pub(super) fn read(token: &'a str) -> Result<Self, OidcError> {
        if token.len() > JWT_CHARS_MAX {
            return Err(malformed("it has more than 24 KiB"));
        }
        let parts: Vec<&str> = token.splitn(4, '.').collect();
        let &[header, claims, signature] = &parts[..] else {
            return Err(malformed("it is no API token of this node (`mu_...`), and no JWT with three parts"));
        };
        let header = part(header, HEADER_BYTES_MAX).ok_or(malformed("its header is not base64 of 2 KiB at most"))?;
        let header: Header =
            serde_json::from_slice(&header).map_err(|_| malformed("its header is not one of a JWT"))?;
        if header.crit.is_some() {
            return Err(malformed("its header has `crit`, and no extensions are understood here"));
        }
        let claims = part(claims, CLAIMS_BYTES_MAX).ok_or(malformed("its claims are not base64 of 16 KiB at most"))?;
        let claims = serde_json::from_slice(&claims).map_err(|_| malformed("its claims are not an object of JSON"))?;
        let message = &token[..token.len() - signature.len() - 1];
        Ok(Self { algorithm: header.alg, key_id: header.kid, claims, message, signature })
    }

    pub(super) fn text_claim(&self, name: &'static str) -> Result<&str, OidcError> {
        let problem = match name {
            "iss" => "it has no claim `iss`",
            _ => "it has no claim `sub`",
        };
        self.claims.get(name).and_then(Value::as_str).ok_or(OidcError::Malformed { problem })
    }
}

fn part(encoded: &str, bytes_max: usize) -> Option<Vec<u8>> {
    if encoded.len() > bytes_max.div_ceil(3) * 4 {
        return None;
    }
    URL_SAFE_NO_PAD.decode(encoded).ok().filter(|bytes| bytes.len() <= bytes_max)
}

fn malformed(problem: &'static str) -> OidcError {
    OidcError::Malformed { problem }
}
