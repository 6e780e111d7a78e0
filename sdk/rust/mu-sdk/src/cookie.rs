//! Cookies, read and set.

use std::fmt::Write;

use mu_abi::{Header, Request};

use crate::{error::Result, extract::FromRequest, percent};

/// Characters that a cookie's value may hold as they are, beside letters and digits (RFC 6265, without `%`).
const VALUE_CHARACTERS: &[u8] = b"!#$&'()*+-./:<=>?@[]^_`{|}~";

/// Characters that a cookie's name may hold as they are, beside letters and digits (tokens of RFC 9110, without `%`).
const NAME_CHARACTERS: &[u8] = b"!#$&'*+-.^_`|~";

/// The request's cookies.
///
/// Values are percent-decoded, as [`SetCookie`] encodes them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cookies(Vec<(String, String)>);

/// A cookie to set, as a header of the response.
///
/// ```
/// # use mu_sdk::{Response, SameSite, SetCookie, Status};
/// let cookie = SetCookie::new("session", "s3cr3t").path("/").max_age_seconds(3600).http_only().same_site(SameSite::Lax);
/// let response = ("welcome", vec![cookie.into()]);
/// # let response = mu_sdk::IntoResponse::into_response(response);
/// # assert_eq!(response.header("set-cookie"), Some("session=s3cr3t; Path=/; Max-Age=3600; HttpOnly; SameSite=Lax"));
/// ```
///
/// Characters that a cookie can't hold are percent-encoded in name and value, and left out of the path and the domain,
/// so that none of them can add an attribute.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "a cookie is set by the response that carries it"]
pub struct SetCookie {
    text: String,
}

/// With which requests from other sites a browser sends a cookie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SameSite {
    /// With none.
    Strict,
    /// When the user follows a link.
    Lax,
    /// With all; browsers then demand [`SetCookie::secure`].
    None,
}

// === impl Cookies ===

impl Cookies {
    /// The value of the first cookie with this name. Case matters.
    #[must_use]
    pub fn value(&self, name: &str) -> Option<&str> {
        self.iter().find(|(candidate, _)| *candidate == name).map(|(_, value)| value)
    }

    /// Names and values, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

impl FromRequest<'_> for Cookies {
    /// Reads all `Cookie` headers. What is not a pair is passed over: browsers send what any page has stored.
    fn from_request(request: &Request) -> Result<Self> {
        let headers = request.headers.iter().filter(|header| header.name.eq_ignore_ascii_case("cookie"));
        let pairs = headers.flat_map(|header| header.value.split(';')).filter_map(|pair| pair.split_once('='));
        Ok(Self(
            pairs
                .filter_map(|(name, value)| Some((percent::decode(name.trim())?, percent::decode(value.trim())?)))
                .collect(),
        ))
    }
}

// === impl SetCookie ===

impl SetCookie {
    /// A cookie of this name and value, for as long as the browser runs.
    pub fn new(name: &str, value: &str) -> Self {
        let mut text = String::new();
        percent::encode(name, NAME_CHARACTERS, &mut text);
        text.push('=');
        percent::encode(value, VALUE_CHARACTERS, &mut text);
        Self { text }
    }

    /// A cookie that takes the one of this name away.
    pub fn removal(name: &str) -> Self {
        Self::new(name, "").max_age_seconds(0)
    }

    /// Sent for paths beneath this one.
    pub fn path(self, path: &str) -> Self {
        self.attribute("Path", path)
    }

    /// Sent to this domain and those beneath it.
    pub fn domain(self, domain: &str) -> Self {
        self.attribute("Domain", domain)
    }

    /// Kept for so many seconds.
    pub fn max_age_seconds(mut self, seconds: u64) -> Self {
        write!(self.text, "; Max-Age={seconds}").expect("writing to a string does not fail");
        self
    }

    /// Sent over HTTPS only.
    pub fn secure(mut self) -> Self {
        self.text.push_str("; Secure");
        self
    }

    /// Kept from scripts.
    pub fn http_only(mut self) -> Self {
        self.text.push_str("; HttpOnly");
        self
    }

    /// Sent with requests from other sites as told.
    pub fn same_site(mut self, same_site: SameSite) -> Self {
        self.text.push_str(match same_site {
            SameSite::Strict => "; SameSite=Strict",
            SameSite::Lax => "; SameSite=Lax",
            SameSite::None => "; SameSite=None",
        });
        self
    }

    fn attribute(mut self, name: &str, value: &str) -> Self {
        self.text.push_str("; ");
        self.text.push_str(name);
        self.text.push('=');
        self.text.extend(value.chars().filter(|&character| character != ';' && !character.is_control()));
        self
    }
}

impl From<SetCookie> for Header {
    fn from(cookie: SetCookie) -> Self {
        Self::new("set-cookie", cookie.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cookies_of_all_headers_are_read() {
        let request = Request::default()
            .with_header("Cookie", "a=1; b=x%20y;c = 3 ; junk; d=")
            .with_header("cookie", "a=2; base64=QQ==");
        let cookies = Cookies::from_request(&request).expect("cookies are never refused");
        let pairs: Vec<_> = cookies.iter().collect();
        assert_eq!(pairs, [("a", "1"), ("b", "x y"), ("c", "3"), ("d", ""), ("a", "2"), ("base64", "QQ==")]);
        assert_eq!((cookies.value("a"), cookies.value("A")), (Some("1"), None));
    }

    #[test]
    fn no_value_adds_an_attribute() {
        let cookie = SetCookie::new("a;b", "1; Secure\r\nx: y").path("/;x\n").domain("d").secure().http_only();
        let header = Header::from(cookie);
        assert_eq!(header.value, "a%3Bb=1%3B%20Secure%0D%0Ax:%20y; Path=/x; Domain=d; Secure; HttpOnly");
        assert_eq!(Header::from(SetCookie::removal("a")).value, "a=; Max-Age=0");
    }

    #[test]
    fn a_cookie_is_read_as_it_was_set() {
        let value = "50% \"off\", Zoë;";
        let header = Header::from(SetCookie::new("offer", value));
        let request = Request::default().with_header("cookie", header.value);
        let cookies = Cookies::from_request(&request).expect("cookies are never refused");
        assert_eq!(cookies.value("offer"), Some(value));
    }
}
