//! The public keys of an issuer, remembered.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use jsonwebtoken::DecodingKey;
use mu_env::Env;
use serde::Deserialize;
use serde_json::Value;
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::fetch::DOCUMENT_BYTES_MAX;
use super::{FetchError, Issuer, JwksSource, OidcError, REFRESH_PAUSE, SigningAlgorithm};

/// Keys of an issuer that are looked at.
const KEYS_MAX: usize = 100;
/// Keys older than this are fetched anew, so that those an issuer withdraws go away.
const FRESH: Duration = Duration::from_secs(3_600);
/// Keys older than this are not used, however long the issuer cannot be reached.
const USABLE: Duration = Duration::from_secs(24 * 3_600);
/// How long an issuer may take to answer.
const FETCH_TIMEOUT: Duration = Duration::from_secs(5);

/// What is remembered of one issuer.
///
/// The lock is held while its keys are fetched: one request does it, and those that come meanwhile wait for what it
/// brings. They wait for [`FETCH_TIMEOUT`] at most for each document, once in [`REFRESH_PAUSE`].
#[derive(Debug, Default)]
pub(super) struct KeyCache(Mutex<Cached>);

#[derive(Debug, Default)]
struct Cached {
    keys: Arc<[IssuerKey]>,
    fetched_at: Option<Instant>,
    tried_at: Option<Instant>,
    /// Why the last try failed.
    failure: Option<FetchError>,
}

#[derive(Debug)]
struct IssuerKey {
    id: Option<String>,
    algorithm: SigningAlgorithm,
    key: DecodingKey,
}

impl KeyCache {
    /// The key of this id, for this algorithm. Without an id, the only key for that algorithm.
    pub(super) async fn find(
        &self,
        issuer: &Issuer,
        source: &dyn JwksSource,
        env: &Env,
        algorithm: SigningAlgorithm,
        id: Option<&str>,
    ) -> Result<DecodingKey, OidcError> {
        let mut cached = self.0.lock().await;
        let now = env.clock().instant();
        let is_older = |than: Duration, at: Option<Instant>| at.is_none_or(|at| now.duration_since(at) >= than);
        let wanted = is_older(FRESH, cached.fetched_at) || cached.find(algorithm, id).is_none();
        if wanted && is_older(REFRESH_PAUSE, cached.tried_at) {
            cached.tried_at = Some(now);
            match fetch_keys(issuer, source).await {
                Ok(keys) => *cached = Cached { keys, fetched_at: Some(now), tried_at: Some(now), failure: None },
                Err(error) => cached.failure = Some(error),
            }
        }
        if is_older(USABLE, cached.fetched_at) {
            let reason = cached.failure.as_ref().map_or_else(String::new, ToString::to_string);
            return Err(OidcError::Unavailable { issuer: issuer.name.clone(), reason });
        }
        cached.find(algorithm, id).ok_or_else(|| OidcError::UnknownKey { issuer: issuer.name.clone() })
    }
}

impl Cached {
    fn find(&self, algorithm: SigningAlgorithm, id: Option<&str>) -> Option<DecodingKey> {
        let mut fitting =
            self.keys.iter().filter(|key| key.algorithm == algorithm && (id.is_none() || key.id.as_deref() == id));
        match (fitting.next(), fitting.next()) {
            (Some(key), None) => Some(key.key.clone()),
            _ => None,
        }
    }
}

async fn fetch_keys(issuer: &Issuer, source: &dyn JwksSource) -> Result<Arc<[IssuerKey]>, FetchError> {
    let url = match &issuer.jwks_url {
        Some(url) => url.clone(),
        None => discover(issuer, source).await?,
    };
    let set = fetch(source, &url).await?;
    read_keys(&set).ok_or_else(|| FetchError { url, reason: "it is not a set of keys".to_owned() })
}

/// Where the issuer says that its keys are (OpenID Connect Discovery 1.0, section 4).
async fn discover(issuer: &Issuer, source: &dyn JwksSource) -> Result<String, FetchError> {
    #[derive(Deserialize)]
    struct Configuration {
        issuer: String,
        jwks_uri: String,
    }
    let url = format!("{}/.well-known/openid-configuration", issuer.url.trim_end_matches('/'));
    let document = fetch(source, &url).await?;
    let failure = |reason: &str| FetchError { url: url.clone(), reason: reason.to_owned() };
    let configuration: Configuration =
        serde_json::from_slice(&document).map_err(|_| failure("it is not an issuer's configuration"))?;
    if configuration.issuer != issuer.url {
        return Err(failure("it is the configuration of another issuer"));
    }
    // Who asks for keys in private must not be answered in public.
    if issuer.url.starts_with("https://") && !configuration.jwks_uri.starts_with("https://") {
        return Err(failure("it points to keys without TLS"));
    }
    Ok(configuration.jwks_uri)
}

async fn fetch(source: &dyn JwksSource, url: &str) -> Result<Bytes, FetchError> {
    let failure = |reason: &str| FetchError { url: url.to_owned(), reason: reason.to_owned() };
    let document = tokio::time::timeout(FETCH_TIMEOUT, source.fetch(url)).await;
    let document = document.map_err(|_| failure("there was no answer within 5 seconds"))??;
    if document.len() > DOCUMENT_BYTES_MAX { Err(failure("it has more than 256 KiB")) } else { Ok(document) }
}

/// The keys of a JWK set (RFC 7517). Those that are of no use here are left out, whatever they are.
fn read_keys(document: &[u8]) -> Option<Arc<[IssuerKey]>> {
    #[derive(Deserialize)]
    struct Set {
        keys: Vec<Value>,
    }
    let set: Set = serde_json::from_slice(document).ok()?;
    Some(set.keys.into_iter().take(KEYS_MAX).filter_map(read_key).collect())
}

#[derive(Deserialize)]
struct Jwk {
    kty: String,
    kid: Option<String>,
    #[serde(rename = "use")]
    purpose: Option<String>,
    alg: Option<String>,
    crv: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
}

fn read_key(jwk: Value) -> Option<IssuerKey> {
    let jwk: Jwk = serde_json::from_value(jwk).ok()?;
    let (algorithm, key) = match (&jwk.kty[..], jwk.crv.as_deref()) {
        ("RSA", _) => {
            let (n, e) = (bytes(jwk.n.as_deref())?, bytes(jwk.e.as_deref())?);
            let is_sound = (256..=512).contains(&n.len()) && (1..=4).contains(&e.len());
            (SigningAlgorithm::Rs256, is_sound.then(|| DecodingKey::from_rsa_raw_components(&n, &e))?)
        }
        ("EC", Some("P-256")) => {
            // The library trusts the lengths.
            let (x, y) = (jwk.x.as_deref()?, jwk.y.as_deref()?);
            let is_sound = bytes(Some(x))?.len() == 32 && bytes(Some(y))?.len() == 32;
            (SigningAlgorithm::Es256, is_sound.then(|| DecodingKey::from_ec_components(x, y).ok())??)
        }
        ("OKP", Some("Ed25519")) => {
            let x = bytes(jwk.x.as_deref())?;
            (SigningAlgorithm::EdDsa, (x.len() == 32).then(|| DecodingKey::from_ed_der(&x))?)
        }
        _ => return None,
    };
    let is_for_signatures = jwk.purpose.is_none_or(|purpose| purpose == "sig");
    let is_for_algorithm = jwk.alg.is_none_or(|alg| alg == algorithm.as_str());
    (is_for_signatures && is_for_algorithm).then_some(IssuerKey { id: jwk.kid, algorithm, key })
}

fn bytes(encoded: Option<&str>) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(encoded?).ok()
}
