//! Roles are given, taken and listed, and a stack keeps an admin.

use mu_db::MemKv;

use super::super::ClientKey;
use super::*;

const STACK: StackId = StackId::new([1; 32]);
const OTHER: StackId = StackId::new([2; 32]);

fn key(byte: u8) -> Principal {
    Principal::Key(ClientKey::new([byte; 32]))
}

fn grants() -> Grants {
    Grants::new(Arc::new(MemKv::new()), Env::simulated(1, Timestamp::from_micros(5)))
}

impl Grants {
    async fn give(&self, who: u8, role: Role) -> Result<(), AccessError> {
        self.grant(STACK, &key(who), role, &key(0), LastAdmin::Stays).await
    }

    async fn take(&self, who: u8) -> Result<(), AccessError> {
        self.revoke(STACK, &key(who), LastAdmin::Stays).await
    }
}

#[tokio::test(start_paused = true)]
async fn roles_are_given_changed_and_taken() {
    let grants = grants();
    assert_eq!(grants.role(&STACK, &key(1)).await, Ok(None));
    for role in [Role::Viewer, Role::Developer] {
        grants.give(1, role).await.unwrap();
        assert_eq!(grants.role(&STACK, &key(1)).await, Ok(Some(role)));
        assert_eq!(grants.stacks_of(&key(1), None, 10).await.unwrap().items, [(STACK, role)]);
    }
    assert_eq!(grants.role(&OTHER, &key(1)).await, Ok(None));
    assert_eq!(grants.role(&STACK, &key(2)).await, Ok(None));
    assert_eq!(grants.has_any(&key(1)).await, Ok(true));
    grants.take(1).await.unwrap();
    assert_eq!(grants.role(&STACK, &key(1)).await, Ok(None));
    assert_eq!(grants.has_any(&key(1)).await, Ok(false));
    assert_eq!(grants.take(1).await, Err(AccessError::NotGranted { who: key(1) }));
}

#[tokio::test(start_paused = true)]
async fn nobody_in_particular_has_no_role() {
    let grants = grants();
    let given = grants.grant(STACK, &Principal::Anonymous, Role::Viewer, &key(0), LastAdmin::Stays).await;
    assert_eq!(given, Err(AccessError::NobodyInParticular));
    assert_eq!(grants.role(&STACK, &Principal::Anonymous).await, Ok(None));
}

#[tokio::test(start_paused = true)]
async fn the_last_admin_stays() {
    let grants = grants();
    let mut batch = Batch::new();
    grants.write_first_admin(&mut batch, STACK, &key(1)).unwrap();
    grants.kv.commit(batch).await.unwrap();
    grants.give(2, Role::Developer).await.unwrap();
    grants.grant(OTHER, &key(3), Role::Admin, &key(0), LastAdmin::Stays).await.unwrap();

    let last = Err(AccessError::LastAdmin { who: key(1), stack: STACK });
    assert_eq!(grants.take(1).await, last);
    assert_eq!(grants.give(1, Role::Developer).await, last);
    assert_eq!(grants.give(1, Role::Admin).await, Ok(()));

    grants.give(2, Role::Admin).await.unwrap();
    assert_eq!(grants.take(1).await, Ok(()));
    assert_eq!(grants.revoke(STACK, &key(2), LastAdmin::MayGo).await, Ok(()));
}

#[tokio::test(start_paused = true)]
async fn two_admins_cannot_remove_each_other() {
    for _ in 0..20 {
        let grants = grants();
        grants.give(1, Role::Admin).await.unwrap();
        grants.give(2, Role::Admin).await.unwrap();
        let (first, second) = tokio::join!(grants.take(1), grants.take(2));
        assert!(first.is_ok() != second.is_ok(), "{first:?} {second:?}");
        assert_eq!(grants.list(STACK, None, 10).await.unwrap().items.len(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn lists_are_read_in_pages() {
    let grants = grants();
    let user: Principal = "oidc:google:123".parse().unwrap();
    grants.grant(STACK, &user, Role::Viewer, &key(0), LastAdmin::Stays).await.unwrap();
    for who in 1..=4 {
        grants.give(who, Role::Invoker).await.unwrap();
        let stack = StackId::new([who + 10; 32]);
        grants.grant(stack, &user, Role::Developer, &key(0), LastAdmin::Stays).await.unwrap();
    }
    let (mut all, mut after) = (Vec::new(), None);
    loop {
        let page = grants.list(STACK, after.as_ref(), 2).await.unwrap();
        assert!(page.items.len() <= 2);
        all.extend(page.items);
        let Some(next) = page.next else { break };
        after = Some(next);
    }
    let expected = Grant { stack: STACK, who: key(1), role: Role::Invoker, by: key(0), at: Timestamp::from_micros(5) };
    assert!(all.contains(&expected));
    let mut who: Vec<_> = all.into_iter().map(|grant| grant.who.to_string()).collect();
    assert!(who.is_sorted());
    who.dedup();
    assert_eq!(who.len(), 5);

    let first = grants.stacks_of(&user, None, 3).await.unwrap();
    let second = grants.stacks_of(&user, first.next.as_ref(), 3).await.unwrap();
    assert_eq!((first.items.len(), second.items.len(), second.next), (3, 2, None));
}

#[tokio::test(start_paused = true)]
async fn a_deleted_stack_is_forgotten() {
    let grants = grants();
    for who in 0..100 {
        grants.give(who, Role::Admin).await.unwrap();
    }
    grants.grant(OTHER, &key(1), Role::Viewer, &key(0), LastAdmin::Stays).await.unwrap();
    grants.forget_stack(&STACK).await.unwrap();
    assert_eq!(grants.list(STACK, None, 10).await.unwrap().items, []);
    assert_eq!(grants.stacks_of(&key(1), None, 10).await.unwrap().items, [(OTHER, Role::Viewer)]);
    assert_eq!(grants.has_any(&key(2)).await, Ok(false));
}

#[tokio::test(start_paused = true)]
async fn a_stack_has_so_many_grants() {
    let grants = grants();
    for who in 0..STACK_GRANTS_MAX {
        let who: Principal = format!("oidc:i:{who}").parse().unwrap();
        grants.grant(STACK, &who, Role::Viewer, &key(0), LastAdmin::Stays).await.unwrap();
    }
    let refused = grants.give(1, Role::Viewer).await.unwrap_err();
    assert_eq!(refused.to_string(), "a stack can have 1000 grants at most: remove some first");
    let changed: Principal = "oidc:i:7".parse().unwrap();
    assert_eq!(grants.grant(STACK, &changed, Role::Admin, &key(0), LastAdmin::Stays).await, Ok(()));
}

/// Changing this strands the grants of every node: add a version instead.
#[tokio::test(start_paused = true)]
async fn golden() {
    let grants = grants();
    grants.give(1, Role::Developer).await.unwrap();
    let stored = grants.kv.get(&keys::grant(STACK.key(), &key(1).to_string())).await.unwrap().unwrap();
    let expected = r#"{"role":"developer","by":"k_11111111111111111111111111111111","at_micros":5}"#;
    assert_eq!(stored, [b"\x01", expected.as_bytes()].concat());
    grants.kv.commit(Batch::new().put(keys::grant(STACK.key(), &key(1).to_string()), "\x02{}")).await.unwrap();
    assert_eq!(grants.role(&STACK, &key(1)).await, Err(UNREADABLE));
}
