//! The examples, as a newcomer runs them: with their checked-in modules, so without a WebAssembly compiler.

use std::fs;

use serde_json::{Value, json};

use crate::support::{Answer, Project, Running, files_below, output};

#[test]
fn the_checked_in_modules_are_up_to_date() {
    for example in ["hello", "todo", "chat"] {
        let project = Project::of_example(example);
        let built = output(project.path(), &["build"]);
        let said = String::from_utf8_lossy(&built.stderr).into_owned();
        assert!(built.status.success(), "{said}");
        assert_eq!(said, format!("{example} is up to date\n"), "run `cargo xtask guests` and commit the modules");
    }
}

#[test]
fn hello_greets() {
    let project = Project::of_example("hello");
    let running = Running::start(&project);
    let answer = running.get("/hello/");
    assert_eq!((answer.status, answer.text().as_str()), (200, "Hello, world!\n"));
    assert_eq!(answer.header("content-type"), Some("text/plain; charset=utf-8"));
    assert_eq!(running.get("/hello/Ada%20Lovelace").text(), "Hello, Ada Lovelace! Visit 1.\n");
    let log = running.event("log line", |event| event["message"] == "greeting Ada Lovelace");
    assert_eq!((&log["level"], &log["source"]), (&json!("info"), &json!("function")), "{log}");
    let call = running.event("call", |event| event["event"] == "call" && event["invocation"] == log["invocation"]);
    assert_eq!((&call["route"], &call["status"], &call["handler"]), (&json!("/{name}"), &json!(200), &json!("greet")));
    assert!(call["instructions"].as_u64().unwrap() > 1_000, "{call}");
    assert!(call["megabyte_instructions"].as_str().unwrap().parse::<f64>().unwrap() > 0.0, "{call}");
}

#[test]
fn the_same_call_costs_the_same_in_every_run() {
    let counts: Vec<Value> = (0..2)
        .map(|_| {
            let project = Project::of_example("hello");
            let running = Running::start(&project);
            running.get("/hello/Ada");
            let call = running.event("call", |event| event["event"] == "call");
            json!([call["instructions"], call["megabyte_instructions"], call["memory_bytes_max"]])
        })
        .collect();
    assert_eq!(counts[0], counts[1]);
}

#[test]
fn every_printed_address_is_right() {
    let project = Project::of_example("todo");
    let running = Running::start(&project);
    let addresses = running.addresses().clone();
    assert_eq!(addresses["stack"], "todo");
    assert!(addresses["stack_id"].as_str().unwrap().starts_with("s_"), "{addresses}");
    let routes = addresses["routes"].as_array().unwrap();
    assert_eq!(routes.len(), 6, "{addresses}");
    for route in routes {
        running.said(route["url"].as_str().unwrap());
    }
    // By its id as well as by its name.
    let path = format!("/{}/todo/", addresses["stack_id"].as_str().unwrap());
    let answer = crate::support::http::send(running.gateway(), "GET", &path, &[ADA], b"").unwrap();
    assert_eq!((answer.status, answer.json()), (200, json!([])));
}

const ADA: (&str, &str) = ("x-user-id", "ada");
const JSON: (&str, &str) = ("content-type", "application/json");

/// The text of the attachment, which must not be found on disk.
const SECRET: &[u8] = b"the-recipe-that-nobody-may-read-on-disk";

fn todo(running: &Running<'_>, method: &str, path: &str, body: &[u8]) -> Answer {
    running.send(method, &format!("/todo/{path}"), &[ADA, JSON], body)
}

#[test]
fn what_was_acknowledged_survives_a_kill_and_is_encrypted_on_disk() {
    let project = Project::of_example("todo");
    let running = Running::start(&project);
    let created = todo(&running, "POST", "", br#"{"title": "tea", "description": "green"}"#);
    assert_eq!(created.status, 201, "{}", created.text());
    assert_eq!(todo(&running, "PUT", "tea/attachments/recipe.txt", SECRET).status, 204);
    running.kill();

    for file in files_below(&project.path().join(".mu")) {
        let bytes = fs::read(&file).unwrap_or_default();
        assert!(!bytes.windows(SECRET.len()).any(|window| window == SECRET), "{} holds it", file.display());
    }

    let running = Running::start(&project);
    let shown = todo(&running, "GET", "tea", b"");
    let attachments = json!([{"name": "recipe.txt", "bytes": SECRET.len()}]);
    assert_eq!(shown.json(), json!({"title": "tea", "description": "green", "attachments": attachments}));
    assert_eq!(todo(&running, "GET", "tea/attachments/recipe.txt", b"").body, SECRET);
    let read = running.event("read", |event| event["event"] == "call" && event["storage_reads"].as_u64() > Some(0));
    assert_eq!(read["verdict"], "answered", "{read}");
}

#[test]
fn a_disk_that_refuses_a_write_loses_nothing_that_was_acknowledged() {
    let project = Project::of_example("todo");
    let running = Running::start_with_small_files(&project, 4096);
    assert_eq!(todo(&running, "POST", "", br#"{"title": "tea"}"#).status, 201);
    assert_eq!(todo(&running, "PUT", "tea/attachments/small", SECRET).status, 204);
    let refused = todo(&running, "PUT", "tea/attachments/large", &vec![b'x'; 3 << 20]);
    assert_eq!(refused.status, 500, "{}", refused.text());
    // What the disk said is for the operator; the author hears what it means for the function.
    running.event("reason for the author", |event| {
        event["event"] == "log" && event["message"].as_str().is_some_and(|line| line.contains("storage is unavailable"))
    });
    running.said("File too large");
    assert_eq!(todo(&running, "PUT", "tea/attachments/small2", SECRET).status, 204);
    running.kill();
    let running = Running::start(&project);
    let names = |shown: &Value| -> Vec<String> {
        shown["attachments"].as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(names(&todo(&running, "GET", "tea", b"").json()), ["small", "small2"]);
    assert_eq!(todo(&running, "GET", "tea/attachments/small", b"").body, SECRET);
}

/// Kills the process while it is being written to, again and again: every todo whose creation was acknowledged is
/// there afterwards.
#[test]
fn nothing_acknowledged_is_lost_to_a_kill_at_any_time() {
    let project = Project::of_example("todo");
    let mut acknowledged = Vec::new();
    for round in 0..3 {
        let running = Running::start(&project);
        let gateway = running.gateway();
        let (sender, created) = std::sync::mpsc::channel();
        let writers: Vec<_> = (0..4)
            .map(|writer| {
                let sender = sender.clone();
                std::thread::spawn(move || {
                    for number in 0..60 {
                        let title = format!("{round}-{writer}-{number}");
                        let body = json!({"title": title}).to_string();
                        let sent =
                            crate::support::http::send(gateway, "POST", "/todo/todo/", &[ADA, JSON], body.as_bytes());
                        match sent {
                            Ok(answer) if answer.status == 201 => sender.send(title).unwrap(),
                            _ => return,
                        }
                    }
                })
            })
            .collect();
        drop(sender);
        let before_kill = created.iter().take(20).collect::<Vec<_>>();
        running.kill();
        acknowledged.extend(before_kill);
        acknowledged.extend(created);
        writers.into_iter().for_each(|writer| writer.join().unwrap());
    }
    let running = Running::start(&project);
    let listed = todo(&running, "GET", "", b"").json();
    let titles: Vec<&str> = listed.as_array().unwrap().iter().map(|todo| todo["title"].as_str().unwrap()).collect();
    assert!(acknowledged.len() >= 60 && titles.len() >= acknowledged.len());
    for title in &acknowledged {
        assert!(titles.contains(&title.as_str()), "{title} was acknowledged and is gone");
    }
}
