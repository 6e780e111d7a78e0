//! The client behind a function's HTTP requests: bounded in time, size, redirections and reach.

use std::error::Error;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use mu_abi::{HttpError, HttpMethod, HttpRequest, Response, Status, Version};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::redirect;
use tokio::sync::{OnceCell, Semaphore};
use url::{Host, Url};

use super::lookup::Lookups;
use super::node::is_node_host;
use super::policy::EgressPolicy;
use crate::wasm::header_text;

/// The time to connect, and the time in which an answer must be complete. The deadline of the invocation may be
/// shorter, and ends the request as well.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
const REQUEST_TIMEOUT: Duration = Duration::from_secs(60);

/// The largest answer that is passed to a function, in bytes.
const RESPONSE_BYTES_MAX: usize = 6 << 20;

const REDIRECTS_MAX: usize = 10;

/// Idle connections kept for each host, and for how long. They are shared by all functions: a connection carries no
/// identity.
const IDLE_PER_HOST: usize = 4;
const IDLE_TIMEOUT: Duration = Duration::from_secs(5);

/// Requests of all functions at once; the next ones wait.
const REQUESTS_MAX: usize = 256;

/// Headers of one request.
const HEADERS_MAX: usize = 200;

/// Headers that say how a message is framed or what its connection does. They are the client's business: passed on from
/// a function, they could make a server take the next function's request for the rest of this one.
pub(super) const FRAMING_HEADERS: &[&str] = &[
    "connection",
    "content-length",
    "expect",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// Sends the HTTP requests of functions.
#[derive(Clone, Debug)]
pub struct HttpClient(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    settings: Settings,
    room: Arc<Semaphore>,
    /// Made when the first function sends a request: it reads the system's certificates, which few stacks need.
    client: OnceCell<reqwest::Client>,
    /// The same for components, which follow redirections themselves.
    plain_client: OnceCell<reqwest::Client>,
}

/// What becomes of an answer that leads elsewhere.
#[derive(Clone, Copy, Debug)]
enum Redirections {
    Followed,
    Answered,
}

#[derive(Clone, Copy, Debug)]
struct Settings {
    policy: EgressPolicy,
    connect_timeout: Duration,
    request_timeout: Duration,
}

/// A document that is read from elsewhere on behalf of the node.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct FetchError(String);

impl HttpClient {
    /// Reads a document of at most so many bytes: the body of an answer with status 200. Follows no redirections, and
    /// keeps the rules that functions are under.
    ///
    /// # Errors
    /// When there is no such answer, for the reason that the text gives.
    pub async fn fetch(&self, url: &str, bytes_max: usize) -> Result<Bytes, FetchError> {
        let url = Url::parse(url).map_err(|e| FetchError(e.to_string()))?;
        self.fetch_as(url, None, bytes_max).await
    }

    /// The same by plain HTTP from one address, which is asked for a host that it may or may not be the address of.
    /// `path` begins with a slash.
    ///
    /// # Errors
    /// As [`HttpClient::fetch`].
    pub async fn fetch_at(
        &self,
        address: SocketAddr,
        host: &str,
        path: &str,
        bytes_max: usize,
    ) -> Result<Bytes, FetchError> {
        let url = Url::parse(&format!("http://{address}{path}")).map_err(|e| FetchError(e.to_string()))?;
        let host = HeaderValue::from_str(host).map_err(|e| FetchError(e.to_string()))?;
        self.fetch_as(url, Some(host), bytes_max).await
    }

    async fn fetch_as(&self, url: Url, host: Option<HeaderValue>, bytes_max: usize) -> Result<Bytes, FetchError> {
        let Inner { settings, room, plain_client, .. } = &*self.0;
        if let Some(refusal) = refusal_of_literal(&url, settings.policy) {
            return Err(FetchError(refusal));
        }
        let _place = room.acquire().await.map_err(|e| FetchError(e.to_string()))?;
        let client = plain_client.get_or_try_init(|| build(*settings, Redirections::Answered)).await;
        let mut request = client.map_err(|e| FetchError(e.to_string()))?.get(url).timeout(settings.request_timeout);
        if let Some(host) = host {
            request = request.header(http::header::HOST, host);
        }
        let mut response = request.send().await.map_err(|e| FetchError(with_causes(&e)))?;
        if response.status() != http::StatusCode::OK {
            return Err(FetchError(format!("it is answered with {}", response.status())));
        }
        let mut content = BytesMut::new();
        while let Some(piece) = response.chunk().await.map_err(|e| FetchError(with_causes(&e)))? {
            if content.len() + piece.len() > bytes_max {
                return Err(FetchError(format!("it is larger than {bytes_max} bytes")));
            }
            content.extend_from_slice(&piece);
        }
        Ok(content.freeze())
    }

    /// A client that reaches what `policy` permits.
    #[must_use]
    pub fn new(policy: EgressPolicy) -> Self {
        let (connect_timeout, request_timeout) = (CONNECT_TIMEOUT, REQUEST_TIMEOUT);
        Self::with_settings(Settings { policy, connect_timeout, request_timeout })
    }

    fn with_settings(settings: Settings) -> Self {
        Self(Arc::new(Inner {
            settings,
            room: Arc::new(Semaphore::new(REQUESTS_MAX)),
            client: OnceCell::new(),
            plain_client: OnceCell::new(),
        }))
    }

    /// Sends one request of a function and reads the whole answer.
    pub(crate) async fn send(&self, request: HttpRequest) -> Result<Response, HttpError> {
        let Inner { settings, room, client, .. } = &*self.0;
        let url = Url::parse(&request.url).map_err(|e| HttpError::Builder(format!("url {:?}: {e}", request.url)))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(HttpError::Builder(format!("url {:?}: only http and https are possible", request.url)));
        }
        if let Some(refusal) = refusal_of_literal(&url, settings.policy) {
            return Err(HttpError::Request(refusal));
        }
        let (headers, version) = (headers(&request)?, version(request.version)?);
        let _place = room.acquire().await.map_err(|e| HttpError::Request(e.to_string()))?;
        let client = client.get_or_try_init(|| build(*settings, Redirections::Followed)).await?;
        let outgoing = client.request(method(request.method), url).headers(headers).version(version).body(request.body);
        let response = outgoing.send().await.map_err(|error| convert(&error))?;
        read(response).await
    }
}

mod streaming;

/// Reads certificates from the disk, so it is done where that may take its time.
async fn build(settings: Settings, redirections: Redirections) -> Result<reqwest::Client, HttpError> {
    let policy = settings.policy;
    let builder = reqwest::Client::builder();
    let builder = match redirections {
        Redirections::Followed => builder
            .redirect(redirect::Policy::custom(move |attempt| follow(attempt, policy)))
            .timeout(settings.request_timeout),
        // Answers that stream may take as long as the invocation.
        Redirections::Answered => builder.redirect(redirect::Policy::none()),
    };
    let builder = builder
        .dns_resolver(Arc::new(PermittedAddresses(Lookups::new(policy))))
        .connect_timeout(settings.connect_timeout)
        .pool_max_idle_per_host(IDLE_PER_HOST)
        .pool_idle_timeout(IDLE_TIMEOUT)
        // The node's own environment must not decide where functions connect to.
        .no_proxy()
        .user_agent(concat!("mu/", env!("CARGO_PKG_VERSION")));
    let built = tokio::task::spawn_blocking(|| builder.build()).await;
    built
        .map_err(|e| HttpError::Builder(e.to_string()))?
        .map_err(|e| HttpError::Builder(format!("the node cannot send requests: {}", with_causes(&e))))
}

async fn read(mut response: reqwest::Response) -> Result<Response, HttpError> {
    let too_large = || HttpError::Body(format!("the response is larger than {RESPONSE_BYTES_MAX} bytes"));
    if response.content_length().is_some_and(|length| length > RESPONSE_BYTES_MAX as u64) {
        return Err(too_large());
    }
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| convert(&error))? {
        if body.len() + chunk.len() > RESPONSE_BYTES_MAX {
            return Err(too_large());
        }
        body.extend_from_slice(&chunk);
    }
    let headers = response.headers().iter().map(|(name, value)| header_text(name, value)).collect();
    Ok(Response { status: Status::from(response.status().as_u16()), headers, body })
}

// === Reach ===

/// Resolves names to the permitted ones among their addresses.
struct PermittedAddresses(Lookups);

impl Resolve for PermittedAddresses {
    fn resolve(&self, name: Name) -> Resolving {
        let lookups = self.0.clone();
        Box::pin(async move {
            // Only functions reach the node by this name, and not by way of a redirection.
            if is_node_host(name.as_str()) {
                return Err(refusal(name.as_str()).into());
            }
            let permitted = lookups.permitted(name.as_str(), 0).await?;
            if permitted.is_empty() {
                return Err(refusal(name.as_str()).into());
            }
            Ok(Box::new(permitted.into_iter()) as Addrs)
        })
    }
}

/// Addresses written out in a URL are not resolved, so they are judged here.
fn refusal_of_literal(url: &Url, policy: EgressPolicy) -> Option<String> {
    let address = match url.host()? {
        Host::Ipv4(v4) => IpAddr::V4(v4),
        Host::Ipv6(v6) => IpAddr::V6(v6),
        Host::Domain(_) => return None,
    };
    (!policy.permits(address)).then(|| refusal(&address.to_string()))
}

fn refusal(host: &str) -> String {
    format!(
        "connecting to {host} is not permitted: only public addresses are reached, unless the operator allows private \
         ones (`mu run --allow-private-network`, or `egress.allow: anywhere` of `mu serve`)"
    )
}

fn follow(attempt: redirect::Attempt<'_>, policy: EgressPolicy) -> redirect::Action {
    if attempt.previous().len() > REDIRECTS_MAX {
        return attempt.error(format!("more than {REDIRECTS_MAX} redirections"));
    }
    match refusal_of_literal(attempt.url(), policy) {
        Some(refusal) => attempt.error(refusal),
        None => attempt.follow(),
    }
}

// === Conversions ===

pub(super) fn method(method: HttpMethod) -> Method {
    match method {
        HttpMethod::Get => Method::GET,
        HttpMethod::Head => Method::HEAD,
        HttpMethod::Post => Method::POST,
        HttpMethod::Put => Method::PUT,
        HttpMethod::Patch => Method::PATCH,
        HttpMethod::Delete => Method::DELETE,
        HttpMethod::Options => Method::OPTIONS,
    }
}

/// Functions built against the first SDK always name a version; up to HTTP/1.1 it only says what they can read, and
/// the connection decides.
fn version(version: Version) -> Result<http::Version, HttpError> {
    match version {
        Version::Http09 | Version::Http10 | Version::Http11 => Ok(http::Version::HTTP_11),
        Version::Http2 => Ok(http::Version::HTTP_2),
        Version::Http3 => Err(HttpError::Builder("HTTP/3 is not supported".to_owned())),
    }
}

pub(super) fn headers(request: &HttpRequest) -> Result<HeaderMap, HttpError> {
    if request.headers.len() > HEADERS_MAX {
        return Err(HttpError::Builder(format!("a request has at most {HEADERS_MAX} headers")));
    }
    let mut headers = HeaderMap::with_capacity(request.headers.len());
    for header in &request.headers {
        if FRAMING_HEADERS.iter().any(|name| name.eq_ignore_ascii_case(&header.name)) {
            continue;
        }
        let invalid = |_| HttpError::Builder(format!("header {:?} is not valid in HTTP", header.name));
        let name = HeaderName::from_bytes(header.name.as_bytes()).map_err(|_| invalid(()))?;
        let value = HeaderValue::from_bytes(header.value.as_bytes()).map_err(|_| invalid(()))?;
        headers.try_append(name, value).map_err(|_| HttpError::Builder("too many headers".to_owned()))?;
    }
    Ok(headers)
}

fn convert(error: &reqwest::Error) -> HttpError {
    let text = with_causes(error);
    if error.is_builder() {
        HttpError::Builder(text)
    } else if error.is_redirect() {
        HttpError::Redirect(text)
    } else if error.is_timeout() {
        HttpError::Request(format!("the server did not answer in time: {text}"))
    } else if error.is_body() {
        HttpError::Body(text)
    } else if error.is_decode() {
        HttpError::Decode(text)
    } else {
        HttpError::Request(text)
    }
}

fn with_causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use mu_abi::Header;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    fn client(policy: EgressPolicy) -> HttpClient {
        // Another test of this process may have been first.
        let _ = rustls::crypto::ring::default_provider().install_default();
        HttpClient::new(policy)
    }

    fn request(url: &str) -> HttpRequest {
        HttpRequest {
            method: HttpMethod::Post,
            url: url.to_owned(),
            headers: Vec::new(),
            body: b"the body".to_vec(),
            version: Version::Http11,
        }
    }

    /// Answers one connection with `response`, and tells what it was asked.
    async fn server(response: Vec<u8>) -> (String, tokio::task::JoinHandle<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/path?q=1", listener.local_addr().unwrap());
        let answering = tokio::spawn(async move {
            let (mut connection, _) = listener.accept().await.unwrap();
            let mut asked = Vec::new();
            while !asked.ends_with(b"the body") {
                assert_ne!(connection.read_buf(&mut asked).await.unwrap(), 0);
            }
            connection.write_all(&response).await.unwrap();
            String::from_utf8(asked).unwrap()
        });
        (url, answering)
    }

    #[tokio::test]
    async fn private_addresses_are_refused_whether_literal_or_resolved() {
        let client = client(EgressPolicy::PublicOnly);
        for host in ["127.0.0.1", "[::1]", "localhost", "169.254.169.254", "[::ffff:10.0.0.1]", "2130706433", "0x7f.1"]
        {
            let error = client.send(request(&format!("http://{host}:9/"))).await.unwrap_err();
            let HttpError::Request(message) = error else { panic!("{host}: {error:?}") };
            assert!(message.contains("is not permitted"), "{host}: {message}");
        }
    }

    #[tokio::test]
    async fn urls_that_cannot_be_sent_are_named() {
        let client = client(EgressPolicy::Anywhere);
        for (url, expected) in [
            ("no url", "url \"no url\": relative URL without a base"),
            ("file:///etc/passwd", "url \"file:///etc/passwd\": only http and https are possible"),
        ] {
            assert_eq!(client.send(request(url)).await, Err(HttpError::Builder(expected.to_owned())));
        }
        let mut bad_header = request("http://127.0.0.1:9/");
        bad_header.headers = vec![Header::new("a b", "c")];
        assert!(matches!(client.send(bad_header).await, Err(HttpError::Builder(_))));
    }

    #[tokio::test]
    async fn everything_of_a_response_arrives() {
        let response = b"HTTP/1.1 299 Odd\r\nset-cookie: a=1\r\nset-cookie: b=2\r\nx-latin: caf\xe9\r\ncontent-length: 2\r\n\r\nhi";
        let (url, answering) = server(response.to_vec()).await;
        let response = client(EgressPolicy::Anywhere).send(request(&url)).await.unwrap();
        assert_eq!(response.status, Status::from(299));
        let headers: Vec<_> = response.headers.iter().map(|h| (h.name.as_str(), h.value.as_str())).collect();
        let expected =
            [("set-cookie", "a=1"), ("set-cookie", "b=2"), ("x-latin", "caf\u{e9}"), ("content-length", "2")];
        assert_eq!(headers, expected);
        assert_eq!(response.body, b"hi");
        // A body is sent even when the function set no headers.
        let asked = answering.await.unwrap();
        assert!(asked.starts_with("POST /path?q=1 HTTP/1.1\r\n") && asked.contains("content-length: 8"), "{asked}");
    }

    #[tokio::test]
    async fn framing_is_not_the_functions_business() {
        let (url, answering) = server(b"HTTP/1.1 204 No Content\r\n\r\n".to_vec()).await;
        let mut smuggling = request(&url);
        for (name, value) in
            [("Content-Length", "99"), ("transfer-encoding", "chunked"), ("Connection", "x"), ("x", "y")]
        {
            smuggling.headers.push(Header::new(name, value));
        }
        client(EgressPolicy::Anywhere).send(smuggling).await.unwrap();
        let asked = answering.await.unwrap().to_lowercase();
        assert!(asked.contains("content-length: 8\r\n") && asked.contains("x: y\r\n"), "{asked}");
        for refused in ["chunked", "content-length: 99", "connection: x"] {
            assert!(!asked.contains(refused), "{refused}: {asked}");
        }
    }

    #[tokio::test]
    async fn redirections_inward_or_in_circles_end() {
        let located = b"HTTP/1.1 302 Found\r\nlocation: http://127.0.0.2:9/\r\n\r\n";
        let (url, _answering) = server(located.to_vec()).await;
        let error = client(EgressPolicy::OneAddress).send(request(&url)).await.unwrap_err();
        let expected = "connecting to 127.0.0.2 is not permitted";
        assert!(matches!(&error, HttpError::Redirect(message) if message.contains(expected)), "{error:?}");

        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            while let Ok((mut connection, _)) = listener.accept().await {
                let mut asked = Vec::new();
                while !asked.ends_with(b"\r\n\r\n") && connection.read_buf(&mut asked).await.unwrap() != 0 {}
                let answer = format!("HTTP/1.1 302 Found\r\nlocation: http://{address}/\r\nconnection: close\r\n\r\n");
                connection.write_all(answer.as_bytes()).await.unwrap();
            }
        });
        let mut circle = request(&format!("http://{address}/"));
        (circle.method, circle.body) = (HttpMethod::Get, Vec::new());
        let error = client(EgressPolicy::Anywhere).send(circle).await.unwrap_err();
        assert!(matches!(&error, HttpError::Redirect(message) if message.contains("more than 10")), "{error:?}");
    }

    const SHORT: Settings = Settings {
        policy: EgressPolicy::Anywhere,
        connect_timeout: Duration::from_secs(5),
        request_timeout: Duration::from_millis(100),
    };

    #[tokio::test]
    async fn a_server_that_never_answers_is_given_up() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let _ = rustls::crypto::ring::default_provider().install_default();
        let error = HttpClient::with_settings(SHORT).send(request(&url)).await.unwrap_err();
        let expected = "the server did not answer in time";
        assert!(matches!(&error, HttpError::Request(message) if message.starts_with(expected)), "{error:?}");
    }

    #[tokio::test]
    async fn too_many_headers_are_refused() {
        let mut many = request("http://127.0.0.1:9/");
        many.headers = (0..30_000).map(|index| Header::new(format!("x-{index}"), "")).collect();
        let error = client(EgressPolicy::Anywhere).send(many).await.unwrap_err();
        assert_eq!(error, HttpError::Builder("a request has at most 200 headers".to_owned()));
    }

    #[tokio::test]
    async fn large_responses_are_refused() {
        let size = RESPONSE_BYTES_MAX + 1;
        let declared = format!("HTTP/1.1 200 OK\r\ncontent-length: {size}\r\n\r\n").into_bytes();
        let mut undeclared = b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n".to_vec();
        undeclared.resize(undeclared.len() + size, b'x');
        for response in [declared, undeclared] {
            let (url, _answering) = server(response).await;
            let error = client(EgressPolicy::Anywhere).send(request(&url)).await.unwrap_err();
            assert!(matches!(&error, HttpError::Body(message) if message.contains("larger than")), "{error:?}");
        }
    }
}
