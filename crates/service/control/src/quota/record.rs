//! A quota as it is stored: a version byte, then JSON.

use bytes::Bytes;
use mu_db::keys::records as keys;
use mu_stack::StackId;

use super::{Quota, Subject};

const VERSION: u8 = 1;

pub(super) fn key(subject: &Subject) -> Bytes {
    match subject {
        Subject::Client(principal) => keys::client_quota(principal),
        Subject::Stack(stack) => keys::stack_quota(stack.key()),
    }
}

pub(super) fn subject(key: &[u8]) -> Option<Subject> {
    Some(match keys::parse_quota(key)? {
        Ok(principal) => Subject::Client(principal.into()),
        Err(stack) => Subject::Stack(StackId::new(stack)),
    })
}

pub(super) fn encode(quota: &Quota) -> Option<Bytes> {
    let mut record = vec![VERSION];
    serde_json::to_writer(&mut record, quota).ok()?;
    Some(record.into())
}

pub(super) fn decode(record: &[u8]) -> Option<Quota> {
    serde_json::from_slice(record.strip_prefix(&[VERSION])?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Changing this strands the quotas of every node: add a version instead.
    #[test]
    fn golden() {
        let all = Quota {
            invocations_per_second: Some(1),
            concurrent_invocations: Some(2),
            instructions_per_day: Some(u64::MAX),
            table_bytes: Some(4),
            box_bytes: Some(5),
            requests_per_second: Some(6),
        };
        let json = "{\"invocations_per_second\":1,\"concurrent_invocations\":2,\
            \"instructions_per_day\":18446744073709551615,\"table_bytes\":4,\"box_bytes\":5,\"requests_per_second\":6}";
        for (quota, expected) in [(all, json), (Quota::default(), "{}")] {
            let record = encode(&quota).unwrap();
            assert_eq!(record, format!("\u{1}{expected}"));
            assert_eq!(decode(&record), Some(quota));
        }
        for record in [&b""[..], b"\x02{}", b"\x01{\"surprise\":1}", b"\x01{\"box_bytes\":-1}"] {
            assert_eq!(decode(record), None);
        }
    }
}
