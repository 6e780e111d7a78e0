//! One question to a node.

use std::borrow::Cow;
use std::time::Duration;

use http::header::{ACCEPT, CONTENT_TYPE};
use http::{HeaderName, HeaderValue, Method};
use mu_env::Env;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Serialize;
use url::form_urlencoded;

use super::retry::Repeat;

/// How long an answer may take, unless the call says otherwise.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long the node may be silent in a stream of events: it says something every 15 s.
const SILENCE_MAX: Duration = Duration::from_secs(60);

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// What stands in a path as it is.
const KEPT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b':');

/// One question: a method, a path and what is sent with it.
#[derive(Debug)]
pub(crate) struct Call<'a> {
    pub(super) method: Method,
    pub(super) path: String,
    pub(super) headers: Vec<(HeaderName, HeaderValue)>,
    pub(super) content: Content<'a>,
    pub(super) repeat: Repeat,
    pub(super) patience: Patience,
}

/// What is sent.
#[derive(Debug)]
pub(super) enum Content<'a> {
    None,
    Bytes(Cow<'a, [u8]>),
}

/// How long an answer may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Patience {
    /// From the question to the answer's last byte.
    Whole(Duration),
    /// From one part of the answer to the next.
    Pauses(Duration),
}

/// A path of the API: these segments below `/v1`.
pub(crate) fn path(segments: &[&str]) -> String {
    let segments = segments.iter().map(|segment| utf8_percent_encode(segment, KEPT).to_string());
    format!("/v1/{}", segments.collect::<Vec<_>>().join("/"))
}

impl<'a> Call<'a> {
    /// A question that changes nothing.
    pub(crate) fn get(path: impl Into<String>) -> Self {
        Self::without_content(Method::GET, path)
    }

    /// An order, with a key by which the node knows it when it comes again.
    pub(crate) fn order<T: Serialize + ?Sized>(method: Method, path: impl Into<String>, content: &T) -> Self {
        let content = serde_json::to_vec(content).expect("what is sent has text for keys");
        let mut call =
            Self::without_content(method, path).header(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        call.content = Content::Bytes(Cow::Owned(content));
        call.with_key()
    }

    pub(crate) fn delete(path: impl Into<String>) -> Self {
        Self::without_content(Method::DELETE, path).with_key()
    }

    /// Bytes, sent as they are.
    pub(crate) fn bytes(method: Method, path: impl Into<String>, content: &'a [u8]) -> Self {
        Self { content: Content::Bytes(Cow::Borrowed(content)), ..Self::without_content(method, path) }
    }

    /// A question for a stream of events.
    pub(crate) fn events(path: impl Into<String>) -> Self {
        let call = Self::get(path).header(ACCEPT, HeaderValue::from_static("text/event-stream"));
        Self { patience: Patience::Pauses(SILENCE_MAX), ..call }
    }

    fn without_content(method: Method, path: impl Into<String>) -> Self {
        let (headers, content) = (Vec::new(), Content::None);
        let patience = Patience::Whole(PATIENCE);
        Self { method, path: path.into(), headers, content, repeat: Repeat::MayBe, patience }
    }

    fn with_key(self) -> Self {
        let key = Env::system().new_invocation_id().to_string();
        self.header(IDEMPOTENCY_KEY, HeaderValue::from_str(&key).expect("an id is ASCII"))
    }

    pub(crate) fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    /// With these parameters of the query; those without a value are left out.
    pub(crate) fn query(mut self, parameters: &[(&str, Option<&str>)]) -> Self {
        let given = parameters.iter().filter_map(|(name, value)| value.map(|value| (*name, value)));
        let mut written = form_urlencoded::Serializer::new(String::new());
        let written = written.extend_pairs(given).finish();
        if !written.is_empty() {
            self.path.push(if self.path.contains('?') { '&' } else { '?' });
            self.path.push_str(&written);
        }
        self
    }

    /// What is asked, in a line.
    #[cfg(test)]
    pub(crate) fn line(&self) -> String {
        format!("{} {}", self.method, self.path)
    }

    /// Without a key: asked again, it is to be done again.
    pub(crate) fn without_key(mut self) -> Self {
        self.headers.retain(|(name, _)| *name != IDEMPOTENCY_KEY);
        self
    }

    /// Never asked again once the node may have got it, and without a key: its answer is a secret or a function's.
    pub(crate) fn once(self) -> Self {
        Self { repeat: Repeat::Never, ..self.without_key() }
    }

    /// Asked again when the node is busy, and not when the connection breaks: the caller knows better what to do then.
    pub(crate) fn lost_at_once(self) -> Self {
        Self { repeat: Repeat::IfRefused, ..self }
    }

    pub(crate) fn patience(self, limit: Duration) -> Self {
        Self { patience: Patience::Whole(limit), ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_stands_in_a_path_stays_one_segment() {
        for (segments, expected) in [
            (&["stacks", "shop"][..], "/v1/stacks/shop"),
            (&["members", "oidc:corp:me@a/b?c"], "/v1/members/oidc:corp:me%40a%2Fb%3Fc"),
            (&["stacks", "a b", "grants"], "/v1/stacks/a%20b/grants"),
        ] {
            assert_eq!(path(segments), expected);
        }
    }

    #[test]
    fn a_query_has_what_was_given() {
        let call =
            Call::get("/v1/stacks").query(&[("prefix", Some("a&b")), ("cursor", None)]).query(&[("limit", Some("5"))]);
        assert_eq!(call.path, "/v1/stacks?prefix=a%26b&limit=5");
    }

    #[test]
    fn orders_have_keys_and_calls_that_are_made_once_have_none() {
        let order = Call::order(Method::POST, "/v1/stacks", &serde_json::json!({}));
        assert!(order.headers.iter().any(|(name, _)| *name == IDEMPOTENCY_KEY));
        assert!(!order.once().headers.iter().any(|(name, _)| *name == IDEMPOTENCY_KEY));
    }
}
