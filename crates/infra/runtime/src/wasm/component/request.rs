//! The node's request, made one that a component can be given.

use http::Uri;
use http::header::{self, HeaderValue};
use http_body_util::BodyExt;
use wasmtime_wasi_http::{Error, WasiBody};

use crate::route_headers::name_handler;
use crate::{BodyError, Failure, Request};

/// The authority of a request that names none, as HTTP/1.0 permits.
const NO_HOST: HeaderValue = HeaderValue::from_static("localhost");

/// The request as the component sees it: its path is the one below the gateway.
pub(super) fn request(handler: &str, request: Request) -> Result<http::Request<WasiBody>, Failure> {
    let Request { method, path, path_params, raw_query, mut headers, body, .. } = request;
    let broken = |what: &str| Failure::RequestBroken(format!("the request's {what} cannot be passed to the function"));
    let target = match raw_query {
        Some(query) => format!("{path}?{query}"),
        None => path,
    };
    let uri: Uri = target.parse().map_err(|_| broken("path"))?;
    name_handler(&mut headers, handler, &path_params).ok_or_else(|| broken("headers"))?;
    headers.entry(header::HOST).or_insert(NO_HOST);
    let body = body.map_err(|error| body_error(&error)).boxed_unsync();
    let mut made = http::Request::new(body);
    *made.method_mut() = method;
    *made.uri_mut() = uri;
    *made.headers_mut() = headers;
    Ok(made)
}

/// What the component is told of a body that could not be read.
fn body_error(error: &BodyError) -> Error {
    match *error {
        BodyError::TooLarge { limit_bytes } => Error::HttpRequestBodySize(Some(limit_bytes)),
        BodyError::Stalled => Error::ConnectionReadTimeout,
        BodyError::Broken(_) => Error::ConnectionTerminated,
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;

    use crate::{Form, empty_body};

    use super::*;

    #[tokio::test]
    async fn a_component_sees_the_path_the_handler_and_the_parameters() {
        let mut headers = HeaderMap::new();
        for (name, value) in [("mu-handler", "forged"), ("mu-path-name", "forged"), ("mu-path-other", "forged")] {
            headers.insert(name, HeaderValue::from_static(value));
        }
        let made = request(
            "greet",
            Request {
                form: Form::Http,
                begun: None,
                method: http::Method::GET,
                path: "/hello/%C3%A9".to_owned(),
                path_params: vec![("name".to_owned(), "\u{e9} \n".to_owned())],
                query: Vec::new(),
                raw_query: Some("a=1&a=2".to_owned()),
                headers,
                body: empty_body(),
            },
        )
        .unwrap();
        assert_eq!(made.uri(), "/hello/%C3%A9?a=1&a=2");
        let mut headers: Vec<_> = made.headers().iter().map(|(k, v)| (k.as_str(), v.to_str().unwrap())).collect();
        headers.sort_unstable();
        assert_eq!(headers, [("host", "localhost"), ("mu-handler", "greet"), ("mu-path-name", "%C3%A9%20%0A")]);
    }
}
