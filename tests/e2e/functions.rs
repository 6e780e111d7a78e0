//! What functions built with the SDK can do, well or badly, behind the real gateway.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::thread;

use serde_json::{Value, json};

use crate::support::{Answer, Project, Running, guest};

/// A project with one route, a `POST`, for each of these handlers of the kit, with a table `t`, a box `b` and a public
/// box `p`.
fn kit(handlers: &[&str], settings: &str) -> Project {
    let project = Project::of_modules(&[("kit", &guest("kit.wasm"))]);
    let routes: String = handlers.iter().map(|name| format!("      /{name}: {{ post: kit.{name} }}\n")).collect();
    project.replace("mu.yaml", "    endpoints:\n", &format!("    endpoints:\n{routes}"));
    let services = "  - { type: KeyValueTable, name: t }\n  - { type: Storage, name: b }\n  - { type: Storage, name: p, public: true }\n";
    project.replace("mu.yaml", "  - type: Gateway\n", &format!("{services}  - type: Gateway\n"));
    project.replace("mu.yaml", "    module: kit.wasm\n", &format!("    module: kit.wasm\n{settings}"));
    project
}

const JSON: (&str, &str) = ("content-type", "application/json");

fn post(running: &Running<'_>, path: &str, body: &str) -> Answer {
    running.send("POST", &format!("/web/{path}"), &[JSON], body.as_bytes())
}

/// The report of the call that answered.
fn call_of(running: &Running<'_>, answer: &Answer) -> Value {
    let id = answer.header("x-mu-invocation-id").unwrap();
    running.event("call", |event| event["event"] == "call" && event["invocation"] == id)
}

#[test]
fn reads_and_writes_are_counted_and_kept() {
    let project = kit(&["db"], "");
    let running = Running::start(&project);
    let operations = json!([
        {"op": "put", "table": "t", "key": "a", "value": "1"},
        {"op": "put_atomic", "table": "t", "key": "b", "value": "2"},
        {"op": "get", "table": "t", "key": "a"},
        {"op": "get", "table": "undeclared", "key": "a"},
    ]);
    let answer = post(&running, "db", &operations.to_string());
    let results = answer.json();
    assert_eq!(results[2], "1", "{results}");
    assert!(results[3]["error"].as_str().unwrap().contains("undeclared"), "{results}");
    let call = call_of(&running, &answer);
    assert_eq!((&call["db_reads"], &call["db_writes"]), (&json!(1), &json!(3)), "{call}");
    running.kill();

    let running = Running::start(&project);
    let read = json!([{"op": "scan", "table": "t", "prefix": "", "limit": 10}]);
    assert_eq!(post(&running, "db", &read.to_string()).json(), json!([[["a", "1"], ["b", "2"]]]));
}

#[test]
fn only_public_boxes_are_read_over_http() {
    let project = kit(&["storage_put"], "");
    let running = Running::start(&project);
    for the_box in ["p", "b"] {
        let put = post(&running, &format!("storage_put?box={the_box}&key=style.css"), "a { color: red }");
        assert_eq!(put.status, 204, "{}", put.text());
    }
    let answer = running.get("/p/style.css");
    assert_eq!((answer.status, answer.text().as_str()), (200, "a { color: red }"));
    assert_eq!(answer.header("content-type"), Some("text/css"));
    let part = running.send("GET", "/p/style.css", &[("range", "bytes=4-8")], b"");
    assert_eq!((part.status, part.text().as_str()), (206, "color"));
    let etag = answer.header("etag").unwrap();
    assert_eq!(running.send("GET", "/p/style.css", &[("if-none-match", etag)], b"").status, 304);
    assert_eq!(running.send("HEAD", "/p/style.css", &[], b"").header("content-length"), Some("16"));
    assert_eq!(running.get("/b/style.css").status, 404);
}

/// Answers every connection with 200 and `local`.
fn local_server() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for connection in listener.incoming() {
            let Ok(mut connection) = connection else { return };
            let _ = connection.read(&mut [0; 4096]);
            let _ = connection.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\nconnection: close\r\n\r\nlocal");
        }
    });
    address
}

#[test]
fn a_function_reaches_this_machine_only_when_allowed() {
    let url = format!("http://{}/", local_server());
    let project = kit(&["http_get"], "");
    let running = Running::start(&project);
    let refused = post(&running, "http_get", &url);
    assert_eq!(refused.status, 502, "{}", refused.text());
    assert!(refused.text().contains("127.0.0.1"), "{}", refused.text());
    drop(running);
    let running = Running::start_with(&project, &["--no-watch", "--allow-private-network"]);
    assert_eq!(post(&running, "http_get", &url).json()["body"], "local");
}

#[test]
fn a_function_sees_that_memory_is_refused() {
    let project = kit(&["alloc", "overflow"], "");
    let running = Running::start(&project);
    let answer = post(&running, "alloc", "");
    let bytes: u64 = answer.text().split(' ').nth(2).unwrap().parse().unwrap();
    assert!(answer.status == 200 && (8 << 20..16 << 20).contains(&bytes), "{}", answer.text());
    let used = call_of(&running, &answer)["memory_bytes_max"].as_u64().unwrap();
    assert!(used <= 16 << 20, "{used}");
    let answer = post(&running, "overflow", "");
    assert_eq!((answer.status, answer.json()["code"].as_str()), (502, Some("function_trapped")), "{}", answer.text());
}

#[test]
fn the_timeout_counts_also_while_a_function_waits_for_the_node() {
    let project = kit(&["ask_forever"], "    timeout: 200ms\n");
    let running = Running::start(&project);
    let answer = post(&running, "ask_forever", "t");
    assert_eq!((answer.status, answer.json()["code"].as_str()), (504, Some("timed_out")), "{}", answer.text());
}

#[test]
fn a_log_keeps_its_levels_and_is_cut_at_its_limit() {
    let project = kit(&["logs", "stderr", "log_much", "panic"], "");
    let running = Running::start(&project);
    post(&running, "logs", "hi");
    for level in ["error", "warn", "info", "debug", "trace"] {
        let line = running.event(level, |event| event["message"] == format!("context {level}: hi"));
        assert_eq!((&line["level"], &line["source"]), (&json!(level), &json!("function")));
        running.event(level, |event| event["message"] == format!("macro {level}: hi") && event["level"] == level);
    }
    post(&running, "stderr", "one\ntwo");
    for line in ["one", "two"] {
        running.event(line, |event| event["message"] == line && event["source"] == "stderr");
    }
    let answer = post(&running, "log_much?bytes=2000000", "");
    assert_eq!(answer.status, 204, "{}", answer.text());
    running.event("notice", |event| {
        event["source"] == "runtime" && event["message"].as_str().is_some_and(|text| text.starts_with("log cut"))
    });
    let answer = post(&running, "panic", "nothing works");
    assert_eq!((answer.status, answer.json()["code"].as_str()), (502, Some("function_failed")), "{}", answer.text());
    running.event("reason", |event| {
        event["level"] == "error" && event["message"].as_str().is_some_and(|text| text.contains("nothing works"))
    });
}

/// A function that was built against the first SDK, as it was published, runs unchanged.
#[test]
fn functions_of_the_first_sdk_run_unchanged() {
    let project = Project::of_modules(&[("original", &guest("original.wasm"))]);
    let handlers = ["echo", "greet", "data", "panics"];
    let routes: String = handlers.iter().map(|name| format!("      /{name}: {{ post: original.{name} }}\n")).collect();
    project.replace("mu.yaml", "    endpoints:\n", &format!("    endpoints:\n{routes}"));
    let services = "  - { type: KeyValueTable, name: table }\n  - { type: Storage, name: box }\n";
    project.replace("mu.yaml", "  - type: Gateway\n", &format!("{services}  - type: Gateway\n"));
    let running = Running::start(&project);

    let told = |path: &str, body: &str| {
        let answer = running.send("POST", &format!("/web/{path}"), &[], body.as_bytes());
        (answer.status, answer.text())
    };
    assert_eq!(told("echo", "some bytes"), (200, "some bytes".to_owned()));
    assert_eq!(told("greet", ""), (200, "hello from the first SDK".to_owned()));
    // A value of two bytes, none, two rows, two keys, one table, an error, an object of six bytes, one object.
    assert_eq!(told("data", ""), (200, "Some(2) None 2 2 1 true 6 1".to_owned()));
    assert_eq!(told("panics", "").0, 502);
    assert_eq!(told("echo", "still here"), (200, "still here".to_owned()));
    let line = running.event("the log line", |event| event["event"] == "log" && event["message"] == "greeting");
    assert_eq!((&line["level"], &line["source"]), (&json!("info"), &json!("function")));
}
