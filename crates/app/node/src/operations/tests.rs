//! The listener as a scraper and an orchestrator see it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use mu_env::{Env, Timestamp};
use mu_telemetry::MetricsParams;
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::*;

/// A listener that serves, and what it is asked about.
struct World {
    env: Env,
    address: SocketAddr,
    is_broken: Arc<AtomicBool>,
}

impl World {
    /// `database` passes until it breaks; `slow` are further probes.
    fn start(token: Option<&str>, slow: Vec<Probe>) -> Self {
        let env = Env::simulated(1, Timestamp::from_micros(0));
        let is_broken = Arc::new(AtomicBool::new(false));
        let asked = Arc::clone(&is_broken);
        let database = Probe::new("database", Duration::from_secs(5), move || {
            let is_broken = asked.load(Ordering::Relaxed);
            async move { if is_broken { Err("the disk is full".to_owned()) } else { Ok(()) } }
        });
        let parts = OperationsParts {
            metrics: Metrics::new(MetricsParams { version: "1.2.3", functions_max: 10 }),
            readings: Arc::new(|| Readings { stacks: 3, ..Readings::default() }),
            probes: [database].into_iter().chain(slow).collect(),
            token: token.map(|token| Secret::new(token.to_owned())),
            shutdown: env.tasks().shutdown().clone(),
        };
        let operations = Operations::bind("127.0.0.1:0".parse().unwrap(), parts).unwrap();
        let address = operations.address();
        env.tasks().spawn(operations.serve(std::future::pending()));
        Self { env, address, is_broken }
    }

    /// The whole answer to a request.
    async fn ask(&self, head: &str) -> String {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(format!("{head}\r\nhost: x\r\n\r\n").as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }

    async fn get(&self, path: &str) -> (u16, Value) {
        let answer = self.ask(&format!("GET {path} HTTP/1.1")).await;
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (head[9..12].parse().unwrap(), serde_json::from_str(body).unwrap())
    }
}

#[tokio::test]
async fn the_process_is_alive_and_says_what_it_counts() {
    let world = World::start(None, Vec::new());
    let (status, body) = world.get("/healthz?x").await;
    assert_eq!((status, &body["status"]), (200, &Value::from("alive")));
    let answer = world.ask("GET /metrics HTTP/1.1").await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    assert!(
        answer.contains("content-type: application/openmetrics-text; version=1.0.0; charset=utf-8\r\n"),
        "{answer}"
    );
    assert!(answer.contains("mu_stacks 3\n"), "{answer}");
    assert!(answer.contains("mu_build_info{version=\"1.2.3\"} 1\n") && answer.ends_with("# EOF\n"), "{answer}");
    let head = world.ask("HEAD /metrics HTTP/1.1").await;
    assert!(head.starts_with("HTTP/1.1 200 ") && head.ends_with("\r\n\r\n"), "{head}");
}

#[tokio::test]
async fn ready_is_when_every_probe_passes() {
    let never = Probe::new("storage", Duration::from_millis(1), std::future::pending);
    let hopeful = World::start(None, Vec::new());
    let (status, body) = hopeful.get("/readyz").await;
    assert_eq!((status, &body["status"]), (200, &Value::from("ready")));
    assert_eq!(body["checks"]["database"]["ok"], true);

    let world = World::start(None, vec![never]);
    world.is_broken.store(true, Ordering::Relaxed);
    let (status, body) = world.get("/readyz").await;
    assert_eq!((status, &body["code"]), (503, &Value::from("unavailable")));
    assert_eq!(body["message"], "not ready: database, storage");
    assert_eq!(body["details"]["checks"]["database"]["message"], "the disk is full");
    assert_eq!(body["details"]["checks"]["storage"]["message"], "no answer within 1ms");
    // Alive all the same.
    assert_eq!(world.get("/healthz").await.0, 200);
}

#[tokio::test]
async fn a_node_that_stops_is_not_ready_and_still_answers() {
    let world = World::start(None, Vec::new());
    world.env.tasks().shutdown().request();
    let (status, body) = world.get("/readyz").await;
    assert_eq!((status, &body["details"]["failed"][0]), (503, &Value::from("shutdown")));
    assert_eq!(world.get("/healthz").await.0, 200);
}

#[tokio::test]
async fn metrics_are_for_who_has_the_token() {
    let world = World::start(Some("0123456789abcdef"), Vec::new());
    for (header, status) in [
        ("authorization: Bearer 0123456789abcdef", "200"),
        ("authorization: bearer 0123456789abcdef", "200"),
        ("authorization: Bearer 0123456789abcdeX", "401"),
        ("authorization: Basic 0123456789abcdef", "401"),
        ("authorization: Bearer", "401"),
        ("x: y", "401"),
    ] {
        let answer = world.ask(&format!("GET /metrics HTTP/1.1\r\n{header}")).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{header}\n{answer}");
        assert_eq!(answer.contains("www-authenticate: Bearer\r\n"), status == "401", "{answer}");
    }
    assert_eq!(world.get("/healthz").await.0, 200);
    assert_eq!(world.get("/readyz").await.0, 200);
}

#[tokio::test]
async fn other_requests_are_answered_with_what_there_is() {
    let world = World::start(None, Vec::new());
    let (status, body) = world.get("/").await;
    assert_eq!((status, &body["code"]), (404, &Value::from("not_found")));
    let answer = world.ask("POST /metrics HTTP/1.1\r\ncontent-length: 0").await;
    assert!(answer.starts_with("HTTP/1.1 405 ") && answer.contains("allow: GET, HEAD\r\n"), "{answer}");
    let long = format!("GET /healthz HTTP/1.1\r\nx: {}", "y".repeat(20_000));
    // The answer, or the end of the connection, may come before all is sent.
    let mut stream = TcpStream::connect(world.address).await.unwrap();
    let _ = stream.write_all(long.as_bytes()).await;
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    assert!(!answer.starts_with(b"HTTP/1.1 200"));
}

#[tokio::test(start_paused = true)]
async fn those_who_say_nothing_do_not_keep_others_out() {
    let world = World::start(None, Vec::new());
    let mut silent = Vec::new();
    // More than are served at once, and fewer than wait for it.
    for _ in 0..60 {
        silent.push(TcpStream::connect(world.address).await.unwrap());
    }
    // Time stands still; when there is nothing to do, the runtime moves it on to the deadline of the silent ones.
    assert_eq!(world.get("/healthz").await.0, 200);
}

#[tokio::test]
async fn the_end_cuts_what_is_under_way_and_frees_the_address() {
    let env = Env::simulated(1, Timestamp::from_micros(0));
    let parts = || OperationsParts {
        metrics: Metrics::new(MetricsParams { version: "1", functions_max: 1 }),
        readings: Arc::new(Readings::default),
        probes: Vec::new(),
        token: None,
        shutdown: env.tasks().shutdown().clone(),
    };
    let operations = Operations::bind("127.0.0.1:0".parse().unwrap(), parts()).unwrap();
    let address = operations.address();
    let error = Operations::bind(address, parts()).err().unwrap().to_string();
    assert!(error.contains(&address.to_string()) && error.contains("metrics.address"), "{error}");
    let shutdown = env.tasks().shutdown().clone();
    env.tasks().spawn(operations.serve(async move { shutdown.requested().await }));
    let mut under_way = TcpStream::connect(address).await.unwrap();
    env.tasks().stop().await;
    assert_eq!(under_way.read(&mut [0]).await.unwrap_or(0), 0);
    assert!(Operations::bind(address, parts()).is_ok());
}
