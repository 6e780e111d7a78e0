//! What a `Content-Type` header says.

use mu_abi::{Request, Status};

use crate::error::{Error, Result};

/// A `Content-Type`, taken apart. Names are compared without regard to case.
pub(crate) struct MediaType<'a> {
    /// Such as `application/json`.
    #[cfg(any(feature = "json", feature = "form"))]
    essence: &'a str,
    charset: Option<&'a str>,
}

// === impl MediaType ===

impl<'a> MediaType<'a> {
    /// The type of the request's body; `None` if the request doesn't say.
    pub(crate) fn of(request: &'a Request) -> Option<Self> {
        request.header("content-type").map(Self::parse)
    }

    fn parse(header: &'a str) -> Self {
        let mut parts = header.split(';').map(str::trim);
        #[cfg_attr(
            not(any(feature = "json", feature = "form")),
            expect(unused_variables, reason = "only bodies of a type ask")
        )]
        let essence = parts.next().unwrap_or_default();
        let charset = parts.find_map(|parameter| {
            let (name, value) = parameter.split_once('=')?;
            name.trim().eq_ignore_ascii_case("charset").then(|| value.trim().trim_matches('"'))
        });
        Self {
            #[cfg(any(feature = "json", feature = "form"))]
            essence,
            charset,
        }
    }

    #[cfg(feature = "form")]
    pub(crate) fn is(&self, essence: &str) -> bool {
        self.essence.eq_ignore_ascii_case(essence)
    }

    /// Whether it is `application/json`, or some `application/...+json`.
    #[cfg(feature = "json")]
    pub(crate) fn is_json(&self) -> bool {
        let essence = self.essence.to_ascii_lowercase();
        essence.strip_prefix("application/").is_some_and(|subtype| subtype == "json" || subtype.ends_with("+json"))
    }

    /// Checks that text of this type is UTF-8, which a type without a charset is taken for.
    pub(crate) fn require_utf8(&self) -> Result<()> {
        match self.charset {
            Some(charset) if !["utf-8", "utf8", "us-ascii"].iter().any(|name| charset.eq_ignore_ascii_case(name)) => {
                Err(unsupported(format!("the body's charset is `{charset}`; send utf-8")))
            }
            _ => Ok(()),
        }
    }
}

/// The error for a body of another type than `expected`.
#[cfg(any(feature = "json", feature = "form"))]
pub(crate) fn unexpected(request: &Request, expected: &str) -> Error {
    match request.header("content-type") {
        Some(found) => unsupported(format!("the body's content type is `{found}`; send `{expected}`")),
        None => unsupported(format!("the request has no content type; send `{expected}`")),
    }
}

fn unsupported(message: String) -> Error {
    Error::new(Status::UNSUPPORTED_MEDIA_TYPE, message)
}
