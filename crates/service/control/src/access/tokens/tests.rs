//! Tokens are made, used, listed and revoked.

use std::collections::BTreeSet;

use mu_db::MemKv;
use mu_stack::StackId;

use super::super::{ClientKey, NodeRights, Role, TokenStacks};
use super::*;

const HOUR: Duration = Duration::from_secs(3_600);

fn key(byte: u8) -> Principal {
    Principal::Key(ClientKey::new([byte; 32]))
}

fn tokens() -> Tokens {
    Tokens::new(Arc::new(MemKv::new()), Env::simulated(1, Timestamp::from_micros(1_000_000)))
}

fn new_token() -> NewToken {
    let stacks = TokenStacks::Only(BTreeSet::from([StackId::new([1; 32]), StackId::new([0; 32])]));
    let scope = TokenScope { stacks, role: Role::Developer, node: NodeRights::Withheld };
    NewToken { name: "ci".into(), scope, lifetime: 24 * HOUR }
}

#[tokio::test(start_paused = true)]
async fn a_token_works_for_its_time() {
    let tokens = tokens();
    let (text, made) = tokens.create(&key(1), new_token()).await.unwrap();
    assert_eq!((made.maker.clone(), made.last_used_at), (key(1), None));
    let used = tokens.verify(text.reveal()).await.unwrap();
    assert_eq!(used, Token { last_used_at: Some(tokens.env.now()), ..made.clone() });
    tokio::time::advance(24 * HOUR - Duration::from_micros(1)).await;
    assert!(tokens.verify(text.reveal()).await.is_ok());
    tokio::time::advance(Duration::from_micros(1)).await;
    let expired = AccessError::ExpiredToken { id: made.id, at: made.expires_at };
    assert_eq!(tokens.verify(text.reveal()).await, Err(expired));
}

#[tokio::test(start_paused = true)]
async fn only_the_text_opens_the_door() {
    let tokens = tokens();
    let (text, made) = tokens.create(&key(1), new_token()).await.unwrap();
    let other = BearerKind::Token.generate(tokens.env.random());
    let changed = format!("{}A", &text.reveal()[..text.reveal().len() - 1]);
    let truncated = &text.reveal()[..text.reveal().len() - 1];
    for bad in ["", "mu_", other.reveal(), &changed, truncated, &made.id.to_string(), &format!("{} ", text.reveal())] {
        assert_eq!(tokens.verify(bad).await, Err(AccessError::UnknownToken), "{bad}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_revoked_token_is_gone() {
    let tokens = tokens();
    let (text, made) = tokens.create(&key(1), new_token()).await.unwrap();
    assert_eq!(tokens.revoke(made.id).await, Ok(made.clone()));
    assert_eq!(tokens.verify(text.reveal()).await, Err(AccessError::UnknownToken));
    assert_eq!(tokens.revoke(made.id).await, Err(AccessError::NoToken { id: made.id }));
    assert_eq!(tokens.show(made.id).await, Err(AccessError::NoToken { id: made.id }));
    let left = paged::rows(&*tokens.kv, KeyRange::all(), Order::Ascending, 10, Select::Keys).await.unwrap();
    assert!(left.rows.is_empty());
}

#[tokio::test(start_paused = true)]
async fn the_last_use_is_written_once_an_hour() {
    let tokens = tokens();
    let (text, made) = tokens.create(&key(1), new_token()).await.unwrap();
    for (wait, noted) in
        [(Duration::ZERO, true), (HOUR - Duration::from_secs(1), false), (Duration::from_secs(1), true)]
    {
        tokio::time::advance(wait).await;
        tokens.verify(text.reveal()).await.unwrap();
        let last = tokens.show(made.id).await.unwrap().last_used_at;
        assert_eq!(last == Some(tokens.env.now()), noted, "{wait:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_use_that_is_noted_late_does_not_bring_a_token_back() {
    let tokens = tokens();
    let (text, made) = tokens.create(&key(1), new_token()).await.unwrap();
    let record = tokens.kv.get(&keys::token(made.id.as_bytes())).await.unwrap().unwrap();
    let hash = BearerKind::Token.hash(text.reveal()).unwrap();
    tokens.revoke(made.id).await.unwrap();
    tokens.note_use(made.clone(), &hash, record, tokens.env.now()).await;
    assert_eq!(tokens.show(made.id).await, Err(AccessError::NoToken { id: made.id }));
}

#[tokio::test(start_paused = true)]
async fn lists_are_read_in_pages() {
    let tokens = tokens();
    for _ in 0..5 {
        tokens.create(&key(1), new_token()).await.unwrap();
    }
    let (_, other) = tokens.create(&key(2), new_token()).await.unwrap();

    let first = tokens.list_of(&key(1), None, 3).await.unwrap();
    let second = tokens.list_of(&key(1), first.next, 3).await.unwrap();
    assert_eq!((first.items.len(), second.items.len(), second.next), (3, 2, None));
    assert!(first.items.iter().chain(&second.items).all(|token| token.maker == key(1)));
    assert_eq!(tokens.list_of(&key(2), None, 3).await.unwrap().items, [other]);
    assert_eq!(tokens.list_of(&key(3), None, 3).await.unwrap().items, []);

    let first = tokens.list(None, 4).await.unwrap();
    let second = tokens.list(first.next, 4).await.unwrap();
    assert_eq!((first.items.len(), second.items.len(), second.next), (4, 2, None));
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_made() {
    let tokens = tokens();
    let with = |change: fn(&mut NewToken)| {
        let mut new = new_token();
        change(&mut new);
        new
    };
    let mut told = String::new();
    for new in [
        with(|new| new.name = String::new()),
        with(|new| new.name = "a".repeat(101)),
        with(|new| new.name = "a\nb".into()),
        with(|new| new.lifetime = Duration::ZERO),
        with(|new| new.lifetime = TOKEN_LIFETIME_MAX + Duration::from_secs(1)),
        with(|new| new.scope.stacks = TokenStacks::Only(BTreeSet::new())),
        with(|new| new.scope.stacks = TokenStacks::Only((0..101).map(|byte| StackId::new([byte; 32])).collect())),
    ] {
        told.push_str(&format!("{}\n", tokens.create(&key(1), new).await.unwrap_err()));
    }
    told.push_str(&format!("{}\n", tokens.create(&Principal::Anonymous, new_token()).await.unwrap_err()));
    insta::assert_snapshot!(told, @r"
    the name of a token has 1 to 100 bytes, and no control characters
    the name of a token has 1 to 100 bytes, and no control characters
    the name of a token has 1 to 100 bytes, and no control characters
    the lifetime of a token is a second to 366 days
    the lifetime of a token is a second to 366 days
    the scope of a token names one stack or more, or all
    a token can have 100 stacks at most: remove some first
    `anonymous` can't be given a role or a token: name a key or a user of an issuer
    ");
}

#[tokio::test(start_paused = true)]
async fn a_maker_has_so_many_tokens_and_expired_ones_make_room() {
    let tokens = tokens();
    for _ in 0..TOKENS_PER_MAKER_MAX {
        tokens.create(&key(1), new_token()).await.unwrap();
    }
    let refused = tokens.create(&key(1), new_token()).await.unwrap_err();
    assert_eq!(refused.to_string(), "a client can have 256 tokens at most: remove some first");
    assert!(tokens.create(&key(2), new_token()).await.is_ok());
    tokio::time::advance(24 * HOUR).await;
    let (_, made) = tokens.create(&key(1), new_token()).await.unwrap();
    assert_eq!(tokens.list_of(&key(1), None, 10).await.unwrap().items, [made]);
}

#[test]
fn ids_survive_text() {
    for id in [TokenId::new([0; 16]), TokenId::new([255; 16]), TokenId::new([7; 16])] {
        assert_eq!(id.to_string().parse(), Ok(id));
    }
    for bad in ["", "t_", "t_abc", "k_1111111111111111", "t_0000000000000000", &format!("t_{}", "1".repeat(9_999))] {
        assert_eq!(bad.parse::<TokenId>(), Err(ParseTokenIdError), "{bad:.50}");
    }
}

/// Changing one of these strands the tokens of every node: add a version instead.
#[tokio::test(start_paused = true)]
async fn golden() {
    let tokens = tokens();
    let (_, made) = tokens.create(&key(1), new_token()).await.unwrap();
    let mut all_stacks = made.clone();
    all_stacks.scope = TokenScope { stacks: TokenStacks::All, role: Role::Admin, node: NodeRights::Passed };
    all_stacks.last_used_at = Some(Timestamp::from_micros(7));
    for (token, expected) in [
        (
            &made,
            r#"{"name":"ci","maker":"k_4vJ9JU1bJJE96FWSJKvHsmmFADCg4gpZQff4P3bkLKi","scope":{"stacks":["s_11111111111111111111111111111111","s_4vJ9JU1bJJE96FWSJKvHsmmFADCg4gpZQff4P3bkLKi"],"role":"developer","node":"withheld"},"created_at_micros":1000000,"expires_at_micros":86401000000,"sha256":"11111111111111111111111111111111"}"#,
        ),
        (
            &all_stacks,
            r#"{"name":"ci","maker":"k_4vJ9JU1bJJE96FWSJKvHsmmFADCg4gpZQff4P3bkLKi","scope":{"role":"admin","node":"passed"},"created_at_micros":1000000,"expires_at_micros":86401000000,"last_used_at_micros":7,"sha256":"11111111111111111111111111111111"}"#,
        ),
    ] {
        let stored = stored::encode(token, &[0; 32]);
        assert_eq!(stored, [b"\x01", expected.as_bytes()].concat());
        assert_eq!(stored::decode(token.id, &stored), Ok((token.clone(), [0; 32])));
    }
}
