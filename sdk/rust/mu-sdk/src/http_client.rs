//! Requests to other servers.

use std::fmt;

use mu_abi::{Header, HttpError, HttpMethod, HttpRequest, Incoming, Outgoing, Response, Version};

use crate::{host::Host, percent};

/// Sends requests to other servers, through the host.
///
/// The host decides which addresses may be reached, how long it may take, and how large a response may be.
///
/// ```
/// # use mu_sdk::{MuContext, Result};
/// fn weather(ctx: &MuContext, city: &str) -> Result<String> {
///     let response = ctx.http_client().get("https://weather.example/now").query("city", city).send()?;
///     Ok(String::from_utf8(response.body)?)
/// }
/// ```
#[derive(Clone, Copy)]
pub struct HttpClient<'a> {
    host: &'a dyn Host,
}

/// A request about to be sent.
#[must_use = "a request is sent by `send`"]
pub struct HttpRequestBuilder<'a> {
    host: &'a dyn Host,
    /// What was wrong with what was given, told when sending.
    request: Result<HttpRequest, HttpError>,
}

// === impl HttpClient ===

impl<'a> HttpClient<'a> {
    pub(crate) fn new(host: &'a dyn Host) -> Self {
        Self { host }
    }

    /// A `GET` request.
    pub fn get(&self, url: impl Into<String>) -> HttpRequestBuilder<'a> {
        self.request(HttpMethod::Get, url)
    }

    /// A `HEAD` request.
    pub fn head(&self, url: impl Into<String>) -> HttpRequestBuilder<'a> {
        self.request(HttpMethod::Head, url)
    }

    /// A `POST` request.
    pub fn post(&self, url: impl Into<String>) -> HttpRequestBuilder<'a> {
        self.request(HttpMethod::Post, url)
    }

    /// A `PUT` request.
    pub fn put(&self, url: impl Into<String>) -> HttpRequestBuilder<'a> {
        self.request(HttpMethod::Put, url)
    }

    /// A `PATCH` request.
    pub fn patch(&self, url: impl Into<String>) -> HttpRequestBuilder<'a> {
        self.request(HttpMethod::Patch, url)
    }

    /// A `DELETE` request.
    pub fn delete(&self, url: impl Into<String>) -> HttpRequestBuilder<'a> {
        self.request(HttpMethod::Delete, url)
    }

    /// An `OPTIONS` request.
    pub fn options(&self, url: impl Into<String>) -> HttpRequestBuilder<'a> {
        self.request(HttpMethod::Options, url)
    }

    /// A request of this method to this absolute URL.
    pub fn request(&self, method: HttpMethod, url: impl Into<String>) -> HttpRequestBuilder<'a> {
        let request = HttpRequest { method, url: url.into(), ..HttpRequest::default() };
        HttpRequestBuilder { host: self.host, request: Ok(request) }
    }
}

impl fmt::Debug for HttpClient<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("HttpClient").finish_non_exhaustive()
    }
}

// === impl HttpRequestBuilder ===

impl HttpRequestBuilder<'_> {
    /// Adds a header. A name may be repeated.
    pub fn header(self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.change(|request| request.headers.push(Header::new(name, value)))
    }

    /// Adds headers. A name may be repeated.
    pub fn headers(self, headers: impl IntoIterator<Item = Header>) -> Self {
        self.change(|request| request.headers.extend(headers))
    }

    /// Adds a key and a value to the URL's query, percent-encoded.
    pub fn query(self, key: &str, value: impl fmt::Display) -> Self {
        self.change(|request| append_query(&mut request.url, key, &value.to_string()))
    }

    /// Sends a token as the caller's proof of who it is.
    pub fn bearer_auth(self, token: impl fmt::Display) -> Self {
        self.header("authorization", format!("Bearer {token}"))
    }

    /// Sends a name and, if there is one, a password as the caller's proof of who it is.
    pub fn basic_auth(self, user: impl fmt::Display, password: Option<&str>) -> Self {
        let credentials = format!("{user}:{}", password.unwrap_or_default());
        self.header("authorization", format!("Basic {}", base64(credentials.as_bytes())))
    }

    /// Sends this body, as it is.
    pub fn body(self, body: impl Into<Vec<u8>>) -> Self {
        self.change(|request| request.body = body.into())
    }

    /// Sends this value as JSON, with its content type.
    #[cfg(feature = "json")]
    pub fn json<T: serde::Serialize + ?Sized>(self, value: &T) -> Self {
        match serde_json::to_vec(value) {
            Ok(body) => self.header("content-type", "application/json").body(body),
            Err(error) => self.fail(format!("the JSON body could not be written: {error}")),
        }
    }

    /// Sends this value as a form, with its content type.
    #[cfg(feature = "form")]
    pub fn form<T: serde::Serialize + ?Sized>(self, value: &T) -> Self {
        match serde_urlencoded::to_string(value) {
            Ok(body) => self.header("content-type", "application/x-www-form-urlencoded").body(body),
            Err(error) => self.fail(format!("the form could not be written: {error}")),
        }
    }

    /// Speaks this version of HTTP; 1.1 otherwise.
    pub fn version(self, version: Version) -> Self {
        self.change(|request| request.version = version)
    }

    /// Sends the request and waits for the whole response. Any status is a response; look at
    /// [`Response::status`].
    ///
    /// # Errors
    /// Why there is no response.
    pub fn send(self) -> Result<Response, HttpError> {
        let request = self.request?;
        match self.host.ask(Outgoing::Http(request)) {
            Ok(Incoming::Http(result)) => result,
            Ok(_) => Err(HttpError::Request("the host answered an HTTP request with something else".to_owned())),
            Err(error) => Err(HttpError::Request(error.to_string())),
        }
    }

    fn change(mut self, change: impl FnOnce(&mut HttpRequest)) -> Self {
        if let Ok(request) = &mut self.request {
            change(request);
        }
        self
    }

    #[cfg(any(feature = "json", feature = "form"))]
    fn fail(mut self, problem: String) -> Self {
        if self.request.is_ok() {
            self.request = Err(HttpError::Builder(problem));
        }
        self
    }
}

impl fmt::Debug for HttpRequestBuilder<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("HttpRequestBuilder").field("request", &self.request).finish_non_exhaustive()
    }
}

/// Adds a pair to the query of `url`, before its fragment.
fn append_query(url: &mut String, key: &str, value: &str) {
    const UNRESERVED: &[u8] = b"-._~";
    let fragment = url.find('#').map(|start| url.split_off(start));
    url.push(if url.contains('?') { '&' } else { '?' });
    percent::encode(key, UNRESERVED, url);
    url.push('=');
    percent::encode(value, UNRESERVED, url);
    url.push_str(fragment.as_deref().unwrap_or_default());
}

/// The standard alphabet, with padding (RFC 4648).
fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let mut group = [0; 4];
        group[1..=chunk.len()].copy_from_slice(chunk);
        let group = u32::from_be_bytes(group);
        for place in 0..4 {
            let index = (group >> (18 - 6 * place)) & 63;
            text.push(if place <= chunk.len() { char::from(ALPHABET[index as usize]) } else { '=' });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_padded() {
        for (text, encoded) in
            [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg=="), ("\u{ff}?>", "w78/Pg==")]
        {
            assert_eq!(base64(text.as_bytes()), encoded, "{text}");
        }
    }

    #[test]
    fn queries_are_added_before_the_fragment() {
        for (before, after) in [
            ("http://h/p", "http://h/p?k%20=v%26"),
            ("http://h/p?a=b", "http://h/p?a=b&k%20=v%26"),
            ("http://h/p#f?", "http://h/p?k%20=v%26#f?"),
        ] {
            let mut url = before.to_owned();
            append_query(&mut url, "k ", "v&");
            assert_eq!(url, after);
        }
    }
}
