//! The id by which a client and a node speak of the same request.

use http::{HeaderMap, HeaderName, HeaderValue};
use mu_env::InvocationId;

/// The request's id: the client's own, or else that of the invocation. The function sees it and the client gets it
/// back.
pub(crate) static X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The invocation's id, under which a function's log and receipt are found.
pub(crate) static X_MU_INVOCATION_ID: HeaderName = HeaderName::from_static("x-mu-invocation-id");

/// Longest id that is taken over from a client, in bytes.
const REQUEST_ID_BYTES_MAX: usize = 128;

/// The id the client gave, when it is fit to be passed on and logged: visible ASCII, not too long, and only one.
pub(crate) fn client_request_id(headers: &HeaderMap) -> Option<&HeaderValue> {
    let mut values = headers.get_all(&X_REQUEST_ID).iter();
    let (value, None) = (values.next()?, values.next()) else { return None };
    let is_fit = (1..=REQUEST_ID_BYTES_MAX).contains(&value.len()) && value.as_bytes().iter().all(u8::is_ascii_graphic);
    is_fit.then_some(value)
}

/// An invocation's id as the value of a header.
pub(crate) fn id_value(id: InvocationId) -> HeaderValue {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = [0; 32];
    for (index, byte) in id.as_u128().to_be_bytes().into_iter().enumerate() {
        text[2 * index] = DIGITS[usize::from(byte >> 4)];
        text[2 * index + 1] = DIGITS[usize::from(byte & 15)];
    }
    HeaderValue::from_bytes(&text).expect("hexadecimal digits are fit for a header")
}

#[cfg(test)]
mod tests {
    use mu_env::{Env, Timestamp};

    use super::*;

    #[test]
    fn only_a_decent_id_is_taken_over() {
        let long = "x".repeat(129);
        for (values, expected) in [
            (vec![], None),
            (vec!["abc-123"], Some("abc-123")),
            (vec![&long[..128]], Some(&long[..128])),
            (vec![&long], None),
            (vec![""], None),
            (vec!["a b"], None),
            (vec!["é"], None),
            (vec!["a", "b"], None),
        ] {
            let mut headers = HeaderMap::new();
            for value in &values {
                headers.append(&X_REQUEST_ID, HeaderValue::from_bytes(value.as_bytes()).unwrap());
            }
            assert_eq!(client_request_id(&headers).map(|id| id.to_str().unwrap()), expected, "{values:?}");
        }
    }

    #[test]
    fn an_id_is_written_as_it_is_displayed() {
        let id = Env::simulated(3, Timestamp::from_micros(1 << 50)).new_invocation_id();
        assert_eq!(id_value(id), id.to_string());
    }
}
