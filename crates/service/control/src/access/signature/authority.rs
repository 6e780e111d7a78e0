//! Who a request is meant for.

use std::collections::BTreeSet;

/// The names by which clients reach this node.
///
/// A signature covers the authority, so that one made for a node is worth nothing at another. That holds only where
/// nodes know their names: with [`Authorities::any`], whoever receives a signed request can send it on to another node
/// that accepts any.
#[derive(Clone, Debug)]
pub struct Authorities(Option<BTreeSet<String>>);

impl Authorities {
    /// Every name.
    #[must_use]
    pub fn any() -> Self {
        Self(None)
    }

    /// These names and no others, each `host` or `host:port`.
    pub fn only<Name: AsRef<str>>(names: impl IntoIterator<Item = Name>) -> Self {
        Self(Some(names.into_iter().map(|name| normalised(name.as_ref())).collect()))
    }

    /// Whether a request for this authority, in its normalised form, is for this node.
    pub(super) fn accept(&self, normalised: &str) -> bool {
        self.0.as_ref().is_none_or(|names| names.contains(normalised))
    }
}

/// The authority as it is signed. Which of the two ports is the default depends on the scheme, which a server behind a
/// proxy does not know; so both are left out.
pub(super) fn normalised(authority: &str) -> String {
    let authority = authority.to_ascii_lowercase();
    let host = [":80", ":443"].iter().find_map(|port| authority.strip_suffix(port));
    // What ends like a port inside of brackets is part of an address.
    match host {
        Some(host) if !host.starts_with('[') || host.ends_with(']') => host.to_owned(),
        _ => authority,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn authorities_are_compared_without_case_and_default_port() {
        for (authority, expected) in [
            ("Mu.Example", "mu.example"),
            ("mu.example:443", "mu.example"),
            ("mu.example:80", "mu.example"),
            ("mu.example:12000", "mu.example:12000"),
            ("mu.example:1443", "mu.example:1443"),
            ("[::1]:443", "[::1]"),
            ("[::1:443", "[::1:443"),
            ("[FE80::80]", "[fe80::80]"),
        ] {
            assert_eq!(normalised(authority), expected);
        }
    }

    #[test]
    fn a_node_knows_its_names() {
        let names = Authorities::only(["Mu.Example:443", "127.0.0.1:12000"]);
        for (authority, accepted) in [("mu.example", true), ("127.0.0.1:12000", true), ("127.0.0.1", false)] {
            assert_eq!(names.accept(authority), accepted, "{authority}");
            assert!(Authorities::any().accept(authority));
        }
    }
}
