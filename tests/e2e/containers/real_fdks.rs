//! Images with the real FDKs of Python and Node.js, unchanged, over routes, `mu invoke` and Fn's `/invoke`.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::images;
use crate::support::node::Node;
use crate::support::{Images, Project, Running, output};

/// The function of each language, and the header that it sets.
const LANGUAGES: [(&str, &str); 2] = [("python", "Python"), ("node", "JavaScript")];

/// A project of both.
fn project(images: &Images) -> Project {
    let archives = LANGUAGES.map(|(name, _)| images.archive(&format!("{name}-hello")));
    let keys = "timeout: 20s, env: {GREETING: hi}";
    let [python, node] = archives.each_ref().map(PathBuf::as_path);
    Project::of_containers(&[("python", python, keys), ("node", node, keys)])
}

#[test]
fn over_routes_they_see_a_request_and_answer_one() {
    let images = images!();
    let project = project(&images);
    let running = Running::start(&project);
    for (name, language) in LANGUAGES {
        let answer = running.send("GET", &format!("/web/{name}?z=1"), &[("x-header", "here")], b"");
        assert_eq!(answer.status, 200, "{name}: {}", answer.text());
        let told = answer.json();
        let seen = [&told["message"], &told["method"], &told["header"], &told["greeting"]];
        assert_eq!(seen, ["Hello World", "GET", "here", "hi"], "{told}");
        assert!(told["url"].as_str().unwrap().ends_with(&format!("/{name}?z=1")), "{told}");
        assert_eq!(answer.header("x-language"), Some(language));
        assert_eq!(answer.header("content-type"), Some("application/json"));
        // What FDKs say of themselves is for the node.
        assert!(answer.headers.iter().all(|(name, _)| !name.starts_with("fn-http-")), "{:?}", answer.headers);

        let body = json!({"name": "Ada", "status": 418}).to_string();
        let answer = running.send("PUT", &format!("/web/{name}"), &[], body.as_bytes());
        assert_eq!((answer.status, &answer.json()["message"]), (418, &json!("Hello Ada")), "{name}");
        for line in ["greeting Ada", "printed for Ada"] {
            running.event(&format!("`{line}` of {name}"), |event| {
                event["event"] == "log"
                    && event["function"] == name
                    && event["message"].as_str().is_some_and(|message| message.contains(line))
            });
        }
    }
}

#[test]
fn a_function_that_throws_has_failed_and_its_container_goes_on() {
    let images = images!();
    let project = project(&images);
    let running = Running::start(&project);
    for (name, _) in LANGUAGES {
        let call = |wanted: Value| running.send("POST", &format!("/web/{name}"), &[], wanted.to_string().as_bytes());
        assert_eq!(call(json!({})).status, 200);
        let failed = call(json!({"fail": "no more ideas"}));
        assert_eq!((failed.status, &failed.json()["code"]), (502, &json!("function_failed")), "{name}");
        assert_eq!(call(json!({})).status, 200, "after it has failed");
        running.event(&format!("the reason why {name} failed"), |event| {
            event["event"] == "log" && event["message"].as_str().is_some_and(|text| text.contains("no more ideas"))
        });
    }
    // Python's FDK has a word of its own for functions that give up in time.
    let late = running.send("POST", "/web/python", &[], br#"{"late": "too much to do"}"#);
    assert_eq!((late.status, late.json()["code"].as_str()), (504, Some("timed_out")), "{}", late.text());
}

#[test]
fn the_command_line_calls_them() {
    let images = images!();
    let project = project(&images);
    let called = |name: &str| {
        let handler = format!("{name}.handle");
        let arguments = ["invoke", &handler, "-X", "POST", "--data", r#"{"name":"Ada"}"#, "--output", "json"];
        let called = output(project.path(), &arguments);
        assert!(called.status.success(), "{}", String::from_utf8_lossy(&called.stderr));
        serde_json::from_slice::<Value>(&called.stdout).unwrap()
    };
    // Without a node, and by one that runs.
    for told in [called("python"), called("node")] {
        assert_eq!(told["answer"]["status"], 200, "{told}");
    }
    let _running = Running::start(&project);
    for (name, _) in LANGUAGES {
        let told = called(name);
        assert_eq!(told["answer"]["status"], 200, "{told}");
        assert!(told["logs"].to_string().contains("greeting Ada"), "{told}");
        // Time of processors, times memory, at the declared rate.
        assert_ne!(told["receipt"]["megabyte_instructions"], "0", "{told}");
    }
}

#[test]
fn fns_api_calls_them_as_fn_does() {
    let images = images!();
    let node = Node::with_operator_and(&[]);
    let project = project(&images);
    node.done(project.path(), &["deploy"]);
    let token = node.token();
    let app = node.ask(&token, "GET", "/v2/apps?name=test", b"").json()["items"][0]["id"].clone();
    let app = app.as_str().unwrap();
    for (name, _) in LANGUAGES {
        let call = |body: &str| node.ask(&token, "POST", &format!("/invoke/{app}.{name}"), body.as_bytes());
        let answer = call(r#"{"name": "Ada"}"#);
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert_eq!(answer.json()["message"], "Hello Ada");
        // Nobody asked over HTTP.
        assert_eq!(answer.json()["method"], Value::Null);
        assert!(answer.header("fn-call-id").is_some(), "{:?}", answer.headers);
        let failed = call(r#"{"fail": "no"}"#);
        assert_eq!((failed.status, failed.json()), (502, json!({"message": "function failed"})));
    }
    let lines = node.done(Path::new("/"), &["logs", "--stack", "test"]);
    assert!(lines.contains("greeting Ada"), "{lines}");
}
