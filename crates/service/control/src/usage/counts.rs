//! Counters, as they are added up and stored.

use mu_pricing::Usage;

use super::codec::{put, take, take_u64};

const VERSION: u8 = 1;

/// What was counted: of one invocation, of a function, of a stack, of a day. Counters that cannot hold their sum stay
/// at their maximum.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Invocations that were admitted.
    pub invocations: u64,
    /// Those among them that ended without a response.
    pub failures: u64,
    /// Invocations refused because there was no room.
    pub rejections: u64,
    /// What was used. Byte-instructions are exact.
    pub usage: Usage,
    /// The most linear memory that one invocation had, in bytes.
    pub memory_bytes_max: u64,
}

impl Counts {
    /// Both together.
    #[must_use]
    pub fn plus(&self, other: &Self) -> Self {
        Self {
            invocations: self.invocations.saturating_add(other.invocations),
            failures: self.failures.saturating_add(other.failures),
            rejections: self.rejections.saturating_add(other.rejections),
            usage: self.usage.saturating_add(&other.usage),
            memory_bytes_max: self.memory_bytes_max.max(other.memory_bytes_max),
        }
    }

    /// The stored form: a version, then the counters in a fixed order.
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut bytes = vec![VERSION];
        self.put(&mut bytes);
        bytes
    }

    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let mut rest = bytes.strip_prefix(&[VERSION])?;
        let counts = Self::take(&mut rest)?;
        rest.is_empty().then_some(counts)
    }

    pub(super) fn put(&self, into: &mut Vec<u8>) {
        let Usage {
            byte_instructions,
            instructions,
            db_reads,
            db_writes,
            db_byte_seconds,
            storage_reads,
            storage_writes,
            storage_read_bytes,
            storage_written_bytes,
            storage_byte_seconds,
            gateway_requests,
            gateway_traffic_bytes,
        } = self.usage;
        for number in [self.invocations, self.failures, self.rejections, self.memory_bytes_max, instructions] {
            put(into, number.into());
        }
        for number in [byte_instructions, db_byte_seconds, storage_byte_seconds] {
            put(into, number);
        }
        for number in [
            db_reads,
            db_writes,
            storage_reads,
            storage_writes,
            storage_read_bytes,
            storage_written_bytes,
            gateway_requests,
            gateway_traffic_bytes,
        ] {
            put(into, number.into());
        }
    }

    /// Takes counters off the front, in the order of `put`.
    pub(super) fn take(from: &mut &[u8]) -> Option<Self> {
        let invocations = take_u64(from)?;
        let failures = take_u64(from)?;
        let rejections = take_u64(from)?;
        let memory_bytes_max = take_u64(from)?;
        let usage = Usage {
            instructions: take_u64(from)?,
            byte_instructions: take(from)?,
            db_byte_seconds: take(from)?,
            storage_byte_seconds: take(from)?,
            db_reads: take_u64(from)?,
            db_writes: take_u64(from)?,
            storage_reads: take_u64(from)?,
            storage_writes: take_u64(from)?,
            storage_read_bytes: take_u64(from)?,
            storage_written_bytes: take_u64(from)?,
            gateway_requests: take_u64(from)?,
            gateway_traffic_bytes: take_u64(from)?,
        };
        Some(Self { invocations, failures, rejections, usage, memory_bytes_max })
    }
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Every counter different, so that none is stored in the place of another.
    pub(in crate::usage) fn sample() -> Counts {
        Counts {
            invocations: 1,
            failures: 2,
            rejections: 3,
            usage: Usage {
                byte_instructions: 1 << 100,
                instructions: 4,
                db_reads: 5,
                db_writes: 6,
                db_byte_seconds: 7,
                storage_reads: 8,
                storage_writes: 9,
                storage_read_bytes: 10,
                storage_written_bytes: 11,
                storage_byte_seconds: 12,
                gateway_requests: 13,
                gateway_traffic_bytes: 300,
            },
            memory_bytes_max: 14,
        }
    }

    /// Changing this strands the counters of every node: add a version instead.
    #[test]
    fn golden() {
        let hex: String = sample().encode().iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, "01010203 0e 04 808080808080808080808080808004 07 0c 0506 08090a0b 0d ac02".replace(' ', ""));
        assert_eq!(Counts::default().encode(), [[1].as_slice(), &[0; 16]].concat());
    }

    #[test]
    fn only_whole_records_of_this_version_are_read() {
        let bytes = sample().encode();
        assert_eq!(Counts::decode(&bytes), Some(sample()));
        for end in 0..bytes.len() {
            assert_eq!(Counts::decode(&bytes[..end]), None, "cut at {end}");
        }
        assert_eq!(Counts::decode(&[&bytes[..], &[0]].concat()), None, "longer");
        assert_eq!(Counts::decode(&[&[2], &bytes[1..]].concat()), None, "another version");
    }

    fn counts() -> impl Strategy<Value = Counts> {
        (any::<[u64; 13]>(), any::<[u128; 3]>()).prop_map(|(small, large)| {
            let [a, b, c, d, e, f, g, h, i, j, k, l, m] = small;
            let usage = Usage {
                byte_instructions: large[0],
                instructions: e,
                db_reads: f,
                db_writes: g,
                db_byte_seconds: large[1],
                storage_reads: h,
                storage_writes: i,
                storage_read_bytes: j,
                storage_written_bytes: k,
                storage_byte_seconds: large[2],
                gateway_requests: l,
                gateway_traffic_bytes: m,
            };
            Counts { invocations: a, failures: b, rejections: c, usage, memory_bytes_max: d }
        })
    }

    proptest! {
        #[test]
        fn counts_survive(counts in counts()) {
            prop_assert_eq!(Counts::decode(&counts.encode()), Some(counts));
        }
    }
}
