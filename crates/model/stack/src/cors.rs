//! Which web pages of other origins may call a gateway.

use std::time::Duration;

use crate::method::MethodSet;

/// Cross-origin rules of one gateway. A gateway without them answers no preflight and adds no header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cors {
    /// Origins whose pages may call, like `https://example.com`; compared byte by byte.
    pub allow_origins: AllowList,
    /// Methods those pages may use; `None` means the methods that the requested path has.
    pub allow_methods: Option<MethodSet>,
    /// Request headers those pages may send; `Any` means whichever the preflight asks for.
    pub allow_headers: AllowList,
    /// Response headers those pages may read.
    pub expose_headers: Vec<String>,
    /// Whether cookies and authorization may be sent along; never together with any origin.
    pub allow_credentials: bool,
    /// How long a browser may remember a preflight's answer, at most a day; `None` leaves it to the browser.
    pub max_age: Option<Duration>,
}

/// Everything, or only what is listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AllowList {
    /// Whatever is asked for, written `"*"`.
    Any,
    /// These.
    Only(Vec<String>),
}

/// Whether a text is an origin as browsers send it: scheme, host and perhaps a port, without a path.
pub(crate) fn is_origin(text: &str) -> bool {
    let Some((scheme, host)) = text.split_once("://") else { return text == "null" };
    let scheme_is_fine = scheme.starts_with(|character: char| character.is_ascii_alphabetic())
        && scheme.chars().all(|character| character.is_ascii_alphanumeric() || matches!(character, '+' | '-' | '.'));
    let host_is_fine = !host.is_empty()
        && host.chars().all(|character| {
            character.is_ascii_alphanumeric() || matches!(character, '.' | '-' | '_' | ':' | '[' | ']')
        });
    scheme_is_fine && host_is_fine
}

/// Whether a text can be the name of a header (RFC 9110 `token`).
pub(crate) fn is_header_name(text: &str) -> bool {
    !text.is_empty()
        && text.chars().all(|character| character.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(character))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins() {
        for good in ["https://example.com", "http://localhost:3000", "http://[::1]:8080", "null", "app-x://id"] {
            assert!(is_origin(good), "{good}");
        }
        for bad in ["", "example.com", "https://", "https://example.com/", "https://a b", "://x", "*"] {
            assert!(!is_origin(bad), "{bad}");
        }
    }

    #[test]
    fn header_names() {
        assert!(is_header_name("x-request-id"));
        assert!(!is_header_name("") && !is_header_name("a b") && !is_header_name("a:"));
    }
}
