//! Requests of functions to the node itself: by a name that stands for it, and never leaves it.

use bytes::Bytes;
use mu_abi::{HttpError, HttpRequest, Response, Status};
use url::{Host, Url};

use super::client::{headers, method};
use crate::Services;
use crate::wasm::header_text;

/// The host of URLs that mean the node: `http://mu.internal/...`. It is never looked up, and no connection is made; the
/// top-level domain is reserved for private use, so that no one else has it.
pub const NODE_HOST: &str = "mu.internal";

/// Whether a host is the node.
pub(crate) fn is_node_host(host: &str) -> bool {
    host.strip_suffix('.').unwrap_or(host).eq_ignore_ascii_case(NODE_HOST)
}

/// Whether a request for this URL is one to the node.
pub(crate) fn is_to_node(url: &str) -> bool {
    Url::parse(url).is_ok_and(|url| matches!(url.host(), Some(Host::Domain(host)) if is_node_host(host)))
}

/// Hands a request for which [`is_to_node`] is true to the node.
pub(crate) async fn send_to_node(services: &dyn Services, request: HttpRequest) -> Result<Response, HttpError> {
    let invalid = |error: &dyn std::fmt::Display| HttpError::Builder(format!("url {:?}: {error}", request.url));
    let url = Url::parse(&request.url).map_err(|error| invalid(&error))?;
    if url.scheme() != "http" {
        return Err(invalid(&format_args!("the node is asked by http, as http://{NODE_HOST}/")));
    }
    let target = match url.query() {
        Some(query) => format!("{}?{query}", url.path()),
        None => url.path().to_owned(),
    };
    let headers = headers(&request)?;
    let mut asked = http::Request::builder().method(method(request.method)).uri(target);
    if let Some(map) = asked.headers_mut() {
        *map = headers;
    }
    let asked = asked.body(Bytes::from(request.body)).map_err(|error| HttpError::Builder(error.to_string()))?;
    let (answer, body) = services.node(asked).await.into_parts();
    let headers = answer.headers.iter().map(|(name, value)| header_text(name, value)).collect();
    Ok(Response { status: Status::from(answer.status.as_u16()), headers, body: body.into() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_node_has_one_name() {
        for (url, expected) in [
            ("http://mu.internal/connections/1", true),
            ("http://MU.internal:80", true),
            ("https://mu.internal./x", true),
            ("http://user@mu.internal/", true),
            ("http://a.mu.internal/", false),
            ("http://mu.internal.example/", false),
            ("http://example/mu.internal", false),
            ("http://mu.internal@example/", false),
            ("mu.internal", false),
        ] {
            assert_eq!(is_to_node(url), expected, "{url}");
        }
    }
}
