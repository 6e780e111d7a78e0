//! The first operator comes by the token, and nobody after them.

use std::collections::BTreeSet;

use mu_db::MemKv;
use mu_env::Timestamp;

use super::super::ClientKey;
use super::*;

fn key(byte: u8) -> Principal {
    Principal::Key(ClientKey::new([byte; 32]))
}

fn bootstrap_with(configured: &[u8]) -> Bootstrap {
    let (kv, env): (Arc<dyn Kv>, _) = (Arc::new(MemKv::new()), Env::simulated(1, Timestamp::from_micros(5)));
    let configured: BTreeSet<_> = configured.iter().map(|&byte| key(byte)).collect();
    let members = Members::new(Arc::clone(&kv), env.clone(), configured);
    Bootstrap::new(kv, env, members)
}

async fn written(bootstrap: &Bootstrap, existing: Option<&str>) -> TokenText {
    match bootstrap.prepare(existing).await.unwrap() {
        BootstrapFile::Write(text) => text,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn the_token_makes_one_operator() {
    let bootstrap = bootstrap_with(&[]);
    let text = written(&bootstrap, None).await;
    assert_eq!(bootstrap.verify(text.reveal()).await, Ok(()));
    assert_eq!(bootstrap.register_first_operator(text.reveal(), &key(1)).await, Ok(()));
    assert_eq!(bootstrap.members.role(&key(1)).await, Ok(Some(NodeRole::Operator)));

    assert_eq!(bootstrap.verify(text.reveal()).await, Err(AccessError::Bootstrap));
    assert_eq!(bootstrap.register_first_operator(text.reveal(), &key(2)).await, Err(AccessError::Bootstrap));
    assert_eq!(bootstrap.members.role(&key(2)).await, Ok(None));
    assert_eq!(bootstrap.prepare(Some(text.reveal())).await, Ok(BootstrapFile::Remove));
}

#[tokio::test(start_paused = true)]
async fn of_two_at_once_one_wins() {
    let bootstrap = bootstrap_with(&[]);
    let text = written(&bootstrap, None).await;
    let (one, two) = (key(1), key(2));
    let (first, second) = tokio::join!(
        bootstrap.register_first_operator(text.reveal(), &one),
        bootstrap.register_first_operator(text.reveal(), &two)
    );
    assert!(first.is_ok() != second.is_ok(), "{first:?} {second:?}");
}

#[tokio::test(start_paused = true)]
async fn a_restart_keeps_the_token_and_a_lost_file_makes_another() {
    let bootstrap = bootstrap_with(&[]);
    let first = written(&bootstrap, None).await;
    let file = format!("{}\n", first.reveal());
    assert_eq!(bootstrap.prepare(Some(&file)).await, Ok(BootstrapFile::Keep));

    let second = written(&bootstrap, None).await;
    assert_eq!(bootstrap.verify(first.reveal()).await, Err(AccessError::Bootstrap));
    assert_eq!(bootstrap.verify(second.reveal()).await, Ok(()));
    let third = written(&bootstrap, Some("mub_spoiled")).await;
    assert_eq!(bootstrap.verify(third.reveal()).await, Ok(()));
}

#[tokio::test(start_paused = true)]
async fn an_operator_by_any_way_ends_it() {
    let bootstrap = bootstrap_with(&[]);
    let text = written(&bootstrap, None).await;
    bootstrap.members.set(&key(1), NodeRole::Member, &key(0)).await.unwrap();
    assert_eq!(bootstrap.verify(text.reveal()).await, Ok(()));
    bootstrap.members.set(&key(1), NodeRole::Operator, &key(0)).await.unwrap();
    assert_eq!(bootstrap.verify(text.reveal()).await, Err(AccessError::Bootstrap));

    let configured = bootstrap_with(&[9]);
    assert_eq!(configured.prepare(None).await, Ok(BootstrapFile::Remove));

    // The configuration names an operator after a token was made.
    let before = bootstrap_with(&[]);
    let text = written(&before, None).await;
    let members = Members::new(Arc::clone(&before.kv), before.env.clone(), BTreeSet::from([key(9)]));
    let after = Bootstrap::new(Arc::clone(&before.kv), before.env.clone(), members);
    assert_eq!(after.register_first_operator(text.reveal(), &key(1)).await, Err(AccessError::Bootstrap));
    assert_eq!(after.prepare(Some(text.reveal())).await, Ok(BootstrapFile::Remove));
    assert_eq!(before.verify(text.reveal()).await, Err(AccessError::Bootstrap));
}

#[tokio::test(start_paused = true)]
async fn what_is_no_token() {
    let bootstrap = bootstrap_with(&[]);
    let other = BearerKind::Bootstrap.generate(bootstrap.env.random());
    assert_eq!(bootstrap.verify(other.reveal()).await, Err(AccessError::Bootstrap));
    let text = written(&bootstrap, None).await;
    for bad in ["", "mub_", other.reveal(), &text.reveal()[1..], &text.reveal()[..46]] {
        assert_eq!(bootstrap.verify(bad).await, Err(AccessError::Bootstrap), "{bad}");
    }
    let nobody = bootstrap.register_first_operator(text.reveal(), &Principal::Anonymous).await;
    assert_eq!(nobody, Err(AccessError::NobodyInParticular));
}

/// Changing this strands the tokens of every node: add a version instead.
#[tokio::test(start_paused = true)]
async fn golden() {
    let bootstrap = bootstrap_with(&[]);
    let text = written(&bootstrap, None).await;
    let hash = BearerKind::Bootstrap.hash(text.reveal()).unwrap();
    let stored = bootstrap.kv.get(&keys::bootstrap()).await.unwrap().unwrap();
    assert_eq!(stored, [&[1], &hash[..]].concat());
}
