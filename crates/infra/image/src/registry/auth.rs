//! Answering a registry that wants to know who asks: with a password, or with a token that one is exchanged for.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::header::{AUTHORIZATION, HeaderValue, WWW_AUTHENTICATE};
use reqwest::{Response, Url};
use serde::Deserialize;

use super::{Registry, answer, download};
use crate::ImageError;
use crate::registries::Credentials;

const TOKEN_BYTES_MAX: u64 = 64 << 10;

/// What a registry wants.
#[derive(Debug, Default, PartialEq, Eq)]
enum Challenge {
    Basic,
    /// A token of this place, for these rights.
    Bearer {
        realm: String,
        service: Option<String>,
        scope: Option<String>,
    },
    /// Nothing that is known here.
    #[default]
    Unknown,
}

impl Registry {
    /// The header that answers a response of status 401.
    pub(super) async fn authorization_for(&self, response: &Response) -> Result<HeaderValue, ImageError> {
        let challenges = response.headers().get_all(WWW_AUTHENTICATE).iter().filter_map(|value| value.to_str().ok());
        match challenge(challenges) {
            Challenge::Basic => {
                let credentials = self.credentials.as_deref().ok_or_else(|| self.denied())?;
                basic(credentials).ok_or_else(|| self.denied())
            }
            Challenge::Bearer { realm, service, scope } => self.token(&realm, service, scope).await,
            Challenge::Unknown => Err(self.denied()),
        }
    }

    async fn token(
        &self,
        realm: &str,
        service: Option<String>,
        scope: Option<String>,
    ) -> Result<HeaderValue, ImageError> {
        let realm = Url::parse(realm).map_err(|_| self.misbehaves("it names no address that has tokens"))?;
        let mut url = self.permitted(realm)?;
        let scope = scope.unwrap_or_else(|| format!("repository:{}:pull", self.image.repository()));
        {
            let mut query = url.query_pairs_mut();
            query.extend_pairs(service.map(|service| ("service", service)));
            query.extend_pairs(scope.split(' ').map(|scope| ("scope", scope)));
        }
        let request = self.client.get(url);
        let request = match self.credentials.as_deref().and_then(basic) {
            Some(basic) => request.header(AUTHORIZATION, basic),
            None => request,
        };
        let response = answer::in_time(&self.image, request.send()).await?;
        let response = answer::check(&self.image, response).await.map_err(|error| match error {
            ImageError::NotFound { .. } => self.misbehaves("there are no tokens where it says"),
            other => other,
        })?;
        let body = download::in_memory(self, "the token for it", response, TOKEN_BYTES_MAX).await?;
        let token: Token = serde_json::from_slice(&body).map_err(|_| self.misbehaves("its token cannot be read"))?;
        let token = token.token.or(token.access_token).unwrap_or_default();
        secret(&format!("Bearer {token}")).ok_or_else(|| self.misbehaves("its token cannot be read"))
    }

    fn denied(&self) -> ImageError {
        let (image, registry) = (self.image.to_string(), self.image.registry().to_owned());
        ImageError::Denied { image, registry, status: 401 }
    }
}

#[derive(Deserialize)]
struct Token {
    #[serde(default)]
    token: Option<String>,
    #[serde(default)]
    access_token: Option<String>,
}

fn basic(credentials: &Credentials) -> Option<HeaderValue> {
    secret(&format!("Basic {}", STANDARD.encode(format!("{}:{}", credentials.user, credentials.password))))
}

/// A value that no log shows.
fn secret(text: &str) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_str(text).ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// The best of what the headers offer.
fn challenge<'a>(headers: impl Iterator<Item = &'a str>) -> Challenge {
    let mut best = Challenge::Unknown;
    for header in headers {
        let (scheme, rest) = header.trim().split_once(' ').unwrap_or((header.trim(), ""));
        if scheme.eq_ignore_ascii_case("bearer") {
            let parameter = |name| parameter(rest, name);
            if let Some(realm) = parameter("realm") {
                return Challenge::Bearer { realm, service: parameter("service"), scope: parameter("scope") };
            }
        } else if scheme.eq_ignore_ascii_case("basic") {
            best = Challenge::Basic;
        }
    }
    best
}

/// The value of one among `name="value", other=value`.
fn parameter(mut text: &str, wanted: &str) -> Option<String> {
    loop {
        let (name, rest) = text.split_once('=')?;
        let rest = rest.trim_start();
        let (value, rest) = match rest.strip_prefix('"') {
            Some(quoted) => quoted_value(quoted)?,
            None => {
                let end = rest.find(',').unwrap_or(rest.len());
                (rest[..end].trim().to_owned(), &rest[end..])
            }
        };
        if name.trim_matches([' ', ',']).eq_ignore_ascii_case(wanted) {
            return Some(value);
        }
        text = rest;
    }
}

fn quoted_value(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut chars = text.char_indices();
    while let Some((at, char)) = chars.next() {
        match char {
            '"' => return Some((value, &text[at + 1..])),
            '\\' => value.push(chars.next()?.1),
            char => value.push(char),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn challenges_are_read() {
        let bearer = |realm: &str, service: Option<&str>, scope: Option<&str>| Challenge::Bearer {
            realm: realm.to_owned(),
            service: service.map(str::to_owned),
            scope: scope.map(str::to_owned),
        };
        for (headers, expected) in [
            (&["Basic realm=\"r\""][..], Challenge::Basic),
            (&["basic"], Challenge::Basic),
            (&["Bearer realm=\"https://a/t\""], bearer("https://a/t", None, None)),
            (
                &["Bearer realm=\"https://a/t\",service=\"r.io\",scope=\"repository:a/b:pull,push\""],
                bearer("https://a/t", Some("r.io"), Some("repository:a/b:pull,push")),
            ),
            (&["bearer  service=r.io , realm = \"x\""], bearer("x", Some("r.io"), None)),
            (
                &["Bearer scope=\"y\"", "Bearer error=\"x\\\"y\" , Realm=\"https://a\", service=s"],
                bearer("https://a", Some("s"), None),
            ),
            (&["Basic realm=\"r\"", "Bearer realm=\"https://a/t\""], bearer("https://a/t", None, None)),
            (&["Bearer realm=\"open"], Challenge::Unknown),
            (&["Bearer"], Challenge::Unknown),
            (&["Negotiate"], Challenge::Unknown),
            (&[""], Challenge::Unknown),
            (&[], Challenge::Unknown),
        ] {
            assert_eq!(challenge(headers.iter().copied()), expected, "{headers:?}");
        }
    }
}
