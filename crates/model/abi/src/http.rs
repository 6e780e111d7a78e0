//! HTTP as messages carry it: whole requests and responses, with their bodies.

use std::{collections::BTreeMap, error, fmt, str::FromStr};

use crate::{
    codec::{Decode, Encode, Reader, Stop, enumeration, structure},
    status::Status,
};

/// A request to a function's handler.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Request {
    /// The method.
    pub method: HttpMethod,
    /// What stood in the places of the route's `{name}`s, percent-decoded.
    pub path_params: BTreeMap<String, String>,
    /// The query's keys and values, percent-decoded; of a repeated key, the last.
    pub query_params: BTreeMap<String, String>,
    /// The headers, in order; a name may be repeated.
    pub headers: Vec<Header>,
    /// The body; empty if there is none.
    pub body: Vec<u8>,
}

/// A response: of a handler, or of another server to [`HttpRequest`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Response {
    /// The status.
    pub status: Status,
    /// The headers, in order; a name may be repeated.
    pub headers: Vec<Header>,
    /// The body; empty if there is none.
    pub body: Vec<u8>,
}

/// A request that a function asks the host to send.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HttpRequest {
    /// The method.
    pub method: HttpMethod,
    /// The absolute URL.
    pub url: String,
    /// The headers, in order; a name may be repeated.
    pub headers: Vec<Header>,
    /// The body; empty if there is none.
    pub body: Vec<u8>,
    /// The version of HTTP to speak.
    pub version: Version,
}

/// A header's name and value.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Header {
    /// The name; case doesn't matter.
    pub name: String,
    /// The value.
    pub value: String,
}

/// A method of HTTP.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum HttpMethod {
    /// `GET`
    #[default]
    Get,
    /// `HEAD`
    Head,
    /// `POST`
    Post,
    /// `PUT`
    Put,
    /// `PATCH`
    Patch,
    /// `DELETE`
    Delete,
    /// `OPTIONS`
    Options,
}

/// A version of HTTP.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Version {
    /// HTTP/0.9
    Http09,
    /// HTTP/1.0
    Http10,
    /// HTTP/1.1
    #[default]
    Http11,
    /// HTTP/2
    Http2,
    /// HTTP/3
    Http3,
}

/// Why an [`HttpRequest`] got no response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HttpError {
    /// The request could not be made of what the function gave.
    Builder(String),
    /// Sending failed, or was not permitted, or took too long.
    Request(String),
    /// There were too many redirections, or in a circle.
    Redirect(String),
    /// The server's status was an error.
    Status(Status),
    /// Reading the body failed, or it was too large.
    Body(String),
    /// The response could not be understood.
    Decode(String),
    /// Changing the protocol failed.
    Upgrade(String),
}

/// The text names no method that a message can carry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownMethod(pub String);

structure!(Request {
    method: HttpMethod,
    path_params: BTreeMap<String, String>,
    query_params: BTreeMap<String, String>,
    headers: Vec<Header>,
    body: Vec<u8>,
});
structure!(Response { status: Status, headers: Vec<Header>, body: Vec<u8> });
structure!(HttpRequest {
    method: HttpMethod,
    url: String,
    headers: Vec<Header>,
    body: Vec<u8>,
    version: Version,
});
structure!(Header { name: String, value: String });
enumeration!(HttpMethod, "the HTTP method is unknown");
enumeration!(Version, "the HTTP version is unknown");

// === impl Request ===

impl Request {
    /// A request of this method, without parameters, headers and body.
    #[must_use]
    pub fn new(method: HttpMethod) -> Self {
        Self { method, ..Self::default() }
    }

    /// The request with a path parameter more.
    #[must_use]
    pub fn with_path_param(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.path_params.insert(name.into(), value.into());
        self
    }

    /// The request with a query parameter more.
    #[must_use]
    pub fn with_query_param(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.query_params.insert(name.into(), value.into());
        self
    }

    /// The request with a header more, after those it has.
    #[must_use]
    pub fn with_header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push(Header::new(name, value));
        self
    }

    /// The request with this body.
    #[must_use]
    pub fn with_body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    /// The value of the first header with this name, in any case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        first_value(&self.headers, name)
    }
}

// === impl Response ===

impl Response {
    /// A response of this status, without headers and body.
    #[must_use]
    pub fn new(status: Status) -> Self {
        Self { status, ..Self::default() }
    }

    /// The response with a header more, after those it has: a repeated name stays repeated.
    #[must_use]
    pub fn with_header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push(Header::new(name, value));
        self
    }

    /// The response with this body.
    #[must_use]
    pub fn with_body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    /// The value of the first header with this name, in any case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        first_value(&self.headers, name)
    }
}

/// The value of the first header with this name, in any case.
fn first_value<'a>(headers: &'a [Header], name: &str) -> Option<&'a str> {
    headers.iter().find(|header| header.name.eq_ignore_ascii_case(name)).map(|header| header.value.as_str())
}

// === impl Header ===

impl Header {
    /// A header of this name and value.
    pub fn new(name: impl Into<String>, value: impl Into<String>) -> Self {
        Self { name: name.into(), value: value.into() }
    }
}

// === impl HttpMethod ===

impl HttpMethod {
    /// Every method, in the order of their numbers on the wire.
    pub const ALL: [Self; 7] = [Self::Get, Self::Head, Self::Post, Self::Put, Self::Patch, Self::Delete, Self::Options];

    /// The method's name, in upper case.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Head => "HEAD",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
            Self::Options => "OPTIONS",
        }
    }
}

impl fmt::Display for HttpMethod {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.as_str())
    }
}

impl FromStr for HttpMethod {
    type Err = UnknownMethod;

    /// Reads a method's name, in any case.
    fn from_str(name: &str) -> Result<Self, UnknownMethod> {
        Self::ALL
            .into_iter()
            .find(|method| method.as_str().eq_ignore_ascii_case(name))
            .ok_or_else(|| UnknownMethod(name.to_owned()))
    }
}

impl fmt::Display for UnknownMethod {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "`{}` is not one of the HTTP methods ", self.0)?;
        for (index, method) in HttpMethod::ALL.into_iter().enumerate() {
            write!(formatter, "{}{method}", if index == 0 { "" } else { ", " })?;
        }
        Ok(())
    }
}

impl error::Error for UnknownMethod {}

// === impl Version ===

impl Version {
    /// Every version, in the order of their numbers on the wire.
    pub const ALL: [Self; 5] = [Self::Http09, Self::Http10, Self::Http11, Self::Http2, Self::Http3];

    /// The version as a request line writes it, such as `HTTP/1.1`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Http09 => "HTTP/0.9",
            Self::Http10 => "HTTP/1.0",
            Self::Http11 => "HTTP/1.1",
            Self::Http2 => "HTTP/2",
            Self::Http3 => "HTTP/3",
        }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.as_str())
    }
}

// === impl HttpError ===

impl fmt::Display for HttpError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Builder(cause) => write!(formatter, "invalid HTTP request: {cause}"),
            Self::Request(cause) => write!(formatter, "could not send the HTTP request: {cause}"),
            Self::Redirect(cause) => write!(formatter, "could not follow the redirection: {cause}"),
            Self::Status(status) => write!(formatter, "the server answered {status}"),
            Self::Body(cause) => write!(formatter, "could not read the HTTP response: {cause}"),
            Self::Decode(cause) => write!(formatter, "could not understand the HTTP response: {cause}"),
            Self::Upgrade(cause) => write!(formatter, "could not change the protocol: {cause}"),
        }
    }
}

impl error::Error for HttpError {}

impl Encode for HttpError {
    fn encode(&self, out: &mut Vec<u8>) {
        let (tag, field): (u8, &dyn Encode) = match self {
            Self::Builder(cause) => (0, cause),
            Self::Request(cause) => (1, cause),
            Self::Redirect(cause) => (2, cause),
            Self::Status(status) => (3, status),
            Self::Body(cause) => (4, cause),
            Self::Decode(cause) => (5, cause),
            Self::Upgrade(cause) => (6, cause),
        };
        out.push(tag);
        field.encode(out);
    }
}

impl Decode for HttpError {
    const BYTES_MIN: usize = 1 + Status::BYTES_MIN;

    fn decode(reader: &mut Reader<'_>) -> Result<Self, Stop> {
        Ok(match reader.variant(&[0, 1, 2, 3, 4, 5, 6], "the kind of HTTP error is unknown")? {
            0 => Self::Builder(reader.read()?),
            1 => Self::Request(reader.read()?),
            2 => Self::Redirect(reader.read()?),
            3 => Self::Status(reader.read()?),
            4 => Self::Body(reader.read()?),
            5 => Self::Decode(reader.read()?),
            _ => Self::Upgrade(reader.read()?),
        })
    }
}
