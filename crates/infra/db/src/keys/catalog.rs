//! Keys of the catalog: stacks, their versions, artifacts and routing, and the hosts they are reached at.

use bytes::{BufMut, Bytes, BytesMut};

use super::put_part;
use crate::StackId;

const STACK: [u8; 2] = [0x20, 1];
const VERSION: [u8; 2] = [0x21, 1];
const STACK_NAME: [u8; 2] = [0x22, 1];
const ARTIFACT: [u8; 2] = [0x23, 1];
const ROUTING: [u8; 2] = [0x24, 1];
const IDEMPOTENCY: [u8; 2] = [0x25, 1];
const ROUTING_CHANGE: [u8; 2] = [0x27, 1];
const UPLOAD: [u8; 2] = [0x28, 1];
const DOMAIN: [u8; 2] = [0x44, 1];

const VERSION_HEAD: u8 = 0;
const VERSION_STACK: u8 = 1;
const VERSION_MANIFEST: u8 = 2;

const ARTIFACT_USE: u8 = 1;
const ARTIFACT_UPLOADER: u8 = 2;

const DOMAIN_HOST: u8 = 0;
const DOMAIN_CLAIM: u8 = 1;
const DOMAIN_COUNT: u8 = 2;

/// The BLAKE3 hash of an artifact's bytes.
pub type Hash = [u8; 32];

/// What a row of concern `23` is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ArtifactRow {
    /// The artifact itself.
    Artifact,
    /// A version of a stack that uses it.
    Use {
        /// The stack.
        stack: StackId,
        /// The number of the version.
        version: u64,
    },
    /// Someone who uploaded it: the text form of a principal.
    Uploader(String),
}

/// A stack.
#[must_use]
pub fn stack(stack: &StackId) -> Bytes {
    key(STACK, &[stack])
}

/// The name of a stack. With a prefix of it, what all matching names begin with.
#[must_use]
pub fn stack_name(name_or_prefix: &str) -> Bytes {
    key(STACK_NAME, &[name_or_prefix.as_bytes()])
}

/// The name in the key of [`stack_name`].
#[must_use]
pub fn parse_stack_name(key: &[u8]) -> Option<String> {
    String::from_utf8(key.strip_prefix(&STACK_NAME)?.to_vec()).ok()
}

/// What is listed of a version.
#[must_use]
pub fn version(stack: &StackId, number: u64) -> Bytes {
    key(VERSION, &[stack, &[VERSION_HEAD], &number.to_be_bytes()])
}

/// What the keys of [`version`] of one stack begin with.
#[must_use]
pub fn versions(stack: &StackId) -> Bytes {
    key(VERSION, &[stack, &[VERSION_HEAD]])
}

/// The number in the key of [`version`].
#[must_use]
pub fn parse_version(stack: &StackId, key: &[u8]) -> Option<u64> {
    let number = key.strip_prefix(&VERSION)?.strip_prefix(stack)?.strip_prefix(&[VERSION_HEAD])?;
    Some(u64::from_be_bytes(number.try_into().ok()?))
}

/// The stack of a version, in its written form.
#[must_use]
pub fn version_stack(stack: &StackId, number: u64) -> Bytes {
    key(VERSION, &[stack, &[VERSION_STACK], &number.to_be_bytes()])
}

/// The manifest that a version was made from.
#[must_use]
pub fn version_manifest(stack: &StackId, number: u64) -> Bytes {
    key(VERSION, &[stack, &[VERSION_MANIFEST], &number.to_be_bytes()])
}

/// An artifact; also what the keys of its uses and uploaders begin with.
#[must_use]
pub fn artifact(hash: &Hash) -> Bytes {
    key(ARTIFACT, &[hash])
}

/// What the keys of all artifacts, their uses and uploaders begin with.
#[must_use]
pub fn artifacts() -> Bytes {
    key(ARTIFACT, &[])
}

/// That a version uses an artifact.
#[must_use]
pub fn artifact_use(hash: &Hash, stack: &StackId, version: u64) -> Bytes {
    key(ARTIFACT, &[hash, &[ARTIFACT_USE], stack, &version.to_be_bytes()])
}

/// What the keys of [`artifact_use`] by one stack begin with.
#[must_use]
pub fn artifact_uses_of_stack(hash: &Hash, stack: &StackId) -> Bytes {
    key(ARTIFACT, &[hash, &[ARTIFACT_USE], stack])
}

/// What the keys of [`artifact_use`] of one artifact begin with.
#[must_use]
pub fn artifact_uses(hash: &Hash) -> Bytes {
    key(ARTIFACT, &[hash, &[ARTIFACT_USE]])
}

/// That a principal uploaded an artifact.
#[must_use]
pub fn artifact_uploader(hash: &Hash, principal: &str) -> Bytes {
    key(ARTIFACT, &[hash, &[ARTIFACT_UPLOADER], principal.as_bytes()])
}

/// The artifact, and what the row says about it, in a key of concern `23`.
#[must_use]
pub fn parse_artifact(key: &[u8]) -> Option<(Hash, ArtifactRow)> {
    let (hash, rest) = key.strip_prefix(&ARTIFACT)?.split_first_chunk::<32>()?;
    let row = match rest.split_first() {
        None => ArtifactRow::Artifact,
        Some((&ARTIFACT_USE, used)) => {
            let (stack, version) = used.split_first_chunk::<32>()?;
            ArtifactRow::Use { stack: *stack, version: u64::from_be_bytes(version.try_into().ok()?) }
        }
        Some((&ARTIFACT_UPLOADER, principal)) => ArtifactRow::Uploader(String::from_utf8(principal.to_vec()).ok()?),
        Some(_) => return None,
    };
    Some((*hash, row))
}

/// The routing of a stack.
#[must_use]
pub fn routing(stack: &StackId) -> Bytes {
    key(ROUTING, &[stack])
}

/// A routing that a stack had.
#[must_use]
pub fn routing_change(stack: &StackId, revision: u64) -> Bytes {
    key(ROUTING_CHANGE, &[stack, &revision.to_be_bytes()])
}

/// What the keys of [`routing_change`] of one stack begin with.
#[must_use]
pub fn routing_changes(stack: &StackId) -> Bytes {
    key(ROUTING_CHANGE, &[stack])
}

/// What is known of a request with an idempotency key.
#[must_use]
pub fn idempotency(principal: &str, idempotency_key: &str) -> Bytes {
    let mut key = with_part(IDEMPOTENCY, principal, idempotency_key.len());
    key.put_slice(idempotency_key.as_bytes());
    key.freeze()
}

/// What the keys of [`idempotency`] of one principal begin with.
#[must_use]
pub fn idempotency_of(principal: &str) -> Bytes {
    with_part(IDEMPOTENCY, principal, 0).freeze()
}

/// What the keys of [`idempotency`] of everyone begin with.
#[must_use]
pub fn idempotency_all() -> Bytes {
    key(IDEMPOTENCY, &[])
}

/// One of the uploads that a principal may have open.
#[must_use]
pub fn upload(principal: &str, slot: u8) -> Bytes {
    let mut key = with_part(UPLOAD, principal, 1);
    key.put_u8(slot);
    key.freeze()
}

/// What the keys of [`upload`] of one principal begin with.
#[must_use]
pub fn uploads_of(principal: &str) -> Bytes {
    with_part(UPLOAD, principal, 0).freeze()
}

/// What the keys of [`upload`] of everyone begin with.
#[must_use]
pub fn uploads() -> Bytes {
    key(UPLOAD, &[])
}

/// A host that a stack has proven to own.
#[must_use]
pub fn host(host: &str) -> Bytes {
    key(DOMAIN, &[&[DOMAIN_HOST], host.as_bytes()])
}

/// What the keys of [`host`] begin with.
#[must_use]
pub fn hosts() -> Bytes {
    key(DOMAIN, &[&[DOMAIN_HOST]])
}

/// The host in the key of [`host`].
#[must_use]
pub fn parse_host(key: &[u8]) -> Option<String> {
    let host = key.strip_prefix(&DOMAIN)?.strip_prefix(&[DOMAIN_HOST])?;
    String::from_utf8(host.to_vec()).ok()
}

/// The claim of a stack on a host. With an empty host, what all claims of the stack begin with.
#[must_use]
pub fn host_claim(stack: &StackId, host: &str) -> Bytes {
    key(DOMAIN, &[&[DOMAIN_CLAIM], stack, host.as_bytes()])
}

/// The host in the key of [`host_claim`].
#[must_use]
pub fn parse_host_claim(stack: &StackId, key: &[u8]) -> Option<String> {
    let host = key.strip_prefix(&DOMAIN)?.strip_prefix(&[DOMAIN_CLAIM])?.strip_prefix(stack)?;
    String::from_utf8(host.to_vec()).ok()
}

/// How many claims a stack has.
#[must_use]
pub fn host_claims(stack: &StackId) -> Bytes {
    key(DOMAIN, &[&[DOMAIN_COUNT], stack])
}

fn key(concern: [u8; 2], parts: &[&[u8]]) -> Bytes {
    let mut key = BytesMut::with_capacity(concern.len() + parts.iter().map(|part| part.len()).sum::<usize>());
    key.put_slice(&concern);
    for part in parts {
        key.put_slice(part);
    }
    key.freeze()
}

/// A key that begins with a part of variable length, and room for the rest of it.
fn with_part(concern: [u8; 2], part: &str, rest_bytes: usize) -> BytesMut {
    let mut key = BytesMut::with_capacity(concern.len() + part.len() + super::TERMINATOR.len() + rest_bytes);
    key.put_slice(&concern);
    put_part(&mut key, part.as_bytes());
    key
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ID: StackId = [0xab; 32];
    const HASH: Hash = [0xcd; 32];

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// Changing one of these strands the data of every node: add a version instead.
    #[test]
    fn golden() {
        let (id, hash) = (hex(&ID), hex(&HASH));
        for (key, expected) in [
            (stack(&ID), format!("2001{id}")),
            (version(&ID, 258), format!("2101{id}000000000000000102")),
            (versions(&ID), format!("2101{id}00")),
            (version_stack(&ID, 1), format!("2101{id}010000000000000001")),
            (version_manifest(&ID, 1), format!("2101{id}020000000000000001")),
            (stack_name("shop"), "220173686f70".into()),
            (artifacts(), "2301".into()),
            (artifact(&HASH), format!("2301{hash}")),
            (artifact_use(&HASH, &ID, 7), format!("2301{hash}01{id}0000000000000007")),
            (artifact_uses_of_stack(&HASH, &ID), format!("2301{hash}01{id}")),
            (artifact_uses(&HASH), format!("2301{hash}01")),
            (artifact_uploader(&HASH, "k_a"), format!("2301{hash}026b5f61")),
            (routing(&ID), format!("2401{id}")),
            (idempotency("k_a", "x"), "25016b5f61000178".into()),
            (idempotency_of("k_a"), "25016b5f610001".into()),
            (idempotency_all(), "2501".into()),
            (routing_change(&ID, 3), format!("2701{id}0000000000000003")),
            (routing_changes(&ID), format!("2701{id}")),
            (upload("k_a", 15), "28016b5f6100010f".into()),
            (uploads_of("k_a"), "28016b5f610001".into()),
            (uploads(), "2801".into()),
            (host("a.example"), "440100612e6578616d706c65".into()),
            (hosts(), "440100".into()),
            (host_claim(&ID, "a.example"), format!("440101{id}612e6578616d706c65")),
            (host_claims(&ID), format!("440102{id}")),
        ] {
            assert_eq!(hex(&key), expected);
        }
    }

    #[test]
    fn rows_of_artifacts_are_told_apart() {
        for (key, row) in [
            (artifact(&HASH), ArtifactRow::Artifact),
            (artifact_use(&HASH, &ID, 7), ArtifactRow::Use { stack: ID, version: 7 }),
            (artifact_uploader(&HASH, "oidc:a:b"), ArtifactRow::Uploader("oidc:a:b".into())),
        ] {
            assert_eq!(parse_artifact(&key), Some((HASH, row)));
        }
        for key in [artifacts(), artifact_uses(&HASH), artifact_uses_of_stack(&HASH, &ID), stack(&ID)] {
            assert_eq!(parse_artifact(&key), None, "{key:?}");
        }
    }

    proptest! {
        #[test]
        fn keys_survive(name in "[a-z.]{0,8}", number: u64) {
            let named = Some(name.clone());
            prop_assert_eq!(parse_stack_name(&stack_name(&name)), named.clone());
            prop_assert_eq!(parse_version(&ID, &version(&ID, number)), Some(number));
            prop_assert_eq!(parse_version(&ID, &version_stack(&ID, number)), None);
            prop_assert_eq!(parse_host(&host(&name)), named.clone());
            prop_assert_eq!(parse_host(&host_claim(&ID, &name)), None);
            prop_assert_eq!(parse_host_claim(&ID, &host_claim(&ID, &name)), named);
        }

        #[test]
        fn versions_sort_by_number(a: u64, b: u64) {
            prop_assert_eq!(version(&ID, a).cmp(&version(&ID, b)), a.cmp(&b));
        }

        #[test]
        fn principals_do_not_see_each_other(a in "[a-c\0]{0,3}", b in "[a-c\0]{0,3}", key in "[a-c]{0,3}") {
            prop_assert_eq!(idempotency(&a, &key).starts_with(&idempotency_of(&b)), a == b);
            prop_assert_eq!(upload(&a, 0).starts_with(&uploads_of(&b)), a == b);
        }
    }
}
