//! Keys of who may do what, and of the record of what was done.
//!
//! A principal is its text. Times are big-endian, so that rows sort by them.
//!
//! | concern | key | value |
//! |---|---|---|
//! | `30` grant | `30 01` stack (32 bytes), principal (last part) | version, JSON |
//! | `31` node member | `31 01` principal (last part) | version, JSON |
//! | `32` token | `32 01` token id (16 bytes) | version, JSON |
//! | `33` token by its hash | `33 01` SHA-256 of the token (32 bytes) | version, token id |
//! | `34` used nonce | `34 01` valid until (8 bytes, seconds), client (32 bytes), nonce (last part) | version |
//! | `35` token by its maker | `35 01` principal, token id (16 bytes) | version |
//! | `36` stack by who has a grant on it | `36 01` principal, stack (32 bytes) | as the grant |
//! | `37` audit record by its stack | `37 01` stack (32 bytes), time (8 bytes, microseconds), salt (8 bytes) | version |
//! | `38` audit record | `38 01` time (8 bytes, microseconds), salt (8 bytes) | version, JSON |
//! | `39` bootstrap token | `39 01` | version, SHA-256 of the token |

use bytes::{BufMut, Bytes, BytesMut};

use super::put_part;
use crate::{KeyRange, StackId};

const GRANT: [u8; 2] = [0x30, 1];
const MEMBER: [u8; 2] = [0x31, 1];
const TOKEN: [u8; 2] = [0x32, 1];
const TOKEN_BY_HASH: [u8; 2] = [0x33, 1];
const NONCE: [u8; 2] = [0x34, 1];
const TOKEN_BY_MAKER: [u8; 2] = [0x35, 1];
const STACK_BY_PRINCIPAL: [u8; 2] = [0x36, 1];
const AUDIT_BY_STACK: [u8; 2] = [0x37, 1];
const AUDIT: [u8; 2] = [0x38, 1];
const BOOTSTRAP: [u8; 2] = [0x39, 1];

/// The 16 bytes of a token's id.
pub type TokenIdBytes = [u8; 16];
/// When an audit record was made, in microseconds since 1970, and what tells it from others of the same moment.
pub type AuditKey = (u64, [u8; 8]);

/// What a principal may do on a stack. With an empty principal, what all grants of the stack begin with.
#[must_use]
pub fn grant(stack: &StackId, principal: &str) -> Bytes {
    key(GRANT, &[stack, principal.as_bytes()])
}

/// The principal in the key of a grant on this stack.
#[must_use]
pub fn parse_grant<'a>(stack: &StackId, key: &'a [u8]) -> Option<&'a str> {
    text(key.strip_prefix(&GRANT)?.strip_prefix(stack)?)
}

/// What a principal is on this node. With an empty principal, what the keys of all members begin with.
#[must_use]
pub fn member(principal: &str) -> Bytes {
    key(MEMBER, &[principal.as_bytes()])
}

/// The principal in the key of a member.
#[must_use]
pub fn parse_member(key: &[u8]) -> Option<&str> {
    text(key.strip_prefix(&MEMBER)?)
}

/// A token.
#[must_use]
pub fn token(id: &TokenIdBytes) -> Bytes {
    key(TOKEN, &[id])
}

/// What the keys of all tokens begin with.
#[must_use]
pub fn tokens() -> Bytes {
    key(TOKEN, &[])
}

/// The id in the key of a token.
#[must_use]
pub fn parse_token(key: &[u8]) -> Option<TokenIdBytes> {
    key.strip_prefix(&TOKEN)?.try_into().ok()
}

/// Where the id of the token with this SHA-256 is.
#[must_use]
pub fn token_by_hash(hash: &[u8; 32]) -> Bytes {
    key(TOKEN_BY_HASH, &[hash])
}

/// The mark that a nonce of a client was used, in a signature that is refused as too old after `until_secs`.
#[must_use]
pub fn nonce(until_secs: u64, client: &[u8; 32], nonce: &str) -> Bytes {
    key(NONCE, &[&until_secs.to_be_bytes(), client, nonce.as_bytes()])
}

/// The marks of all nonces whose signatures were too old before `now_secs`.
#[must_use]
pub fn nonces_before(now_secs: u64) -> KeyRange {
    KeyRange::new(key(NONCE, &[]), key(NONCE, &[&now_secs.to_be_bytes()]))
}

/// The entry of a token in the list of those that a principal has made.
#[must_use]
pub fn token_by_maker(principal: &str, id: &TokenIdBytes) -> Bytes {
    let mut key = BytesMut::from(&tokens_by_maker(principal)[..]);
    key.put_slice(id);
    key.freeze()
}

/// What the entries of all tokens of a principal begin with.
#[must_use]
pub fn tokens_by_maker(principal: &str) -> Bytes {
    key_of_part(TOKEN_BY_MAKER, principal)
}

/// The id of a token in an entry of this principal's list.
#[must_use]
pub fn parse_token_by_maker(principal: &str, key: &[u8]) -> Option<TokenIdBytes> {
    key.strip_prefix(&tokens_by_maker(principal)[..])?.try_into().ok()
}

/// The entry of a stack in the list of those that a principal has a grant on.
#[must_use]
pub fn stack_by_principal(principal: &str, stack: &StackId) -> Bytes {
    let mut key = BytesMut::from(&stacks_by_principal(principal)[..]);
    key.put_slice(stack);
    key.freeze()
}

/// What the entries of all stacks that a principal has a grant on begin with.
#[must_use]
pub fn stacks_by_principal(principal: &str) -> Bytes {
    key_of_part(STACK_BY_PRINCIPAL, principal)
}

/// The stack in an entry of this principal's list.
#[must_use]
pub fn parse_stack_by_principal(principal: &str, key: &[u8]) -> Option<StackId> {
    key.strip_prefix(&stacks_by_principal(principal)[..])?.try_into().ok()
}

/// An audit record.
#[must_use]
pub fn audit((at_micros, salt): &AuditKey) -> Bytes {
    key(AUDIT, &[&at_micros.to_be_bytes(), salt])
}

/// The audit records from one time (included) up to another (excluded), in microseconds since 1970.
#[must_use]
pub fn audits(from_micros: u64, until_micros: u64) -> KeyRange {
    KeyRange::new(key(AUDIT, &[&from_micros.to_be_bytes()]), key(AUDIT, &[&until_micros.to_be_bytes()]))
}

/// What the key of an audit record says.
#[must_use]
pub fn parse_audit(key: &[u8]) -> Option<AuditKey> {
    audit_key(key.strip_prefix(&AUDIT)?)
}

/// The entry of an audit record in the list of those about one stack.
#[must_use]
pub fn audit_by_stack(stack: &StackId, (at_micros, salt): &AuditKey) -> Bytes {
    key(AUDIT_BY_STACK, &[stack, &at_micros.to_be_bytes(), salt])
}

/// The entries about one stack from one time (included) up to another (excluded), in microseconds since 1970.
#[must_use]
pub fn audits_by_stack(stack: &StackId, from_micros: u64, until_micros: u64) -> KeyRange {
    let at = |micros: u64| key(AUDIT_BY_STACK, &[stack, &micros.to_be_bytes()]);
    KeyRange::new(at(from_micros), at(until_micros))
}

/// Which audit record an entry of this stack's list stands for.
#[must_use]
pub fn parse_audit_by_stack(stack: &StackId, key: &[u8]) -> Option<AuditKey> {
    audit_key(key.strip_prefix(&AUDIT_BY_STACK)?.strip_prefix(stack)?)
}

/// Where the hash of the bootstrap token is.
#[must_use]
pub fn bootstrap() -> Bytes {
    key(BOOTSTRAP, &[])
}

/// A key of parts that have a fixed length, except for the last one.
fn key(concern: [u8; 2], parts: &[&[u8]]) -> Bytes {
    [&[&concern[..]], parts].concat().concat().into()
}

fn key_of_part(concern: [u8; 2], part: &str) -> Bytes {
    let mut key = BytesMut::from(&concern[..]);
    put_part(&mut key, part.as_bytes());
    key.freeze()
}

fn text(bytes: &[u8]) -> Option<&str> {
    std::str::from_utf8(bytes).ok()
}

fn audit_key(bytes: &[u8]) -> Option<AuditKey> {
    let (at, salt) = bytes.split_first_chunk()?;
    Some((u64::from_be_bytes(*at), salt.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const STACK: StackId = [0xab; 32];
    const ID: TokenIdBytes = [0x07; 16];
    const SALT: [u8; 8] = [0x05; 8];

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// Changing one of these strands the data of every node: add a version instead.
    #[test]
    fn golden() {
        let (stack, id, salt) = (hex(&STACK), hex(&ID), hex(&SALT));
        for (key, expected) in [
            (grant(&STACK, "k_a"), format!("3001{stack}6b5f61")),
            (member("k_a"), "31016b5f61".to_owned()),
            (token(&ID), format!("3201{id}")),
            (tokens(), "3201".to_owned()),
            (token_by_hash(&[0xcd; 32]), format!("3301{}", "cd".repeat(32))),
            (nonce(258, &[0xee; 32], "n1"), format!("34010000000000000102{}6e31", "ee".repeat(32))),
            (token_by_maker("k_a", &ID), format!("35016b5f610001{id}")),
            (stack_by_principal("k\0a", &STACK), format!("36016b00ff610001{stack}")),
            (audit_by_stack(&STACK, &(258, SALT)), format!("3701{stack}0000000000000102{salt}")),
            (audit(&(258, SALT)), format!("38010000000000000102{salt}")),
            (bootstrap(), "3901".to_owned()),
        ] {
            assert_eq!(hex(&key), expected);
        }
    }

    #[test]
    fn ranges_end_before_their_end() {
        let within = |range: &KeyRange, key: &Bytes| range.start() <= key && range.end().is_none_or(|end| key < end);
        for (at, inside) in [(9, false), (10, true), (19, true), (20, false)] {
            assert_eq!(within(&audits(10, 20), &audit(&(at, SALT))), inside, "{at}");
            assert_eq!(within(&audits_by_stack(&STACK, 10, 20), &audit_by_stack(&STACK, &(at, SALT))), inside, "{at}");
        }
        assert!(!within(&audits_by_stack(&STACK, 10, 20), &audit_by_stack(&[0xac; 32], &(15, SALT))));
        for (until, inside) in [(0, true), (99, true), (100, false), (101, false)] {
            assert_eq!(within(&nonces_before(100), &nonce(until, &[0xff; 32], "z")), inside, "{until}");
        }
    }

    proptest! {
        #[test]
        fn keys_survive(principal in "[a-c\0:]{1,6}", other in "[a-c\0:]{1,6}", at in any::<u64>(), salt in any::<[u8; 8]>()) {
            let (granted, member) = (grant(&STACK, &principal), member(&principal));
            prop_assert_eq!(parse_grant(&STACK, &granted), Some(&principal[..]));
            prop_assert_eq!(parse_member(&member), Some(&principal[..]));
            prop_assert_eq!(parse_token(&token(&ID)), Some(ID));
            let same = principal == other;
            let (entry, stack) = (token_by_maker(&principal, &ID), stack_by_principal(&principal, &STACK));
            prop_assert_eq!(parse_token_by_maker(&other, &entry), same.then_some(ID));
            prop_assert_eq!(parse_stack_by_principal(&other, &stack), same.then_some(STACK));
            prop_assert_eq!(parse_audit(&audit(&(at, salt))), Some((at, salt)));
            prop_assert_eq!(parse_audit_by_stack(&STACK, &audit_by_stack(&STACK, &(at, salt))), Some((at, salt)));
        }

        #[test]
        fn audit_records_sort_by_time(a in (any::<u64>(), any::<[u8; 8]>()), b in (any::<u64>(), any::<[u8; 8]>())) {
            prop_assert_eq!(audit(&a).cmp(&audit(&b)), a.cmp(&b));
        }
    }
}
