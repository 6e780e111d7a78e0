//! What is sent over a connection, and how it is told apart in HTTP.

use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderValue};

/// Text or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MessageKind {
    /// UTF-8.
    Text,
    /// Any bytes.
    Binary,
}

/// A message of a connection, in either direction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SocketMessage {
    kind: MessageKind,
    data: Bytes,
}

/// How a connection ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Closing {
    /// The status code of RFC 6455, 7.4. 1005 and 1006 are never sent: they say that there was none.
    pub code: u16,
    /// Why, for people; at most [`Closing::REASON_BYTES_MAX`] bytes.
    pub reason: String,
}

impl MessageKind {
    /// The content type under which functions see such a message.
    #[must_use]
    pub fn content_type(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Self::Text => "text/plain; charset=utf-8",
            Self::Binary => OCTET_STREAM,
        })
    }
}

const OCTET_STREAM: &str = "application/octet-stream";

impl SocketMessage {
    /// A message of bytes.
    #[must_use]
    pub fn binary(data: Bytes) -> Self {
        Self { kind: MessageKind::Binary, data }
    }

    /// A message of text; of bytes, when it is not UTF-8.
    #[must_use]
    pub fn text(data: Bytes) -> Self {
        let kind = if std::str::from_utf8(&data).is_ok() { MessageKind::Text } else { MessageKind::Binary };
        Self { kind, data }
    }

    /// The body of an HTTP message as one to send: its content type decides, and `usual` where it has none.
    #[must_use]
    pub fn from_http(headers: &HeaderMap, data: Bytes, usual: MessageKind) -> Self {
        let kind = match headers.get(header::CONTENT_TYPE) {
            None => usual,
            Some(value) => {
                let text = value.to_str().unwrap_or_default();
                let essence = text.split_once(';').map_or(text, |(essence, _)| essence).trim();
                if essence.eq_ignore_ascii_case(OCTET_STREAM) { MessageKind::Binary } else { MessageKind::Text }
            }
        };
        match kind {
            MessageKind::Text => Self::text(data),
            MessageKind::Binary => Self::binary(data),
        }
    }

    /// Text or not. Text is UTF-8.
    #[must_use]
    pub fn kind(&self) -> MessageKind {
        self.kind
    }

    /// What it says.
    #[must_use]
    pub fn data(&self) -> &Bytes {
        &self.data
    }
}

impl Closing {
    /// Longest reason: what a control frame holds beside the code.
    pub const REASON_BYTES_MAX: usize = 123;

    /// An end for a reason, which is cut where it is too long.
    #[must_use]
    pub fn new(code: u16, reason: impl Into<String>) -> Self {
        let mut reason = reason.into();
        reason.truncate(reason.floor_char_boundary(Self::REASON_BYTES_MAX));
        Self { code, reason }
    }

    /// Whether an application may send the code (RFC 6455, 7.4, and the registry it began).
    #[must_use]
    pub fn is_sendable(code: u16) -> bool {
        matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_content_type_says_what_a_message_is() {
        use MessageKind::{Binary, Text};
        for (content_type, data, usual, expected) in [
            (None, "hi", Text, Text),
            (None, "hi", Binary, Binary),
            (None, "\u{e9}", Text, Text),
            (Some("application/octet-stream"), "hi", Text, Binary),
            (Some("Application/Octet-Stream ; x=1"), "hi", Text, Binary),
            (Some("application/json"), "{}", Binary, Text),
            (Some("text/plain"), "", Binary, Text),
        ] {
            let headers = content_type.map(|value| (header::CONTENT_TYPE, HeaderValue::from_static(value)));
            let message = SocketMessage::from_http(&headers.into_iter().collect(), Bytes::from(data), usual);
            assert_eq!((message.kind(), &message.data()[..]), (expected, data.as_bytes()), "{content_type:?}");
        }
        let latin = SocketMessage::from_http(&HeaderMap::new(), Bytes::from_static(b"\xe9"), Text);
        assert_eq!(latin.kind(), Binary);
    }

    #[test]
    fn a_reason_is_cut_between_characters() {
        assert_eq!(Closing::new(1000, "é".repeat(100)).reason, "é".repeat(61));
        assert_eq!(Closing::new(1000, "fine").reason, "fine");
    }
}
