//! Where a node is asked.

use std::fmt;
use std::str::FromStr;

use url::{Host, Url};

use crate::failure::{Cause, Failure};

/// The URL of a management API: a scheme, a host and perhaps a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Address {
    /// Without a slash at its end.
    origin: String,
    host: String,
    is_loopback: bool,
    is_encrypted: bool,
}

/// Why a text is no address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ParseAddressError {
    #[error("write the URL with its scheme and host, like http://127.0.0.1:12000 or https://mu.example.com")]
    Form,
    #[error("a URL of a node holds no user name or password: `mu login` keeps credentials")]
    Credentials,
    #[error("the URL of a node has no path, query or fragment: the API is at its root")]
    Path,
}

impl Address {
    /// The address that somebody wrote as an argument. It is not repeated when it is wrong: it may hold a password.
    pub(crate) fn given(text: &str) -> Result<Self, Failure> {
        text.parse().map_err(|e: ParseAddressError| Failure::new(Cause::Failed, e.to_string()))
    }

    /// The URL of a path, which begins with a slash.
    pub(super) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.origin)
    }

    /// The host alone, without brackets.
    pub(crate) fn host(&self) -> &str {
        &self.host
    }

    /// Whether only this machine is asked.
    pub(crate) fn is_loopback(&self) -> bool {
        self.is_loopback
    }

    /// Whether others on the network can read what is sent there.
    pub(crate) fn is_readable_by_others(&self) -> bool {
        !self.is_encrypted && !self.is_loopback
    }
}

impl FromStr for Address {
    type Err = ParseAddressError;

    fn from_str(text: &str) -> Result<Self, ParseAddressError> {
        let url = Url::parse(text.trim()).map_err(|_| ParseAddressError::Form)?;
        let host = url.host().filter(|_| matches!(url.scheme(), "http" | "https")).ok_or(ParseAddressError::Form)?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err(ParseAddressError::Credentials);
        }
        if url.path() != "/" || url.query().is_some() || url.fragment().is_some() {
            return Err(ParseAddressError::Path);
        }
        let is_loopback = match &host {
            Host::Domain(name) => *name == "localhost" || name.ends_with(".localhost"),
            Host::Ipv4(ip) => ip.is_loopback(),
            Host::Ipv6(ip) => ip.to_canonical().is_loopback(),
        };
        Ok(Self {
            host: host.to_string().trim_matches(['[', ']']).to_owned(),
            is_loopback,
            is_encrypted: url.scheme() == "https",
            origin: url.origin().ascii_serialization(),
        })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.origin)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_scheme_host_and_port() {
        for (text, expected) in [
            ("http://127.0.0.1:12000", Ok("http://127.0.0.1:12000")),
            ("https://Mu.Example.com/", Ok("https://mu.example.com")),
            ("http://[::1]:12000/", Ok("http://[::1]:12000")),
            (" http://localhost ", Ok("http://localhost")),
            ("127.0.0.1:12000", Err(ParseAddressError::Form)),
            ("localhost:12000", Err(ParseAddressError::Form)),
            ("ftp://mu.example.com", Err(ParseAddressError::Form)),
            ("https://me:secret@mu.example.com", Err(ParseAddressError::Credentials)),
            ("https://mu.example.com/v1", Err(ParseAddressError::Path)),
            ("https://mu.example.com/?a", Err(ParseAddressError::Path)),
        ] {
            let read = text.parse::<Address>().map(|address| address.to_string());
            assert_eq!(read, expected.map(str::to_owned), "{text}");
        }
    }

    #[test]
    fn what_is_wrong_is_not_repeated() {
        for text in ["https://me:secret@mu.example.com", "secret"] {
            assert!(!Address::given(text).unwrap_err().render().contains("secret"));
        }
    }

    #[test]
    fn only_the_own_machine_is_trusted_without_encryption() {
        for (text, readable) in [
            ("http://127.0.0.1:12000", false),
            ("http://[::1]", false),
            ("http://localhost:1", false),
            ("https://mu.example.com", false),
            ("http://mu.example.com", true),
            ("http://10.0.0.1", true),
        ] {
            assert_eq!(text.parse::<Address>().unwrap().is_readable_by_others(), readable, "{text}");
        }
    }
}
