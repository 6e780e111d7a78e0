//! Requests as they come: who they are from, and what they may do.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::Request;
use http::request::Parts;
use mu_db::MemKv;
use mu_env::Timestamp;
use serde_json::json;

use super::oidc::{MemJwksSource, SigningAlgorithm};
use super::signature::{ContentDigest, SignedBody, Signer};
use super::*;

const START_SECS: u64 = 1_700_000_000;
const STACK: StackId = StackId::new([1; 32]);
const OTHER: StackId = StackId::new([2; 32]);
const HOST: &str = "mu.example:12000";

struct Node {
    env: Env,
    access: Access,
}

fn node_with(settings: AccessSettings) -> Node {
    let env = Env::simulated(1, Timestamp::from_micros(START_SECS * 1_000_000));
    let keys = Arc::new(MemJwksSource::default());
    let x = URL_SAFE_NO_PAD.encode(secret(99).client().as_bytes());
    let set = json!({"keys": [{"kty": "OKP", "crv": "Ed25519", "kid": "1", "x": x}]});
    keys.publish("https://id.example/keys", set.to_string());
    let kv: Arc<dyn Kv> = Arc::new(MemKv::new());
    Node { access: Access::new(&kv, &env, settings, keys), env }
}

fn settings() -> AccessSettings {
    let issuer = Issuer {
        name: "example".parse().unwrap(),
        url: "https://id.example".into(),
        audience: "mu".into(),
        algorithms: vec![SigningAlgorithm::EdDsa],
        jwks_url: Some("https://id.example/keys".into()),
    };
    AccessSettings {
        anonymous: AnonymousAccess::None,
        operators: BTreeSet::from([key(9)]),
        issuers: vec![issuer],
        authorities: Authorities::only([HOST]),
    }
}

fn node() -> Node {
    node_with(settings())
}

fn secret(seed: u8) -> SecretKey {
    SecretKey::from_seed(&[seed; 32])
}

fn key(seed: u8) -> Principal {
    Principal::Key(secret(seed).client())
}

fn request(headers: &[(&str, &str)]) -> Parts {
    let mut request = Request::builder().method("POST").uri(format!("https://{HOST}/v1/stacks?x=1"));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(()).unwrap().into_parts().0
}

fn bearer(text: &str) -> Parts {
    request(&[("authorization", &format!("Bearer {text}"))])
}

impl Node {
    fn signed_by(&self, seed: u8) -> Parts {
        let mut parts = request(&[]);
        Signer::new(secret(seed), self.env.clone()).sign(&mut parts, SignedBody::Bytes(b"body")).unwrap();
        parts
    }

    fn user_token(&self, subject: &str) -> String {
        let part = |value: Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let claims =
            json!({"iss": "https://id.example", "aud": "mu", "sub": subject, "exp": START_SECS + 3_600, "team": "a"});
        let message = format!("{}.{}", part(json!({"alg": "EdDSA", "kid": "1"})), part(claims));
        let signature = URL_SAFE_NO_PAD.encode(secret(99).sign(message.as_bytes()));
        format!("{message}.{signature}")
    }

    async fn authenticate(&self, parts: &Parts) -> Result<Authenticated, AccessError> {
        self.access.authenticate(&RequestHead::from(parts)).await
    }

    async fn grant(&self, who: &Principal, role: Role) {
        self.access.grants().grant(STACK, who, role, &key(9), LastAdmin::Stays).await.unwrap();
    }

    async fn may(&self, who: &Authenticated, action: Action, on: Option<StackId>) -> Result<(), AccessErrorKind> {
        self.access.authorize(who, action, on).await.map_err(|error| error.kind())
    }
}

fn token_for(stacks: TokenStacks, role: Role, node: NodeRights) -> NewToken {
    let scope = TokenScope { stacks, role, node };
    NewToken { name: "t".into(), scope, lifetime: Duration::from_secs(60) }
}

#[tokio::test(start_paused = true)]
async fn a_signed_request_is_from_its_signer_once() {
    let node = node();
    node.grant(&key(1), Role::Developer).await;
    let parts = node.signed_by(1);
    let who = node.authenticate(&parts).await.unwrap();
    assert_eq!((&who.subject, who.how), (&Subject::known(key(1), None), How::Signature));
    assert_eq!(who.body, Some(ExpectedBody::Digest(ContentDigest::of(b"body"))));
    assert_eq!(node.may(&who, Action::DeployStack, Some(STACK)).await, Ok(()));
    assert_eq!(node.may(&who, Action::ManageGrants, Some(STACK)).await, Err(AccessErrorKind::Denied));
    assert_eq!(node.may(&who, Action::ReadStack, Some(OTHER)).await, Err(AccessErrorKind::NotFound));
    assert_eq!(node.may(&who, Action::CreateStack, None).await, Err(AccessErrorKind::Denied));

    assert_eq!(node.authenticate(&parts).await, Err(AccessError::Replayed));
    assert!(node.authenticate(&node.signed_by(1)).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn of_one_request_sent_twice_at_once_one_is_accepted() {
    let node = node();
    let parts = node.signed_by(9);
    let (first, second) = tokio::join!(node.authenticate(&parts), node.authenticate(&parts));
    assert!(first.is_ok() != second.is_ok(), "{first:?} {second:?}");
}

#[tokio::test(start_paused = true)]
async fn keys_that_nobody_knows_are_refused_and_leave_no_mark() {
    let node = node();
    let parts = node.signed_by(1);
    for _ in 0..2 {
        assert_eq!(node.authenticate(&parts).await, Err(AccessError::UnknownClient { client: secret(1).client() }));
    }
    // A key is known by what it is on the node, too.
    node.access.members().set(&key(1), NodeRole::Member, &key(9)).await.unwrap();
    assert!(node.authenticate(&node.signed_by(1)).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_request_for_another_node_is_refused() {
    let node = node();
    let mut parts = request(&[]);
    parts.uri = "https://other.example/v1/stacks".parse().unwrap();
    Signer::new(secret(9), node.env.clone()).sign(&mut parts, SignedBody::None).unwrap();
    assert_eq!(node.authenticate(&parts).await.unwrap_err().kind(), AccessErrorKind::Unauthenticated);
}

#[tokio::test(start_paused = true)]
async fn a_token_acts_for_its_maker_within_its_scope() {
    let node = node();
    node.grant(&key(1), Role::Admin).await;
    node.access.members().set(&key(1), NodeRole::Member, &key(9)).await.unwrap();
    let only_other = TokenStacks::Only(BTreeSet::from([OTHER]));
    let tokens = node.access.tokens();
    let (developer, made) =
        tokens.create(&key(1), token_for(TokenStacks::All, Role::Developer, NodeRights::Withheld)).await.unwrap();
    let (elsewhere, _) = tokens.create(&key(1), token_for(only_other, Role::Admin, NodeRights::Passed)).await.unwrap();

    let who = node.authenticate(&bearer(developer.reveal())).await.unwrap();
    assert_eq!((who.how, who.body), (How::Token(made.id), None));
    assert_eq!(node.may(&who, Action::DeployStack, Some(STACK)).await, Ok(()));
    assert_eq!(node.may(&who, Action::DeleteStack, Some(STACK)).await, Err(AccessErrorKind::Denied));
    assert_eq!(node.may(&who, Action::CreateStack, None).await, Err(AccessErrorKind::Denied));
    assert_eq!(node.may(&who, Action::ManageOwnTokens, None).await, Err(AccessErrorKind::Denied));
    assert_eq!(node.access.role_on(&who, &STACK).await, Ok(Some(Role::Developer)));

    let who = node.authenticate(&bearer(elsewhere.reveal())).await.unwrap();
    assert_eq!(node.may(&who, Action::ReadStack, Some(STACK)).await, Err(AccessErrorKind::NotFound));
    assert_eq!(node.may(&who, Action::CreateStack, None).await, Ok(()));

    // What the maker loses, the token loses.
    node.access.grants().grant(STACK, &key(2), Role::Admin, &key(9), LastAdmin::Stays).await.unwrap();
    node.grant(&key(1), Role::Viewer).await;
    let who = node.authenticate(&bearer(developer.reveal())).await.unwrap();
    assert_eq!(node.may(&who, Action::DeployStack, Some(STACK)).await, Err(AccessErrorKind::Denied));
    assert_eq!(node.may(&who, Action::ReadStack, Some(STACK)).await, Ok(()));
}

#[tokio::test(start_paused = true)]
async fn a_user_of_an_issuer_is_somebody() {
    let node = node();
    let user: Principal = "oidc:example:ada".parse().unwrap();
    let token = node.user_token("ada");
    let who = node.authenticate(&bearer(&token)).await.unwrap();
    assert_eq!((&who.subject.principal, who.how, &who.claims["team"]), (&user, How::Oidc, &json!("a")));
    assert_eq!(node.may(&who, Action::ListStacks, None).await, Ok(()));
    assert_eq!(node.may(&who, Action::ReadStack, Some(STACK)).await, Err(AccessErrorKind::NotFound));
    node.grant(&user, Role::Viewer).await;
    assert_eq!(node.may(&who, Action::ReadStack, Some(STACK)).await, Ok(()));
    node.access.members().set(&user, NodeRole::Operator, &key(9)).await.unwrap();
    let who = node.authenticate(&bearer(&token)).await.unwrap();
    assert_eq!(node.may(&who, Action::ManageMembers, None).await, Ok(()));
}

#[tokio::test(start_paused = true)]
async fn the_first_operator_comes_by_the_bootstrap_token() {
    let node = node_with(AccessSettings { operators: BTreeSet::new(), ..settings() });
    let Ok(BootstrapFile::Write(text)) = node.access.bootstrap().prepare(None).await else { panic!("no token") };
    let parts = bearer(text.reveal());
    let who = node.authenticate(&parts).await.unwrap();
    assert_eq!(who.how, How::Bootstrap);
    assert_eq!(node.may(&who, Action::RegisterFirstOperator, None).await, Ok(()));
    assert_eq!(node.may(&who, Action::ManageMembers, None).await, Err(AccessErrorKind::Unauthenticated));

    let head = RequestHead::from(&parts);
    let nothing = request(&[]);
    let without = node.access.register_first_operator(&RequestHead::from(&nothing), &key(1)).await;
    assert_eq!(without, Err(AccessError::Bootstrap));
    assert_eq!(node.access.register_first_operator(&head, &key(1)).await, Ok(()));
    assert_eq!(node.authenticate(&parts).await, Err(AccessError::Bootstrap));
    let operator = node.authenticate(&node.signed_by(1)).await.unwrap();
    assert_eq!(node.may(&operator, Action::ManageMembers, None).await, Ok(()));
    assert_eq!(node.may(&operator, Action::RegisterFirstOperator, None).await, Err(AccessErrorKind::Denied));
}

#[tokio::test(start_paused = true)]
async fn without_credentials_one_is_nobody_or_what_the_configuration_says() {
    let local = [("host", "127.0.0.1:12000")];
    for (anonymous, read, manage) in [
        (AnonymousAccess::None, false, false),
        (AnonymousAccess::Viewer, true, false),
        (AnonymousAccess::Operator, true, true),
    ] {
        let node = node_with(AccessSettings { anonymous, ..settings() });
        let mut parts = request(&local);
        parts.uri = "/v1/stacks".parse().unwrap();
        let who = node.authenticate(&parts).await.unwrap();
        assert_eq!((who.how, &who.subject.principal), (How::Anonymous, &Principal::Anonymous));
        for (action, on, expected) in [
            (Action::ReadStack, Some(STACK), read),
            (Action::DeployStack, Some(STACK), manage),
            (Action::ManageMembers, None, manage),
            (Action::ManageOwnTokens, None, false),
        ] {
            let expected = if expected { Ok(()) } else { Err(AccessErrorKind::Unauthenticated) };
            assert_eq!(node.may(&who, action, on).await, expected, "{anonymous:?} {action}");
        }
        // Credentials are looked at, though none are needed.
        let error = node.authenticate(&bearer("mu_wrong")).await;
        assert_eq!(error, Err(AccessError::UnknownToken));
        let remote = node.authenticate(&request(&[])).await;
        assert_eq!(remote.is_ok(), anonymous == AnonymousAccess::None);
    }
}

#[tokio::test(start_paused = true)]
async fn what_are_no_credentials() {
    let node = node();
    let mut both = node.signed_by(9);
    both.headers.insert("authorization", "Bearer mu_x".parse().unwrap());
    let mut told = String::new();
    for (what, parts) in [
        ("signature and token", both),
        ("two tokens", request(&[("authorization", "Bearer mu_a"), ("authorization", "Bearer mu_b")])),
        ("a password", request(&[("authorization", "Basic YTpi")])),
        ("a scheme alone", request(&[("authorization", "Bearer")])),
        ("a token alone", request(&[("authorization", "mu_a")])),
        ("an unknown token", bearer("mu_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")),
        ("an unknown bootstrap token", bearer("mub_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")),
        ("something else", bearer("opaque")),
        ("half a signature", request(&[("signature", "mu=:AAAA:")])),
    ] {
        let error = node.authenticate(&parts).await.expect_err(what);
        assert_eq!(error.kind(), AccessErrorKind::Unauthenticated);
        told.push_str(&format!("{what}: {error}\n"));
    }
    insta::assert_snapshot!(told);
}

#[tokio::test(start_paused = true)]
async fn refusals_say_what_it_takes() {
    let node = node();
    node.grant(&key(1), Role::Viewer).await;
    let (viewer, nobody) =
        (node.authenticate(&node.signed_by(1)).await.unwrap(), node.authenticate(&request(&[])).await.unwrap());
    let mut told = String::new();
    for (who, action, on) in [
        (&nobody, Action::ReadStack, Some(STACK)),
        (&viewer, Action::DeployStack, Some(STACK)),
        (&viewer, Action::ReadStack, Some(OTHER)),
        (&viewer, Action::SetQuota, Some(OTHER)),
        (&viewer, Action::SetQuota, Some(STACK)),
        (&viewer, Action::CreateStack, None),
        (&viewer, Action::RegisterFirstOperator, None),
    ] {
        told.push_str(&format!("{}\n", node.access.authorize(who, action, on).await.unwrap_err()));
    }
    insta::assert_snapshot!(told);
}

#[tokio::test(start_paused = true)]
async fn used_signatures_are_cleaned_away() {
    let node = node();
    node.authenticate(&node.signed_by(9)).await.unwrap();
    assert_eq!(node.access.clean_step().await, Ok(Cleaned { removed: 0, has_more: false }));
    tokio::time::advance(Duration::from_secs(3_600)).await;
    assert_eq!(node.access.clean_step().await, Ok(Cleaned { removed: 1, has_more: false }));
}
