//! Domains: claimed, proven once, and given up.

use std::sync::Arc;

use mu_db::{MemKv, RedbKv, RedbOptions};
use mu_env::Timestamp;
use mu_stack::Env as Variables;

use super::*;
use crate::catalog::{Annotations, DataFate, NewStack};

struct World {
    domains: Domains,
    prover: MemProver,
    hosts: MemHosts,
    catalog: Catalog,
}

impl World {
    fn new() -> Self {
        Self::over(Arc::new(MemKv::new()))
    }

    fn over(kv: Arc<dyn Kv>) -> Self {
        let (env, prover) = (Env::simulated(1, Timestamp::from_micros(7)), MemProver::new());
        let hosts = MemHosts::default();
        let (proofs, sink) = (Arc::new(prover.clone()), Arc::new(hosts.clone()));
        let domains = Domains::new(Arc::clone(&kv), env.clone(), proofs, sink);
        Self { domains, prover, hosts, catalog: Catalog::new(kv, env) }
    }

    /// What a host leads to.
    fn target(&self, name: &HostName) -> Option<HostTarget> {
        self.hosts.table().remove(name)
    }

    async fn stack(&self, name: &str) -> StackId {
        let new = NewStack {
            name: name.parse().unwrap(),
            owner: "k_a".into(),
            config: Variables::new(),
            annotations: Annotations::new(),
            idempotency_key: None,
        };
        self.catalog.create(new).await.unwrap().id
    }

    async fn claim(&self, stack: &StackId, host: &HostName) -> Challenge {
        self.domains.claim(stack, host, None, "k_a").await.unwrap().challenge().unwrap()
    }

    async fn answer(&self, stack: &StackId, host: &HostName) {
        let challenge = self.claim(stack, host).await;
        self.prover.set_http(&challenge.url(), &challenge.proof());
    }
}

fn host(text: &str) -> HostName {
    text.parse().unwrap()
}

#[tokio::test]
async fn a_host_leads_to_its_stack_once_it_is_proven() {
    let world = World::new();
    let (stack, name) = (world.stack("shop").await, host("www.example.com"));
    let gateway: Option<GatewayName> = Some("api".parse().unwrap());
    let claimed = world.domains.claim(&stack, &name, gateway.clone(), "k_b").await.unwrap();
    assert_eq!((claimed.by(), claimed.gateway()), ("k_b", gateway.as_ref()));
    let challenge = claimed.challenge().unwrap();
    let again = world.domains.claim(&stack, &name, gateway.clone(), "k_b").await.unwrap();
    assert_eq!(again, claimed, "the challenge stays the same");
    assert_eq!(world.target(&name), None);

    let refused = world.domains.verify(&stack, &name).await.unwrap_err().to_string();
    let expected = format!(
        "the host `www.example.com` is not proven: let http://www.example.com/.well-known/mu-domain-challenge/{token} \
         answer with `{token}.{stack}` (it does not: status 404), or give _mu-challenge.www.example.com a TXT record \
         with `{token}.{stack}` (it has none: there is no such record); then try again",
        token = challenge.token
    );
    assert_eq!(refused, expected);

    world.prover.set_http(&challenge.url(), &format!("{}\r\n", challenge.proof()));
    let verified = world.domains.verify(&stack, &name).await.unwrap();
    assert!(matches!(verified.state(), DomainState::Verified { .. }) && verified.challenge().is_none());
    assert_eq!(world.target(&name), Some(HostTarget { stack, gateway: gateway.clone() }));
    assert_eq!(world.domains.verify(&stack, &name).await.unwrap(), verified, "it stays so");

    let moved = world.domains.claim(&stack, &name, None, "k_b").await.unwrap();
    assert_eq!(moved.state(), verified.state(), "another gateway needs no other proof");
    assert_eq!(world.target(&name), Some(HostTarget { stack, gateway: None }));
}

#[tokio::test]
async fn a_txt_record_proves_as_well() {
    let world = World::new();
    let (stack, name) = (world.stack("shop").await, host("a.example"));
    let challenge = world.claim(&stack, &name).await;
    // What only repeats the path proves nothing.
    world.prover.set_http(&challenge.url(), &challenge.token);
    world.prover.set_dns("_mu-challenge.a.example", &["v=spf1", &challenge.token]);
    let refused = world.domains.verify(&stack, &name).await.unwrap_err();
    let is_other = |error: &DomainError| {
        matches!(error, DomainError::Unproven { http: ProveError::OtherAnswer, dns: ProveError::OtherAnswer, .. })
    };
    assert!(is_other(&refused), "{refused}");
    world.prover.set_dns("_mu-challenge.a.example", &["v=spf1", &challenge.proof()]);
    world.domains.verify(&stack, &name).await.unwrap();
    assert_eq!(world.hosts.table().len(), 1);
}

#[tokio::test]
async fn the_first_proof_wins() {
    let world = World::new();
    let (first, second, name) = (world.stack("a").await, world.stack("b").await, host("a.example"));
    world.answer(&first, &name).await;
    world.answer(&second, &name).await;
    let (one, other) = tokio::join!(world.domains.verify(&first, &name), world.domains.verify(&second, &name));
    let (winner, loser, refused) = if one.is_ok() { (first, second, other) } else { (second, first, one) };
    assert!(matches!(refused, Err(DomainError::Taken { .. })), "{refused:?}");
    assert_eq!(world.target(&name).unwrap().stack, winner);
    for refused in [world.domains.verify(&loser, &name).await, world.domains.claim(&loser, &name, None, "k_b").await] {
        assert!(matches!(refused, Err(DomainError::Taken { .. })), "{refused:?}");
    }
    world.domains.release(&winner, &name).await.unwrap();
    assert!(world.hosts.table().is_empty());
    world.domains.verify(&loser, &name).await.unwrap();
    assert_eq!(world.target(&name).unwrap().stack, loser);
    // Giving up what one does not have takes nothing from others.
    world.domains.release(&winner, &name).await.unwrap();
    assert_eq!(world.target(&name).unwrap().stack, loser);
}

#[tokio::test]
async fn another_stack_cannot_use_ones_answer() {
    let world = World::new();
    let (owner, thief, name) = (world.stack("a").await, world.stack("b").await, host("a.example"));
    world.answer(&owner, &name).await;
    world.claim(&thief, &name).await;
    let refused = world.domains.verify(&thief, &name).await;
    assert!(matches!(refused, Err(DomainError::Unproven { .. })), "{refused:?}");
}

#[tokio::test]
async fn a_stack_has_a_hundred_hosts() {
    let world = World::new();
    let stack = world.stack("shop").await;
    let name = |index: usize| host(&format!("h{index:03}.example"));
    for index in 0..DOMAINS_MAX {
        world.claim(&stack, &name(index)).await;
    }
    world.claim(&stack, &name(0)).await;
    let refused = world.domains.claim(&stack, &name(DOMAINS_MAX), None, "k_a").await;
    assert!(matches!(refused, Err(DomainError::TooMany)), "{refused:?}");
    world.domains.release(&stack, &name(7)).await.unwrap();
    world.claim(&stack, &name(DOMAINS_MAX)).await;
    let listed = world.domains.list(&stack).await.unwrap();
    assert_eq!(listed.len(), DOMAINS_MAX);
    assert!(listed.is_sorted_by(|a, b| a.host < b.host));
}

#[tokio::test]
async fn hosts_go_with_their_stack() {
    let world = World::new();
    let (stack, name) = (world.stack("shop").await, host("a.example"));
    world.answer(&stack, &name).await;
    world.domains.verify(&stack, &name).await.unwrap();
    world.answer(&stack, &host("b.example")).await;
    world.catalog.delete(&stack, DataFate::Remove, "k_a").await.unwrap();
    for refused in [
        world.domains.claim(&stack, &host("c.example"), None, "k_a").await,
        world.domains.verify(&stack, &host("b.example")).await,
    ] {
        assert!(matches!(refused, Err(DomainError::Catalog(_))), "{refused:?}");
    }
    for _ in 0..2 {
        world.domains.release_all(&stack).await.unwrap();
        assert_eq!(world.domains.list(&stack).await.unwrap(), []);
        assert!(world.hosts.table().is_empty());
    }
    let unknown = world.domains.domain(&stack, &name).await;
    assert!(matches!(unknown, Err(DomainError::UnknownDomain { .. })), "{unknown:?}");
}

#[tokio::test]
async fn hosts_survive_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let open = || Arc::new(RedbKv::open(&directory.path().join("kv"), &RedbOptions::default()).unwrap());
    let name = host("a.example");
    let kv = open();
    let world = World::over(Arc::<RedbKv>::clone(&kv));
    let stack = world.stack("shop").await;
    world.answer(&stack, &name).await;
    let verified = world.domains.verify(&stack, &name).await.unwrap();
    kv.close().await;
    drop((world, kv));
    let world = World::over(open());
    assert_eq!(world.target(&name), None, "not before they are loaded");
    world.domains.publish().await.unwrap();
    assert_eq!(world.target(&name).unwrap().stack, stack);
    assert_eq!(world.domains.list(&stack).await.unwrap(), [verified]);
}
