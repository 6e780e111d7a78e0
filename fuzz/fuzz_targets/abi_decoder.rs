//! What a function writes to its standard output.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mu_abi::{Decoded, Outgoing};

const LIMIT_BYTES: usize = 1024 * 1024;

fuzz_target!(|bytes: &[u8]| {
    match Outgoing::decode(bytes, LIMIT_BYTES) {
        Ok(Decoded::Complete { message, consumed_bytes }) => {
            let mut encoded = Vec::new();
            message.encode(&mut encoded);
            assert_eq!(encoded, bytes[..consumed_bytes], "a message has one encoding");
            for end in [0, 1, consumed_bytes / 2, consumed_bytes - 1] {
                let Ok(Decoded::Incomplete { at_least_bytes }) = Outgoing::decode(&bytes[..end], LIMIT_BYTES) else {
                    panic!("the start of a message is incomplete");
                };
                assert!(end < at_least_bytes && at_least_bytes <= consumed_bytes);
            }
        }
        Ok(Decoded::Incomplete { at_least_bytes }) => {
            assert!(bytes.len() < at_least_bytes && at_least_bytes <= LIMIT_BYTES);
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
});
