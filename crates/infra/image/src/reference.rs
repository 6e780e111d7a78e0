//! What people call an image, and what is meant by it.

use std::fmt;
use std::net::Ipv6Addr;
use std::str::FromStr;

use crate::{Digest, ImageError};

/// The registry of names without one.
pub(crate) const DOCKER_HUB: &str = "docker.io";
const DEFAULT_TAG: &str = "latest";
const REFERENCE_LEN_MAX: usize = 512;
const REPOSITORY_LEN_MAX: usize = 255;
const TAG_LEN_MAX: usize = 128;

/// The name of an image in a registry: `registry:5000/me/hello:0.0.1@sha256:...`.
///
/// Short names are those of Docker Hub: `busybox` is `docker.io/library/busybox:latest`. It is shown in full. When there is
/// a digest, it says which image is meant, and the tag is for people.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct ImageRef {
    registry: String,
    repository: String,
    tag: Option<String>,
    digest: Option<Digest>,
}

impl ImageRef {
    /// The host of the registry, with its port if one was given.
    #[must_use]
    pub fn registry(&self) -> &str {
        &self.registry
    }

    /// The path of the image in its registry.
    #[must_use]
    pub fn repository(&self) -> &str {
        &self.repository
    }

    /// The tag. There is one, or a digest, or both.
    #[must_use]
    pub fn tag(&self) -> Option<&str> {
        self.tag.as_deref()
    }

    /// The digest, if the reference says exactly which image is meant.
    #[must_use]
    pub fn digest(&self) -> Option<&Digest> {
        self.digest.as_ref()
    }

    /// The same name, meaning exactly the image with this digest.
    #[must_use]
    pub fn with_digest(&self, digest: Digest) -> Self {
        Self { digest: Some(digest), ..self.clone() }
    }

    /// What the registry is asked for: the digest, else the tag.
    pub(crate) fn wanted(&self) -> &str {
        self.digest.as_ref().map(Digest::as_str).or(self.tag.as_deref()).unwrap_or(DEFAULT_TAG)
    }
}

impl FromStr for ImageRef {
    type Err = ImageError;

    fn from_str(text: &str) -> Result<Self, ImageError> {
        parse(text).map_err(|reason| ImageError::Reference { text: text.chars().take(80).collect(), reason })
    }
}

impl fmt::Display for ImageRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.registry, self.repository)?;
        if let Some(tag) = &self.tag {
            write!(f, ":{tag}")?;
        }
        if let Some(digest) = &self.digest {
            write!(f, "@{digest}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for ImageRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

fn parse(text: &str) -> Result<ImageRef, String> {
    if text.len() > REFERENCE_LEN_MAX {
        return Err(format!("it is longer than {REFERENCE_LEN_MAX} bytes"));
    }
    let (name, digest) = match text.split_once('@') {
        Some((name, digest)) => (name, Some(digest.parse::<Digest>().map_err(|error| error.to_string())?)),
        None => (text, None),
    };
    let path_at = name.rfind('/').map_or(0, |slash| slash + 1);
    let (name, tag) = match name[path_at..].rfind(':') {
        Some(colon) => (&name[..path_at + colon], Some(&name[path_at + colon + 1..])),
        None => (name, None),
    };
    let (registry, repository) = match name.split_once('/') {
        Some((host, path)) if is_host(host) => (normal_registry(host), path.to_owned()),
        _ => (DOCKER_HUB.to_owned(), name.to_owned()),
    };
    let is_short = registry == DOCKER_HUB && !repository.contains('/');
    let repository = if is_short { format!("library/{repository}") } else { repository };
    check_registry(&registry)?;
    check_repository(&repository)?;
    let tag = tag.or((digest.is_none()).then_some(DEFAULT_TAG)).map(str::to_owned);
    tag.as_deref().map_or(Ok(()), check_tag)?;
    Ok(ImageRef { registry, repository, tag, digest })
}

/// Whether the first part of a name is a host and not the first part of a path at Docker Hub.
fn is_host(part: &str) -> bool {
    part == "localhost" || part.contains(['.', ':']) || part.bytes().any(|byte| byte.is_ascii_uppercase())
}

/// One name for each registry: hosts are written in small letters, and Docker Hub has several names.
pub(crate) fn normal_registry(host: &str) -> String {
    let host = host.to_ascii_lowercase();
    match host.as_str() {
        "index.docker.io" | "registry-1.docker.io" => DOCKER_HUB.to_owned(),
        _ => host,
    }
}

fn check_registry(registry: &str) -> Result<(), String> {
    let (host, port) = match registry.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (registry, None),
    };
    let is_address = || {
        host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).is_some_and(|ip| ip.parse::<Ipv6Addr>().is_ok())
    };
    let is_label = |label: &str| {
        let inside = label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        !label.is_empty() && inside && !label.starts_with('-') && !label.ends_with('-')
    };
    if !host.split('.').all(is_label) && !is_address() {
        return Err(format!("`{host}` is not the name of a host"));
    }
    match port {
        Some(port) if port.parse::<u16>().is_err() || port.starts_with(['0', '+']) => {
            Err(format!("`{port}` is not a port"))
        }
        _ => Ok(()),
    }
}

fn check_repository(repository: &str) -> Result<(), String> {
    if repository.len() > REPOSITORY_LEN_MAX {
        return Err(format!("its name is longer than {REPOSITORY_LEN_MAX} bytes"));
    }
    match repository.split('/').find(|part| !is_path_part(part)) {
        Some("") => Err("a part of its name is empty".to_owned()),
        Some(part) => {
            Err(format!("`{part}` may consist of small letters and digits, with `.`, `_`, `__` or dashes between them"))
        }
        None => Ok(()),
    }
}

fn is_path_part(part: &str) -> bool {
    let is_word = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let separators =
        part.split(|char: char| char.is_ascii() && is_word(char as u8)).filter(|between| !between.is_empty());
    let bytes = part.as_bytes();
    bytes.first().is_some_and(|byte| is_word(*byte))
        && bytes.last().is_some_and(|byte| is_word(*byte))
        && separators
            .into_iter()
            .all(|between| matches!(between, "." | "_" | "__") || between.bytes().all(|byte| byte == b'-'))
}

fn check_tag(tag: &str) -> Result<(), String> {
    let is_inside = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-');
    let valid =
        tag.len() <= TAG_LEN_MAX && !tag.is_empty() && !tag.starts_with(['.', '-']) && tag.bytes().all(is_inside);
    if valid {
        Ok(())
    } else {
        Err(format!("`{tag}` is not a tag: up to {TAG_LEN_MAX} letters, digits, `_`, `.` and `-`"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HASH: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[test]
    fn references_are_read_as_people_write_them() {
        for (text, expected) in [
            ("busybox", "docker.io/library/busybox:latest"),
            ("busybox:1.36", "docker.io/library/busybox:1.36"),
            ("me/hello", "docker.io/me/hello:latest"),
            ("docker.io/busybox", "docker.io/library/busybox:latest"),
            ("index.docker.io/me/hello:1", "docker.io/me/hello:1"),
            ("localhost/hello", "localhost/hello:latest"),
            ("localhost:5000/me/hello:0.0.1", "localhost:5000/me/hello:0.0.1"),
            ("Registry.Example.com/a/b__c/d--e", "registry.example.com/a/b__c/d--e:latest"),
            ("127.0.0.1:5000/a", "127.0.0.1:5000/a:latest"),
            ("[::1]:5000/a:b", "[::1]:5000/a:b"),
            ("[::1]/a", "[::1]/a:latest"),
            (&format!("a@{HASH}"), &format!("docker.io/library/a@{HASH}")),
            (&format!("r.io:1/a:2@{HASH}"), &format!("r.io:1/a:2@{HASH}")),
        ] {
            let reference: ImageRef = text.parse().unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!(reference.to_string(), expected, "{text}");
            let again: ImageRef = expected.parse().unwrap();
            assert_eq!(again, reference, "the canonical form means the same");
        }
    }

    #[test]
    fn what_is_no_reference_is_refused_with_a_reason() {
        let long = "a".repeat(256);
        for (text, reason) in [
            ("", "a part of its name is empty"),
            ("a/", "a part of its name is empty"),
            ("a//b", "a part of its name is empty"),
            ("Hello", "`Hello` may consist of small letters"),
            ("me/hello!", "`hello!` may consist"),
            ("me/../etc", "`..` may consist"),
            ("a/.././b", "`..` may consist"),
            ("a/-b", "`-b` may consist"),
            ("a/b_", "`b_` may consist"),
            ("a/b._c", "`b._c` may consist"),
            ("a/b___c", "`b___c` may consist"),
            ("a b", "`a b` may consist"),
            ("a/ü", "`ü` may consist"),
            ("a:", "`` is not a tag"),
            ("a:-b", "`-b` is not a tag"),
            ("a:b?c", "`b?c` is not a tag"),
            ("r.io:x/a", "`x` is not a port"),
            ("r.io:70000/a", "`70000` is not a port"),
            ("r..io/a", "`r..io` is not the name of a host"),
            ("user@r.io/a", "is not a SHA-256 digest"),
            ("[::g]/a", "is not the name of a host"),
            ("a@sha256:12", "is not a SHA-256 digest"),
            (&long, "longer than 255"),
        ] {
            let error = text.parse::<ImageRef>().expect_err(text).to_string();
            assert!(error.contains(reason), "{text}: {error}");
        }
    }

    #[test]
    fn a_digest_says_what_is_meant() {
        let tagged: ImageRef = "r.io/a:1".parse().unwrap();
        assert_eq!(tagged.wanted(), "1");
        let exact = tagged.with_digest(HASH.parse().unwrap());
        assert_eq!((exact.wanted(), exact.tag()), (HASH, Some("1")));
    }
}
