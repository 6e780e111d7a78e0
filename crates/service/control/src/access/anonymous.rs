//! Requests without credentials.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use http::HeaderName;
use http::header::ORIGIN;
use http::uri::Authority;
use serde::{Deserialize, Serialize};
use serde_json::Map;

use super::policy::{Restriction, Subject};
use super::{
    AccessError, Authenticated, How, NodeRights, NodeRole, Principal, RequestHead, Role, TokenScope, TokenStacks,
};

/// What a request without credentials may do. Anything but nothing is for a node that only its own machine reaches.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AnonymousAccess {
    /// Nothing.
    #[default]
    None,
    /// Read every stack.
    Viewer,
    /// Everything.
    Operator,
}

/// Requests without credentials would come from other machines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`access.anonymous` lets everybody in who reaches {listens_on}: let the management API listen on a loopback address, \
     or set it to `none`"
)]
pub struct NotOnLoopback {
    /// Where the management API listens.
    pub listens_on: IpAddr,
}

/// How a browser says from where a page sends a request.
const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

impl AnonymousAccess {
    /// Whether this may be, on a node whose management API listens on this address.
    ///
    /// # Errors
    /// [`NotOnLoopback`]
    pub fn check(self, listens_on: IpAddr) -> Result<(), NotOnLoopback> {
        match self {
            Self::None => Ok(()),
            Self::Viewer | Self::Operator if listens_on.to_canonical().is_loopback() => Ok(()),
            Self::Viewer | Self::Operator => Err(NotOnLoopback { listens_on }),
        }
    }

    /// Who sends requests without credentials. One who may only read is an operator by a token to read.
    pub(super) fn subject(self) -> Subject {
        let read_all = TokenScope { stacks: TokenStacks::All, role: Role::Viewer, node: NodeRights::Withheld };
        let (node, restriction) = match self {
            Self::None => return Subject::nobody(),
            Self::Viewer => (NodeRole::Operator, Restriction::Scope(read_all)),
            Self::Operator => (NodeRole::Operator, Restriction::None),
        };
        Subject { principal: Principal::Anonymous, node: Some(node), restriction }
    }

    /// Lets a request without credentials in, if no web page of somebody else can have sent it: a browser on this
    /// machine reaches loopback addresses too, also under names that others have given them.
    pub(super) fn admit(self, head: &RequestHead<'_>) -> Result<Authenticated, AccessError> {
        if self != Self::None {
            check_origin(head).map_err(|problem| AccessError::Anonymous { problem })?;
        }
        Ok(Authenticated { subject: self.subject(), how: How::Anonymous, body: None, claims: Map::new() })
    }
}

fn check_origin(head: &RequestHead<'_>) -> Result<(), &'static str> {
    if head.has(&ORIGIN) {
        return Err("must not come from a web page (it has an `origin` header): send a token");
    }
    let same_site = ["none", "same-origin"];
    if head.has(&SEC_FETCH_SITE) && !head.text(&SEC_FETCH_SITE).is_some_and(|site| same_site.contains(&site)) {
        return Err("must not come from a web page of somebody else (by its `sec-fetch-site` header): send a token");
    }
    let loopback = "must be for a loopback address or `localhost`: use such a URL, or send a token";
    let authority = head.authority().ok_or(loopback)?;
    if is_loopback(authority) { Ok(()) } else { Err(loopback) }
}

fn is_loopback(authority: &str) -> bool {
    let Ok(authority) = Authority::from_str(authority) else { return false };
    if authority.as_str().contains('@') {
        return false;
    }
    let host = authority.host();
    let v6 = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    match v6 {
        Some(v6) => v6.parse::<Ipv6Addr>().is_ok_and(|address| address.is_loopback()),
        None => {
            host.eq_ignore_ascii_case("localhost")
                || host.parse::<Ipv4Addr>().is_ok_and(|address| address.is_loopback())
        }
    }
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn admitted(anonymous: AnonymousAccess, headers: &[(&str, &str)]) -> Result<Authenticated, AccessError> {
        let mut request = Request::builder().uri("/v1/stacks");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let (parts, ()) = request.body(()).unwrap().into_parts();
        anonymous.admit(&RequestHead::from(&parts))
    }

    #[test]
    fn pages_of_others_are_not_let_in() {
        for (headers, expected) in [
            (&[("host", "localhost:12000")][..], true),
            (&[("host", "LOCALHOST")], true),
            (&[("host", "127.0.0.1:12000")], true),
            (&[("host", "127.8.7.6")], true),
            (&[("host", "[::1]:12000")], true),
            (&[("host", "localhost"), ("sec-fetch-site", "same-origin")], true),
            (&[("host", "localhost"), ("sec-fetch-site", "none")], true),
            (&[("host", "localhost"), ("sec-fetch-site", "cross-site")], false),
            (&[("host", "localhost"), ("sec-fetch-site", "same-site")], false),
            (&[("host", "localhost"), ("sec-fetch-site", "none"), ("sec-fetch-site", "none")], false),
            (&[("host", "localhost"), ("origin", "http://localhost")], false),
            (&[("host", "localhost"), ("origin", "null")], false),
            (&[], false),
            (&[("host", "")], false),
            (&[("host", "localhost"), ("host", "localhost")], false),
            (&[("host", "mu.example")], false),
            (&[("host", "localhost.mu.example")], false),
            (&[("host", "127.0.0.1.mu.example")], false),
            (&[("host", "mu@localhost")], false),
            (&[("host", "10.0.0.1")], false),
            (&[("host", "0.0.0.0")], false),
            (&[("host", "2130706433")], false),
            (&[("host", "[::]")], false),
            (&[("host", "[::2]:12000")], false),
        ] {
            assert_eq!(admitted(AnonymousAccess::Operator, headers).is_ok(), expected, "{headers:?}");
            assert_eq!(admitted(AnonymousAccess::Viewer, headers).is_ok(), expected, "{headers:?}");
            // Nobody may do nothing, wherever they come from.
            assert_eq!(admitted(AnonymousAccess::None, headers).unwrap().subject, Subject::nobody());
        }
    }

    #[test]
    fn strangers_are_let_in_on_loopback_alone() {
        for (address, is_loopback) in [
            ("127.0.0.1", true),
            ("::1", true),
            ("::ffff:127.0.0.1", true),
            ("0.0.0.0", false),
            ("::", false),
            ("10.0.0.1", false),
        ] {
            let address: IpAddr = address.parse().unwrap();
            for anonymous in [AnonymousAccess::Viewer, AnonymousAccess::Operator] {
                assert_eq!(anonymous.check(address).is_ok(), is_loopback, "{address}");
            }
            assert!(AnonymousAccess::None.check(address).is_ok());
        }
    }
}
