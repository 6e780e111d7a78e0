//! What an untrusted peer may send: parts of messages, several at once, lies about sizes, junk.

use mu_abi::{DecodeError, Decoded, Incoming, Outgoing};
use proptest::{collection::vec, prelude::*};

use crate::strategies;

const LIMIT_BYTES: usize = 4096;

/// One test for both directions, which share no type.
macro_rules! holds_for {
    ($($test:ident: $message:ident from $strategy:expr;)+) => {$(
        proptest! {
            #[test]
            fn $test(message in $strategy, trailing in vec(any::<u8>(), 0..8)) {
                let mut buffer = Vec::new();
                message.encode(&mut buffer);
                let length = buffer.len();

                // A part of a message asks for more than it is, and never for more than there will be.
                for end in 0..length {
                    match $message::decode(&buffer[..end], LIMIT_BYTES) {
                        Ok(Decoded::Incomplete { at_least_bytes }) => {
                            prop_assert!(end < at_least_bytes && at_least_bytes <= length, "{at_least_bytes} at {end}");
                        }
                        other => prop_assert!(false, "{other:?} at {end} of {length}"),
                    }
                }

                // The limit is the last byte allowed, and is told before the rest has arrived.
                for limit_bytes in 0..length {
                    let decoded = $message::decode(&buffer, limit_bytes);
                    prop_assert!(matches!(decoded, Err(DecodeError::TooLarge { .. })), "{decoded:?}");
                }

                // What follows a message is left alone.
                buffer.extend_from_slice(&trailing);
                let complete = Decoded::Complete { message, consumed_bytes: length };
                prop_assert_eq!($message::decode(&buffer, length), Ok(complete));
            }
        }
    )+};
}

holds_for! {
    incoming_messages_are_read_back: Incoming from strategies::incoming();
    outgoing_messages_are_read_back: Outgoing from strategies::outgoing();
}

/// A code that exists, or any.
fn code() -> impl Strategy<Value = u16> {
    prop_oneof![1_u16..4, 1001_u16..1014, 2001_u16..2005, Just(3001_u16), any::<u16>()]
}

/// Bytes that often look like short counts and tags.
fn junk() -> impl Strategy<Value = Vec<u8>> {
    vec(prop_oneof![4 => Just(0_u8), 4 => 0_u8..5, 1 => any::<u8>()], 0..200)
}

proptest! {
    #[test]
    fn junk_is_refused_or_read_and_never_panics(code in code(), junk in junk()) {
        let mut buffer = code.to_le_bytes().to_vec();
        buffer.extend_from_slice(&junk);
        if let Ok(Decoded::Complete { message, consumed_bytes }) = Outgoing::decode(&buffer, LIMIT_BYTES) {
            prop_assert!(consumed_bytes <= buffer.len());
            let mut again = Vec::new();
            message.encode(&mut again);
            prop_assert_eq!(&again, &buffer[..consumed_bytes], "only one form of a message without maps is accepted");
        }
        if let Ok(Decoded::Complete { consumed_bytes, .. }) = Incoming::decode(&buffer, LIMIT_BYTES) {
            prop_assert!(consumed_bytes <= buffer.len());
        }
    }
}

#[test]
fn errors_say_what_is_wrong_and_where() {
    let cases: [(&[u8], &str); 9] = [
        (&[4, 0], "unknown outgoing message code: 4"),
        (&[0xff, 0xff], "unknown outgoing message code: 65535"),
        (&[1, 0, 0xff, 0xff, 0xff, 0xff], "message of at least 4294967301 bytes is over the limit of 4096 bytes"),
        (&[1, 0, 2, 0, 0, 0, 0xc3, 0x28], "invalid message: text is not UTF-8 at byte 6"),
        (&[3, 0, 0, 0, 0, 0, 5], "invalid message: the log level is unknown at byte 6"),
        (&[0xb9, 0x0b, 7], "invalid message: the HTTP method is unknown at byte 2"),
        (&[0xeb, 3, 0, 0, 0, 0, 0, 0, 0, 0, 2], "invalid message: a boolean is neither 0 nor 1 at byte 10"),
        (
            &[0xf5, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9],
            "invalid message: the tag of an optional value is neither 0 nor 1 at byte 14",
        ),
        // A list of 2^32 - 1 pairs of at least 8 bytes is refused by its count alone.
        (&[0xf1, 3, 0xff, 0xff, 0xff, 0xff], "message of at least 34359738366 bytes is over the limit of 4096 bytes"),
    ];
    for (buffer, expected) in cases {
        let error = Outgoing::decode(buffer, LIMIT_BYTES).expect_err(expected);
        assert_eq!(error.to_string(), expected);
    }
    let error = Incoming::decode(&[2, 0], LIMIT_BYTES).expect_err("no such message");
    assert_eq!(error.to_string(), "unknown incoming message code: 2");
}

#[test]
fn a_known_length_makes_the_hint_exact() {
    let mut buffer = Vec::new();
    Outgoing::FatalError("x".repeat(1000)).encode(&mut buffer);
    for (arrived, expected) in [(0, 2), (1, 2), (2, 6), (5, 6), (6, 1006), (1005, 1006)] {
        let decoded = Outgoing::decode(&buffer[..arrived], LIMIT_BYTES);
        assert_eq!(decoded, Ok(Decoded::Incomplete { at_least_bytes: expected }), "of {arrived}");
    }
}
