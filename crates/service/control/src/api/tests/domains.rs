//! Domains over the API: what is told, and what is left behind.

use serde_json::{Value, json};

use super::world::{OPERATOR, Who, World};

const NOBODYS: [&str; 0] = [];

impl World {
    async fn operate(&self, method: &str, path: &str, body: Value) -> (u16, Value) {
        let answer = self.ask(&Who::Key(OPERATOR), method, &format!("/v1/stacks/{path}"), &body).await;
        (answer.status.as_u16(), answer.json())
    }

    async fn read(&self, path: &str) -> Value {
        let (status, answer) = self.operate("GET", path, Value::Null).await;
        assert_eq!(status, 200, "{path}: {answer}");
        answer
    }

    /// Claims a host and proves it by DNS.
    async fn verified(&self, stack: &str, host: &str) {
        let (status, claimed) = self.operate("POST", &format!("{stack}/domains"), json!({"host": host})).await;
        assert_eq!(status, 201, "{claimed}");
        let challenge = &claimed["challenge"];
        self.prover.set_dns(challenge["dns_name"].as_str().unwrap(), &[challenge["dns_value"].as_str().unwrap()]);
        let (status, verified) = self.operate("POST", &format!("{stack}/domains/{host}/verify"), Value::Null).await;
        assert_eq!((status, &verified["state"]), (200, &json!("verified")), "{verified}");
    }

    /// The hosts that gateways were told of last.
    fn served(&self) -> Vec<String> {
        let mut hosts: Vec<_> = self.hosts.table().keys().map(ToString::to_string).collect();
        hosts.sort();
        hosts
    }
}

#[tokio::test]
async fn a_host_is_claimed_proven_and_given_up() {
    let world = World::new().await;
    world.stack("shop", &[]).await;
    let claim = json!({"host": "WWW.Example.com", "gateway": "api"});
    let (status, claimed) = world.operate("POST", "shop/domains", claim).await;
    assert_eq!((status, &claimed["host"], &claimed["gateway"]), (201, &json!("www.example.com"), &json!("api")));
    let challenge = &claimed["challenge"];
    let url = challenge["http_url"].as_str().unwrap();
    assert!(url.starts_with("http://www.example.com/.well-known/mu-domain-challenge/"), "{url}");
    assert_eq!(challenge["dns_name"], "_mu-challenge.www.example.com");
    assert_eq!(world.read("shop/domains").await["items"], json!([claimed]));

    let verify = "shop/domains/www.example.com/verify";
    let (status, refused) = world.operate("POST", verify, Value::Null).await;
    assert_eq!((status, &refused["code"]), (409, &json!("not_proven")));
    assert_eq!(refused["details"], json!({"http": "status 404", "dns": "there is no such record"}));
    assert_eq!(world.served(), NOBODYS);

    world.prover.set_http(url, challenge["http_body"].as_str().unwrap());
    let (status, verified) = world.operate("POST", verify, Value::Null).await;
    assert_eq!((status, &verified["state"], &verified["challenge"]), (200, &json!("verified"), &Value::Null));
    assert_eq!(world.served(), ["www.example.com"]);

    let (status, _) = world.operate("DELETE", "shop/domains/www.example.com", Value::Null).await;
    assert_eq!(status, 204);
    assert_eq!(world.served(), NOBODYS);
    assert_eq!(world.read("shop/domains").await["items"], json!([]));

    let records = world.read("shop/audit").await;
    let targets = records["items"].as_array().unwrap().iter().map(|record| &record["target"]);
    assert_eq!(targets.collect::<Vec<_>>(), ["www.example.com"; 4], "{records}");
}

#[tokio::test]
async fn mistakes_have_their_codes() {
    let world = World::new().await;
    world.stack("shop", &[]).await;
    world.stack("other", &[]).await;
    world.verified("other", "taken.example.com").await;
    for (method, path, body, expected) in [
        ("POST", "shop/domains", json!({"host": "https://a.example"}), (400, "invalid")),
        ("POST", "shop/domains", json!({"host": "*.a.example"}), (400, "invalid")),
        ("POST", "shop/domains", json!({"host": "127.0.0.1"}), (400, "invalid")),
        ("POST", "shop/domains", json!({"host": "a.example", "gateway": "a b"}), (400, "invalid")),
        ("POST", "shop/domains", json!({"host": "a.example", "port": 1}), (400, "invalid")),
        ("POST", "shop/domains", json!({"host": "taken.example.com"}), (409, "host_taken")),
        ("POST", "none/domains", json!({"host": "a.example"}), (404, "unknown_stack")),
        ("POST", "shop/domains/a.example/verify", Value::Null, (404, "unknown_domain")),
        ("POST", "shop/domains/a%20b/verify", Value::Null, (400, "invalid")),
        ("GET", "shop/domains?limit=0", Value::Null, (400, "invalid")),
        ("GET", "shop/domains?cursor=x", Value::Null, (400, "invalid")),
    ] {
        let (status, answer) = world.operate(method, path, body.clone()).await;
        assert_eq!((status, &answer["code"]), (expected.0, &json!(expected.1)), "{method} {path} {body}: {answer}");
    }
    assert_eq!(world.served(), ["taken.example.com"], "nothing has changed");
}

#[tokio::test]
async fn a_list_has_pages() {
    let world = World::new().await;
    world.stack("shop", &[]).await;
    for host in ["c.example", "a.example", "b.example"] {
        world.operate("POST", "shop/domains", json!({"host": host})).await;
    }
    let (mut hosts, mut path) = (Vec::new(), "shop/domains?limit=2".to_owned());
    loop {
        let page = world.read(&path).await;
        hosts.extend(page["items"].as_array().unwrap().iter().map(|domain| domain["host"].clone()));
        let Some(cursor) = page["next_cursor"].as_str() else { break };
        path = format!("shop/domains?limit=2&cursor={cursor}");
    }
    assert_eq!(hosts, ["a.example", "b.example", "c.example"]);
}

#[tokio::test]
async fn hosts_go_with_their_stack_also_when_its_data_stays() {
    for query in ["?keep_data=true", ""] {
        let world = World::new().await;
        world.stack("shop", &[]).await;
        world.verified("shop", "a.example").await;
        assert_eq!(world.served(), ["a.example"]);
        let (status, answer) = world.operate("DELETE", &format!("shop{query}"), Value::Null).await;
        assert!(status < 300, "{status} {answer}");
        assert_eq!(world.served(), NOBODYS, "{query}");
        world.stack("other", &[]).await;
        world.verified("other", "a.example").await;
    }
}
