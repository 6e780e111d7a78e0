//! A gateway's cross-origin rules, with everything that can be written once written once.

use http::HeaderValue;
use http::header::HeaderName;
use mu_stack::{AllowList, Cors};

/// Cross-origin rules of a deployed gateway, as the headers that state them.
#[derive(Clone, Debug)]
pub struct CorsPolicy {
    /// Whose pages may call.
    pub origins: OriginRule,
    /// Methods those pages may use; without it, those of the path.
    pub methods: Option<HeaderValue>,
    /// Request headers those pages may send.
    pub headers: HeaderRule,
    /// Response headers those pages may read.
    pub expose: Option<HeaderValue>,
    /// Whether cookies and authorization may be sent along.
    pub allows_credentials: bool,
    /// How long a browser may remember a preflight's answer, in seconds.
    pub max_age_seconds: Option<HeaderValue>,
}

/// Whose pages may call.
#[derive(Clone, Debug)]
pub enum OriginRule {
    /// Everyone's.
    Any,
    /// Those of these origins.
    Only(Vec<HeaderValue>),
}

/// Which request headers pages of other origins may send.
#[derive(Clone, Debug)]
pub enum HeaderRule {
    /// Whichever they ask for.
    Any,
    /// Those in this list; `None` stands for an empty one.
    Only(Option<HeaderValue>),
}

impl From<&Cors> for CorsPolicy {
    fn from(cors: &Cors) -> Self {
        Self {
            origins: match &cors.allow_origins {
                AllowList::Any => OriginRule::Any,
                AllowList::Only(origins) => OriginRule::Only(origins.iter().filter_map(|text| value(text)).collect()),
            },
            methods: cors.allow_methods.and_then(|methods| value(&methods.to_string())),
            headers: match &cors.allow_headers {
                AllowList::Any => HeaderRule::Any,
                AllowList::Only(names) => HeaderRule::Only(list(names)),
            },
            expose: list(&cors.expose_headers),
            allows_credentials: cors.allow_credentials,
            max_age_seconds: cors.max_age.map(|age| HeaderValue::from(age.as_secs())),
        }
    }
}

/// A list of header names as the value of a header; `None` when it is empty.
fn list(names: &[String]) -> Option<HeaderValue> {
    let names: Vec<_> = names.iter().filter(|name| name.parse::<HeaderName>().is_ok()).map(String::as_str).collect();
    if names.is_empty() { None } else { value(&names.join(", ")) }
}

/// The manifest admits only what is fit for a header, so nothing is lost here.
fn value(text: &str) -> Option<HeaderValue> {
    HeaderValue::from_str(text).ok()
}
