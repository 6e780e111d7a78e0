//! Names of hosts that can be claimed.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Longest name of a host, in bytes: that of DNS.
const HOST_BYTES_MAX: usize = 253;
/// Longest part between two dots, in bytes.
const LABEL_BYTES_MAX: usize = 63;

/// The name of a host, in lower case: two or more labels of letters, digits and hyphens. Cloning is cheap.
///
/// Names with other letters come in their ASCII form (`xn--...`), as browsers send them.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HostName(Arc<str>);

/// A text is not the name of a host that can be claimed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidHostName {
    /// It stands for many hosts.
    #[error("wildcards like `{text}` cannot be claimed: claim each host by its name")]
    Wildcard {
        /// The start of the text.
        text: String,
    },
    /// It is an address.
    #[error("`{text}` is an address: only names of hosts can be claimed, like www.example.com")]
    Address {
        /// The start of the text.
        text: String,
    },
    /// It has a port, or is a URL.
    #[error("`{text}` is more than the name of a host: leave out the scheme, the port and the path")]
    MoreThanHost {
        /// The start of the text.
        text: String,
    },
    /// It has letters that DNS doesn't.
    #[error("`{text}` has letters that are not ASCII: write it in its ASCII form, which begins with `xn--`")]
    NotAscii {
        /// The start of the text.
        text: String,
    },
    /// It is too long.
    #[error("the name of a host has at most {HOST_BYTES_MAX} bytes, this one has {bytes}")]
    TooLong {
        /// How many it has.
        bytes: usize,
    },
    /// It is no name of a host.
    #[error(
        "`{text}` is not the full name of a host: it has two or more parts of 1 to {LABEL_BYTES_MAX} letters, digits \
         and inner hyphens, with dots between them, like www.example.com"
    )]
    Form {
        /// The start of the text.
        text: String,
    },
}

impl HostName {
    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Capitals become small letters: names of hosts don't tell them apart.
impl FromStr for HostName {
    type Err = InvalidHostName;

    fn from_str(text: &str) -> Result<Self, InvalidHostName> {
        let shown = || text.chars().take(80).collect::<String>();
        if text.len() > HOST_BYTES_MAX {
            return Err(InvalidHostName::TooLong { bytes: text.len() });
        }
        if text.contains('*') {
            return Err(InvalidHostName::Wildcard { text: shown() });
        }
        if text.parse::<std::net::IpAddr>().is_ok() || text.starts_with('[') {
            return Err(InvalidHostName::Address { text: shown() });
        }
        if text.contains([':', '/', '@', '?', '#']) {
            return Err(InvalidHostName::MoreThanHost { text: shown() });
        }
        if !text.is_ascii() {
            return Err(InvalidHostName::NotAscii { text: shown() });
        }
        let name = text.to_ascii_lowercase();
        let mut labels = name.split('.');
        let last_is_number = name.rsplit('.').next().is_some_and(is_number);
        if last_is_number && name.contains('.') {
            // What browsers take for an address, like 127.1 or 1.0x7f.
            return Err(InvalidHostName::Address { text: shown() });
        }
        if labels.clone().count() < 2 || !labels.all(is_label) {
            return Err(InvalidHostName::Form { text: shown() });
        }
        Ok(Self(name.into()))
    }
}

fn is_label(label: &str) -> bool {
    (1..=LABEL_BYTES_MAX).contains(&label.len())
        && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        && !label.starts_with('-')
        && !label.ends_with('-')
}

fn is_number(label: &str) -> bool {
    let digits = label.strip_prefix("0x").unwrap_or(label);
    let is_hexadecimal = digits.len() < label.len() && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_hexadecimal || (!label.is_empty() && label.bytes().all(|byte| byte.is_ascii_digit()))
}

impl fmt::Display for HostName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for HostName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl Serialize for HostName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for HostName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_of_hosts() {
        let longest = format!("{}.{}.{}.{}", "a".repeat(63), "b".repeat(63), "c".repeat(63), "d".repeat(61));
        for (text, name) in [
            ("example.com", "example.com"),
            ("WWW.Example.COM", "www.example.com"),
            ("xn--bcher-kva.example", "xn--bcher-kva.example"),
            ("1.2.3.a4", "1.2.3.a4"),
            ("a-b.c", "a-b.c"),
            (&longest, &longest),
        ] {
            assert_eq!(text.parse::<HostName>().unwrap().as_str(), name);
        }
    }

    #[test]
    fn what_cannot_be_claimed() {
        let long = format!("{}.com", "a".repeat(250));
        for (text, message) in [
            ("*.example.com", "wildcards like `*.example.com` cannot be claimed: claim each host by its name"),
            ("127.0.0.1", "`127.0.0.1` is an address"),
            ("127.1", "`127.1` is an address"),
            ("a.0x7f", "`a.0x7f` is an address"),
            ("::1", "`::1` is an address"),
            ("[::1]:80", "`[::1]:80` is an address"),
            ("example.com:443", "`example.com:443` is more than the name of a host"),
            ("https://example.com", "`https://example.com` is more than the name of a host"),
            ("user@example.com", "`user@example.com` is more than the name of a host"),
            ("bücher.example", "`bücher.example` has letters that are not ASCII"),
            (&long, "the name of a host has at most 253 bytes, this one has 254"),
            ("", "`` is not the full name of a host"),
            ("localhost", "`localhost` is not the full name of a host"),
            ("example.com.", "`example.com.` is not the full name of a host"),
            (".example.com", "`.example.com` is not the full name of a host"),
            ("a..b", "`a..b` is not the full name of a host"),
            ("-a.example", "`-a.example` is not the full name of a host"),
            ("a-.example", "`a-.example` is not the full name of a host"),
            ("a_b.example", "`a_b.example` is not the full name of a host"),
            ("a b.example", "`a b.example` is not the full name of a host"),
            ("a\0b.example", "`a\0b.example` is not the full name of a host"),
        ] {
            let error = text.parse::<HostName>().unwrap_err().to_string();
            assert!(error.starts_with(message), "{text}: {error}");
        }
        let label = format!("{}.example", "a".repeat(64));
        assert!(matches!(label.parse::<HostName>(), Err(InvalidHostName::Form { .. })));
    }

    proptest! {
        #[test]
        fn every_text_has_an_answer(text in "\\PC{0,40}|[a-z0-9.:*-]{0,40}") {
            if let Ok(name) = text.parse::<HostName>() {
                prop_assert_eq!(name.as_str().parse::<HostName>().unwrap(), name.clone());
                prop_assert_eq!(name.as_str(), text.to_ascii_lowercase());
            }
        }
    }
}
