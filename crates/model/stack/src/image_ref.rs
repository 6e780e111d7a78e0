//! References to images of containers.

use std::fmt;
use std::str::FromStr;

/// Longest reference without its tag and digest, in bytes.
const NAME_BYTES_MAX: usize = 255;
/// Longest tag, in bytes.
const TAG_BYTES_MAX: usize = 128;
/// Shortest digest, in hexadecimal digits.
const DIGEST_DIGITS_MIN: usize = 32;
/// Longest digest, in hexadecimal digits: SHA-512.
const DIGEST_DIGITS_MAX: usize = 128;

/// An image as registries name it: `[host[:port]/]path[:tag][@digest]`.
///
/// Whether there is such an image is not known before somebody fetches it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ImageRef(String);

/// A text cannot be the name of an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an image is named `[host[:port]/]path[:tag][@digest]`, its path in lower case")]
pub struct InvalidImage;

impl ImageRef {
    /// As it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// With its registry, which is Docker Hub where none is named: builders of images differ in what they take then.
    #[must_use]
    pub fn with_registry(&self) -> Self {
        match self.0.split_once('/') {
            Some((host, _)) if is_registry(host) => self.clone(),
            Some(_) => Self(format!("docker.io/{}", self.0)),
            None => Self(format!("docker.io/library/{}", self.0)),
        }
    }

    /// Whether it says by its hash which image it is, so that it always leads to the same.
    #[must_use]
    pub fn has_digest(&self) -> bool {
        self.0.contains('@')
    }
}

impl FromStr for ImageRef {
    type Err = InvalidImage;

    fn from_str(text: &str) -> Result<Self, InvalidImage> {
        let (rest, digest) = text.split_once('@').map_or((text, None), |(rest, digest)| (rest, Some(digest)));
        // A colon before the last slash is that of a port.
        let (name, tag) = match rest.rsplit_once(':') {
            Some((name, tag)) if !tag.contains('/') => (name, Some(tag)),
            _ => (rest, None),
        };
        let is_fine = is_name(name) && tag.is_none_or(is_tag) && digest.is_none_or(is_digest);
        if is_fine { Ok(Self(text.to_owned())) } else { Err(InvalidImage) }
    }
}

impl fmt::Display for ImageRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

fn is_name(name: &str) -> bool {
    let path = match name.split_once('/') {
        Some((host, path)) if is_registry(host) => {
            if !is_host(host) {
                return false;
            }
            path
        }
        _ => name,
    };
    name.len() <= NAME_BYTES_MAX && path.split('/').all(is_component)
}

/// Whether what stands before the first slash is a registry, and not the beginning of a path.
fn is_registry(host: &str) -> bool {
    host.contains(['.', ':']) || host == "localhost"
}

fn is_host(host: &str) -> bool {
    let (host, port) = host.split_once(':').map_or((host, None), |(host, port)| (host, Some(port)));
    let is_label = |label: &str| {
        let is_inside = label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        !label.is_empty() && is_inside && !label.starts_with('-') && !label.ends_with('-')
    };
    host.split('.').all(is_label) && port.is_none_or(|port| port.parse::<u16>().is_ok_and(|port| port > 0))
}

/// Lower-case letters and digits, with `.`, `_`, `__` or dashes between them.
fn is_component(component: &str) -> bool {
    let is_word = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let ends_are_words = component.bytes().next().is_some_and(is_word) && component.bytes().last().is_some_and(is_word);
    let between = component.split(|character: char| character.is_ascii_lowercase() || character.is_ascii_digit());
    let is_separator = |text: &str| matches!(text, "" | "." | "_" | "__") || text.bytes().all(|byte| byte == b'-');
    ends_are_words && between.into_iter().all(is_separator)
}

fn is_tag(tag: &str) -> bool {
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    tag.len() <= TAG_BYTES_MAX
        && tag.bytes().next().is_some_and(is_word)
        && tag.bytes().all(|byte| is_word(byte) || matches!(byte, b'.' | b'-'))
}

fn is_digest(digest: &str) -> bool {
    let Some((algorithm, digits)) = digest.split_once(':') else { return false };
    algorithm.bytes().next().is_some_and(|byte| byte.is_ascii_alphabetic())
        && algorithm.len() <= TAG_BYTES_MAX
        && algorithm.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'.' | b'_' | b'-'))
        && (DIGEST_DIGITS_MIN..=DIGEST_DIGITS_MAX).contains(&digits.len())
        && digits.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_without_a_registry_are_on_docker_hub() {
        for (short, long) in [
            ("python:3.11", "docker.io/library/python:3.11"),
            ("fnproject/python", "docker.io/fnproject/python"),
            ("localhost/a", "localhost/a"),
            ("localhost:5000/a/b:1", "localhost:5000/a/b:1"),
            ("ghcr.io/a", "ghcr.io/a"),
        ] {
            assert_eq!(short.parse::<ImageRef>().unwrap().with_registry().as_str(), long);
        }
    }

    #[test]
    fn images_have_names() {
        let digest = format!("a@sha256:{}", "0a".repeat(32));
        for good in [
            "hello",
            "hello:0.0.1",
            "fnproject/hello",
            "docker.io/me/a__b-c.d:V_1-x",
            "localhost:5000/hello",
            "localhost/hello",
            "registry.example:443/a/b/c:latest",
            &digest,
            &format!("a:1{}", &digest[1..]),
            &"x".repeat(255),
        ] {
            assert_eq!(good.parse::<ImageRef>().map(|image| image.to_string()).as_deref(), Ok(good), "{good}");
        }
        for bad in [
            "",
            "Hello",
            "a b",
            "a:",
            "a:b:c",
            "a/",
            "/a",
            "a//b",
            "a..b",
            "a___b",
            "-a",
            "a-",
            "é",
            "host:0/a",
            "host:99999/a",
            "-x.example/a",
            "a@sha256:00",
            "a@sha256",
            &digest.to_uppercase(),
            &"x".repeat(256),
            &format!("a:{}", "x".repeat(129)),
        ] {
            assert_eq!(bad.parse::<ImageRef>(), Err(InvalidImage), "{bad}");
        }
    }
}
