//! Tokens for usage.

use core::fmt;

use crate::usage::Usage;
use crate::wide::Wide;

/// What a provider asks, in base units of the token, for the amount that each name says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rates {
    /// For 10^12 megabyte-instructions, a megabyte being 1 000 000 bytes.
    pub function_mb_tera_instructions: u64,
    /// For 1024^3 bytes kept in muDB for 30 days.
    pub db_gigabyte_months: u64,
    /// For 10^6 keys read from muDB.
    pub million_db_reads: u64,
    /// For 10^6 keys written to muDB.
    pub million_db_writes: u64,
    /// For 10^6 requests to gateways.
    pub million_gateway_requests: u64,
    /// For 1024^3 bytes of requests and responses.
    pub gigabytes_gateway_traffic: u64,
}

/// What a computation left over: numerators of fractions of a token, whose denominators are in [`divisor`].
///
/// They stay right when rates change: what they hold was consumed under the old ones.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Remainders {
    /// Left over by [`Rates::function_mb_tera_instructions`].
    pub function: u64,
    /// Left over by [`Rates::db_gigabyte_months`].
    pub db_size: u64,
    /// Left over by [`Rates::million_db_reads`].
    pub db_reads: u64,
    /// Left over by [`Rates::million_db_writes`].
    pub db_writes: u64,
    /// Left over by [`Rates::million_gateway_requests`].
    pub gateway_requests: u64,
    /// Left over by [`Rates::gigabytes_gateway_traffic`].
    pub gateway_traffic: u64,
}

/// How many of the counter's units each rate is for; all below 2^63.
pub mod divisor {
    /// Byte-instructions in 10^12 megabyte-instructions.
    pub const FUNCTION: u64 = 1_000_000 * 1_000_000_000_000;
    /// Byte-seconds in a gigabyte-month.
    pub const DB_SIZE: u64 = 1024 * 1024 * 1024 * 60 * 60 * 24 * 30;
    /// Keys in a million.
    pub const DB_READS: u64 = 1_000_000;
    /// Keys in a million.
    pub const DB_WRITES: u64 = 1_000_000;
    /// Requests in a million.
    pub const GATEWAY_REQUESTS: u64 = 1_000_000;
    /// Bytes in a gigabyte.
    pub const GATEWAY_TRAFFIC: u64 = 1024 * 1024 * 1024;
}

/// The price of some usage.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Priced {
    /// Whole base units of the token.
    pub tokens: u64,
    /// What is left for the next computation.
    pub remainders: Remainders,
}

/// The price doesn't fit into 64 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Overflow;

impl fmt::Display for Overflow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the price of this usage is more than 2^64 - 1 base units of the token")
    }
}

impl core::error::Error for Overflow {}

/// The price of `usage` at `rates`, on top of what an earlier computation left over.
///
/// Exact: however usage is split, the tokens of its parts and the last remainders add up to the same. What mu Storage
/// counts has no rate yet.
pub fn price(rates: &Rates, usage: &Usage, before: &Remainders) -> Result<Priced, Overflow> {
    let mut tokens = 0_u64;
    let mut term = |rate: u64, count: u128, before: u64, divisor: u64| {
        let numerator = Wide::product(rate, count).checked_add(before).ok_or(Overflow)?;
        let (quotient, remainder) = numerator.divide(divisor);
        let sum = quotient.to_u64().and_then(|quotient| tokens.checked_add(quotient));
        tokens = sum.ok_or(Overflow)?;
        Ok(remainder)
    };
    let (reads, writes) = (u128::from(usage.db_reads), u128::from(usage.db_writes));
    let (requests, traffic) = (u128::from(usage.gateway_requests), u128::from(usage.gateway_traffic_bytes));
    let remainders = Remainders {
        function: term(
            rates.function_mb_tera_instructions,
            usage.byte_instructions,
            before.function,
            divisor::FUNCTION,
        )?,
        db_size: term(rates.db_gigabyte_months, usage.db_byte_seconds, before.db_size, divisor::DB_SIZE)?,
        db_reads: term(rates.million_db_reads, reads, before.db_reads, divisor::DB_READS)?,
        db_writes: term(rates.million_db_writes, writes, before.db_writes, divisor::DB_WRITES)?,
        gateway_requests: term(
            rates.million_gateway_requests,
            requests,
            before.gateway_requests,
            divisor::GATEWAY_REQUESTS,
        )?,
        gateway_traffic: term(
            rates.gigabytes_gateway_traffic,
            traffic,
            before.gateway_traffic,
            divisor::GATEWAY_TRAFFIC,
        )?,
    };
    Ok(Priced { tokens, remainders })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const RATES: Rates = Rates {
        function_mb_tera_instructions: 7,
        db_gigabyte_months: 11,
        million_db_reads: 13,
        million_db_writes: 17,
        million_gateway_requests: 19,
        gigabytes_gateway_traffic: 23,
    };

    #[test]
    fn the_amount_that_a_rate_is_for_costs_the_rate() {
        for (usage, tokens) in [
            (Usage { byte_instructions: 10_u128.pow(18), ..Usage::default() }, 7),
            (Usage { db_byte_seconds: 1024 * 1024 * 1024 * 2_592_000, ..Usage::default() }, 11),
            (Usage { db_reads: 1_000_000, ..Usage::default() }, 13),
            (Usage { db_writes: 1_000_000, ..Usage::default() }, 17),
            (Usage { gateway_requests: 1_000_000, ..Usage::default() }, 19),
            (Usage { gateway_traffic_bytes: 1 << 30, ..Usage::default() }, 23),
        ] {
            let expected = Priced { tokens, remainders: Remainders::default() };
            assert_eq!(price(&RATES, &usage, &Remainders::default()), Ok(expected));
        }
    }

    /// Defect 11 of the first version: each small usage was rounded down to nothing, and large ones overflowed.
    #[test]
    fn defect_11_small_usages_add_up_and_large_ones_do_not_overflow() {
        let one_read = Usage { db_reads: 1, ..Usage::default() };
        let mut tokens = 0;
        let mut remainders = Remainders::default();
        for _ in 0..1_000_000 {
            let priced = price(&RATES, &one_read, &remainders).expect("small");
            tokens += priced.tokens;
            remainders = priced.remainders;
        }
        assert_eq!((tokens, remainders), (13, Remainders::default()));

        let many_reads = Usage { db_reads: u64::MAX, ..Usage::default() };
        let dear = Rates { million_db_reads: 1_000_000, ..Rates::default() };
        assert_eq!(price(&dear, &many_reads, &Remainders::default()).map(|priced| priced.tokens), Ok(u64::MAX));
    }

    #[test]
    fn a_price_beyond_64_bits_is_an_error() {
        let dearest = Rates { million_db_reads: u64::MAX, million_db_writes: u64::MAX, ..Rates::default() };
        let reads = Usage { db_reads: 1_000_001, ..Usage::default() };
        assert_eq!(price(&dearest, &reads, &Remainders::default()), Err(Overflow));
        let both = Usage { db_reads: 1_000_000, db_writes: 1_000_000, ..Usage::default() };
        assert_eq!(price(&dearest, &both, &Remainders::default()), Err(Overflow));
        let most = Rates { function_mb_tera_instructions: u64::MAX, ..Rates::default() };
        let memory = Usage { byte_instructions: u128::MAX, ..Usage::default() };
        let full = Remainders { function: u64::MAX, ..Remainders::default() };
        assert_eq!(price(&most, &memory, &full), Err(Overflow));
    }

    fn rates() -> impl Strategy<Value = Rates> {
        any::<[u32; 6]>().prop_map(|rates| {
            let [function, size, reads, writes, requests, traffic] = rates.map(u64::from);
            Rates {
                function_mb_tera_instructions: function,
                db_gigabyte_months: size,
                million_db_reads: reads,
                million_db_writes: writes,
                million_gateway_requests: requests,
                gigabytes_gateway_traffic: traffic,
            }
        })
    }

    fn usage() -> impl Strategy<Value = Usage> {
        (any::<[u64; 2]>(), any::<[u32; 4]>()).prop_map(|([execution, size], [reads, writes, requests, traffic])| {
            Usage {
                byte_instructions: execution.into(),
                db_byte_seconds: size.into(),
                db_reads: reads.into(),
                db_writes: writes.into(),
                gateway_requests: requests.into(),
                gateway_traffic_bytes: traffic.into(),
                ..Usage::default()
            }
        })
    }

    /// Quotients and remainders by the machine's own 128-bit arithmetic.
    fn reference(rates: &Rates, usage: &Usage) -> Priced {
        let term = |rate: u64, count: u128, divisor: u64| {
            let product = u128::from(rate) * count;
            let parts = (product / u128::from(divisor), product % u128::from(divisor));
            (u64::try_from(parts.0).expect("small"), u64::try_from(parts.1).expect("below the divisor"))
        };
        let terms = [
            term(rates.function_mb_tera_instructions, usage.byte_instructions, divisor::FUNCTION),
            term(rates.db_gigabyte_months, usage.db_byte_seconds, divisor::DB_SIZE),
            term(rates.million_db_reads, usage.db_reads.into(), divisor::DB_READS),
            term(rates.million_db_writes, usage.db_writes.into(), divisor::DB_WRITES),
            term(rates.million_gateway_requests, usage.gateway_requests.into(), divisor::GATEWAY_REQUESTS),
            term(rates.gigabytes_gateway_traffic, usage.gateway_traffic_bytes.into(), divisor::GATEWAY_TRAFFIC),
        ];
        let [function, db_size, db_reads, db_writes, gateway_requests, gateway_traffic] = terms.map(|(_, left)| left);
        Priced {
            tokens: terms.iter().map(|(tokens, _)| tokens).sum(),
            remainders: Remainders { function, db_size, db_reads, db_writes, gateway_requests, gateway_traffic },
        }
    }

    proptest! {
        #[test]
        fn prices_agree_with_the_machine(rates in rates(), usage in usage()) {
            prop_assert_eq!(price(&rates, &usage, &Remainders::default()), Ok(reference(&rates, &usage)));
        }

        #[test]
        fn however_usage_is_split_its_price_is_the_same(
            rates in rates(), parts in proptest::collection::vec(usage(), 1..20),
        ) {
            let mut whole = Usage::default();
            let mut split = Priced::default();
            for part in &parts {
                whole = whole.checked_add(part).expect("small");
                let priced = price(&rates, part, &split.remainders).expect("small");
                split = Priced { tokens: split.tokens + priced.tokens, remainders: priced.remainders };
            }
            prop_assert_eq!(price(&rates, &whole, &Remainders::default()), Ok(split));
        }
    }
}
