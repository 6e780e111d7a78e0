//! Operators and members come and go, and an operator stays.

use mu_db::MemKv;

use super::super::ClientKey;
use super::*;

fn key(byte: u8) -> Principal {
    Principal::Key(ClientKey::new([byte; 32]))
}

fn members_with(configured: &[u8]) -> Members {
    let env = Env::simulated(1, Timestamp::from_micros(5));
    Members::new(Arc::new(MemKv::new()), env, configured.iter().map(|&byte| key(byte)).collect())
}

impl Members {
    async fn make(&self, who: u8, role: NodeRole) -> Result<(), AccessError> {
        self.set(&key(who), role, &key(0)).await
    }
}

#[tokio::test(start_paused = true)]
async fn members_come_and_go() {
    let members = members_with(&[]);
    assert_eq!(members.has_operator().await, Ok(false));
    members.make(1, NodeRole::Operator).await.unwrap();
    members.make(2, NodeRole::Member).await.unwrap();
    assert_eq!(members.has_operator().await, Ok(true));
    assert_eq!(members.role(&key(1)).await, Ok(Some(NodeRole::Operator)));
    assert_eq!(members.role(&key(2)).await, Ok(Some(NodeRole::Member)));
    assert_eq!(members.role(&key(3)).await, Ok(None));
    members.remove(&key(2)).await.unwrap();
    assert_eq!(members.role(&key(2)).await, Ok(None));
    assert_eq!(members.remove(&key(2)).await, Err(AccessError::NotGranted { who: key(2) }));
    assert_eq!(
        members.set(&Principal::Anonymous, NodeRole::Member, &key(1)).await,
        Err(AccessError::NobodyInParticular)
    );
}

#[tokio::test(start_paused = true)]
async fn the_last_operator_stays() {
    let members = members_with(&[]);
    members.make(1, NodeRole::Operator).await.unwrap();
    members.make(2, NodeRole::Member).await.unwrap();
    let last = Err(AccessError::LastOperator { who: key(1) });
    assert_eq!(members.remove(&key(1)).await, last);
    assert_eq!(members.make(1, NodeRole::Member).await, last);
    members.make(2, NodeRole::Operator).await.unwrap();
    assert_eq!(members.make(1, NodeRole::Member).await, Ok(()));
}

#[tokio::test(start_paused = true)]
async fn two_operators_cannot_remove_each_other() {
    let members = members_with(&[]);
    members.make(1, NodeRole::Operator).await.unwrap();
    members.make(2, NodeRole::Operator).await.unwrap();
    let (one, two) = (key(1), key(2));
    let (first, second) = tokio::join!(members.remove(&one), members.remove(&two));
    assert!(first.is_ok() != second.is_ok(), "{first:?} {second:?}");
    assert_eq!(members.has_operator().await, Ok(true));
}

#[tokio::test(start_paused = true)]
async fn operators_of_the_configuration_stay() {
    let members = members_with(&[9]);
    assert_eq!(members.has_operator().await, Ok(true));
    assert_eq!(members.role(&key(9)).await, Ok(Some(NodeRole::Operator)));
    let configured = Err(AccessError::Configured { who: key(9) });
    assert_eq!(members.remove(&key(9)).await, configured);
    assert_eq!(members.make(9, NodeRole::Member).await, configured);

    members.make(1, NodeRole::Operator).await.unwrap();
    assert_eq!(members.remove(&key(1)).await, Ok(()));

    let nobody = Members::new(Arc::new(MemKv::new()), members.env.clone(), BTreeSet::from([Principal::Anonymous]));
    assert_eq!(nobody.role(&Principal::Anonymous).await, Ok(None));
    assert_eq!(nobody.has_operator().await, Ok(false));
}

#[tokio::test(start_paused = true)]
async fn the_list_is_read_in_pages() {
    let members = members_with(&[9]);
    for who in 1..=5 {
        members.make(who, NodeRole::Member).await.unwrap();
    }
    let first = members.list(None, 3).await.unwrap();
    let second = members.list(first.next.as_ref(), 3).await.unwrap();
    assert_eq!((first.items.len(), second.items.len(), second.next), (3, 2, None));
    let expected = Member { who: key(1), role: NodeRole::Member, by: key(0), at: Timestamp::from_micros(5) };
    assert!(first.items.iter().chain(&second.items).any(|member| *member == expected));
}

/// Changing this strands the members of every node: add a version instead.
#[tokio::test(start_paused = true)]
async fn golden() {
    let members = members_with(&[]);
    members.make(1, NodeRole::Operator).await.unwrap();
    let stored = members.kv.get(&keys::member(&key(1).to_string())).await.unwrap().unwrap();
    let expected = r#"{"role":"operator","by":"k_11111111111111111111111111111111","at_micros":5}"#;
    assert_eq!(stored, [b"\x01", expected.as_bytes()].concat());
}
