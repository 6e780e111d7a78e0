//! Project Fn's files as their writers meet them.

mod app;
mod broken;
mod recipes;
mod schemas;

use mu_stack::func::{FuncFile, FuncLanguage, FuncLimits, FuncSchema, FuncVersion, TriggerKind};
use proptest::prelude::*;
use serde_json::json;

/// A func file that has every key of the new schema.
const FULL: &str = include_str!("func/full.yaml");

fn parsed(text: &str) -> FuncFile {
    FuncFile::parse("func.yaml", text.as_bytes()).unwrap_or_else(|report| panic!("{report}"))
}

#[test]
fn every_key_is_read() {
    let file = parsed(FULL);
    assert_eq!(file.schema, FuncSchema::V20180708);
    assert_eq!(file.name.as_ref().unwrap().to_string(), "me/hello");
    assert_eq!(file.version, "0.0.7".parse().unwrap());
    let runtime = file.runtime.as_ref().unwrap();
    assert_eq!((runtime.language, runtime.version.as_deref()), (FuncLanguage::Python, Some("3.11")));
    assert_eq!(file.build_image.as_ref().unwrap().as_str(), "fnproject/python:3.11-dev");
    assert_eq!(file.run_image.as_ref().unwrap().as_str(), "localhost:5000/python:3.11");
    assert_eq!(file.entrypoint, ["/python/bin/fdk", "/function/func.py", "handler"]);
    assert_eq!(file.cmd, ["--greeting", "good morning"]);
    assert_eq!(file.content_type.as_deref(), Some("application/json"));
    let limits = FuncLimits { memory_mb: Some(256), timeout_s: Some(60), idle_timeout_s: None };
    assert_eq!(file.limits, limits);
    assert_eq!(file.config.iter().collect::<Vec<_>>(), [("DEBUG", "true"), ("GREETING", "hello"), ("_N1", "1.50")]);
    let annotations = json!({"example.com/owner": "team", "example.com/list": [1, -2.5, true, {"a": null}]});
    assert_eq!(json!(file.annotations), annotations);
    assert_eq!(file.build, ["make assets", "rm -rf tests"]);
    let expected: Vec<_> = file.expects.iter().map(|expected| (expected.name.as_str(), expected.required)).collect();
    assert_eq!(expected, [("DATABASE_URL", true), ("CACHE", false)]);
    let triggers: Vec<_> = file.triggers.iter().map(|trigger| format!("{}: {}", trigger.name, trigger.kind)).collect();
    assert_eq!(
        triggers,
        [
            "hello-trigger: http /hello",
            "http: http /greetings/",
            "event: event asyncProcessor",
            "scheduled: scheduled */5 8-17 * * 1-5",
            "http-2: http /",
        ]
    );
    let notes: Vec<_> = file.notes.iter().map(ToString::to_string).collect();
    assert_eq!(
        notes,
        [
            "29:5: note: the trigger `event` (event asyncProcessor) is not run yet",
            "31:5: note: the trigger `scheduled` (scheduled */5 8-17 * * 1-5) is not run yet",
            "35:1: note: `deploy` is for Oracle's cloud, and has no effect here",
            "43:1: note: `signing_details` is for Oracle's cloud, and has no effect here",
            "17:1: note: `annotations` has no effect here",
            "10:1: note: `type` has no effect: whoever calls says `Fn-Invoke-Type: detached`",
        ]
    );
}

#[test]
fn everything_has_a_default() {
    let file = parsed("schema_version: 20180708\n");
    assert_eq!((file.name, file.runtime, file.version), (None, None, FuncVersion::default()));
    assert_eq!(file.limits.function_limits(), mu_stack::FunctionLimits::default());
    assert!(file.cmd.is_empty() && file.triggers.is_empty() && file.config.is_empty() && file.notes.is_empty());
    let zero = parsed("memory: 0\ntimeout: 0\nidle_timeout: 0\n");
    assert_eq!(zero.limits, FuncLimits::default());
}

#[test]
fn the_old_schema_is_read() {
    let file = parsed(
        "
name: hello
version: 0.0.1
runtime: java9
path: /hello
format: json
type: sync
memory: 128
cpus: 100m
timeout: 30
idle_timeout: 60
cmd: com.example.fn.HelloFunction::handleRequest
headers: {Content-Type: [text/plain]}
build_image: fnproject/fn-java-fdk-build:jdk9-1.0.56
tests:
  - {name: one, input: {body: {name: a}}, output: {body: b}}
  - {input: {body: 1}, outoutput: {body: 2}, err: oops}
",
    );
    assert_eq!(file.schema, FuncSchema::Old);
    let [trigger] = &file.triggers[..] else { panic!("{:?}", file.triggers) };
    assert_eq!(trigger.name.as_str(), "http");
    assert!(matches!(&trigger.kind, TriggerKind::Http(source) if source.to_string() == "/hello"));
    let notes: Vec<_> = file.notes.iter().map(|note| note.message.as_str()).collect();
    assert_eq!(
        notes,
        [
            "`cpus` has no effect here",
            "`headers` has no effect here",
            "`tests` has no effect here",
            "`format` has no effect: containers are called by `http-stream`, whatever was used before",
        ]
    );
}

#[test]
fn json_is_read_as_well() {
    let text = "{\n\t\"schema_version\": 20180708,\n\t\"name\": \"a\\u0062\",\n\t\"config\": {\"A\": \"1\"},\n\t\"triggers\": [{\"type\": \"http\", \"source\": \"/a\"}]\n}\n";
    let file = parsed(text);
    assert_eq!(file.name.unwrap().as_str(), "ab");
    assert_eq!(file.config.value("A"), Some("1"));
    assert_eq!(file.triggers.len(), 1);
}

proptest! {
    /// What a slip of the hand makes of a func file is a func file or a report, never a panic; and so for its version.
    #[test]
    fn a_damaged_func_file_has_an_answer(
        edits in prop::collection::vec((0..FULL.len(), "[-a-z0-9:{}\\[\\]&*!|\"' \n\u{0}é]{0,3}", 0..20_usize), 1..4),
    ) {
        let mut text = FULL.to_owned();
        for (at, inserted, removed) in edits {
            let boundary = |index: usize| (0..=index).rev().find(|&index| text.is_char_boundary(index)).unwrap_or(0);
            let (start, end) = (boundary(at.min(text.len())), boundary((at + removed).min(text.len())));
            text.replace_range(start.min(end)..end, &inserted);
        }
        if let Err(report) = FuncFile::parse("func.yaml", text.as_bytes()) {
            prop_assert!(!report.problems.is_empty());
        }
        if let Ok((bumped, version)) = mu_stack::func::bumped("func.yaml", &text, Default::default()) {
            let read = FuncFile::parse("func.yaml", bumped.as_bytes()).map_err(|e| TestCaseError::fail(e.to_string()))?;
            prop_assert_eq!(read.version, version);
        }
    }
}
