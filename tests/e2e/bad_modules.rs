//! Functions that misbehave: the caller gets a clear error, the author a line in the log, and the node goes on.

use crate::support::{Project, Running, output};

/// A module that exports `_start` with this body, and `data` at address 16.
pub fn command(data: &[u8], body: &str) -> Vec<u8> {
    let data: String = data.iter().map(|byte| format!("\\{byte:02x}")).collect();
    let text = format!(
        r#"(module
            (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
            (import "wasi_snapshot_preview1" "fd_close" (func $close (param i32) (result i32)))
            (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
            (memory (export "memory") 1)
            (data (i32.const 16) "{data}")
            (func $say (param $fd i32) (param $length i32)
                (i32.store (i32.const 0) (i32.const 16))
                (i32.store (i32.const 4) (local.get $length))
                (drop (call $write (local.get $fd) (i32.const 0) (i32.const 1) (i32.const 8))))
            (func (export "_start") {body}))"#
    );
    wat::parse_str(text).unwrap()
}

/// A module that writes these bytes to its standard output and ends.
pub fn says(bytes: &[u8]) -> Vec<u8> {
    command(bytes, &format!("(call $say (i32.const 1) (i32.const {}))", bytes.len()))
}

/// The message `FunctionResult`: code 2, a status, headers, a body.
pub fn answer(status: u16, headers: &[(&str, &str)], body: &str) -> Vec<u8> {
    let mut bytes = [2_u16.to_le_bytes(), status.to_le_bytes()].concat();
    let text = |bytes: &mut Vec<u8>, text: &str| {
        bytes.extend((text.len() as u32).to_le_bytes());
        bytes.extend(text.as_bytes());
    };
    bytes.extend((headers.len() as u32).to_le_bytes());
    for (name, value) in headers {
        text(&mut bytes, name);
        text(&mut bytes, value);
    }
    text(&mut bytes, body);
    bytes
}

/// The message `FatalError`.
fn fatal(error: &str) -> Vec<u8> {
    [&1_u16.to_le_bytes()[..], &(error.len() as u32).to_le_bytes(), error.as_bytes()].concat()
}

/// A well-behaved function: whatever it is asked, it answers 200 and this text.
pub fn answers(text: &str) -> Vec<u8> {
    says(&answer(200, &[("content-type", "text/plain")], text))
}

fn fine() -> Vec<u8> {
    answers("fine")
}

#[test]
fn a_failing_call_harms_nobody_else() {
    let cases: [(&str, Vec<u8>, u16, &str, &str); 13] = [
        ("traps", command(b"", "unreachable"), 502, "function_trapped", "unreachable"),
        ("loops", command(b"", "(loop $again (br $again))"), 504, "out_of_instructions", "max_instructions"),
        (
            "hoards",
            command(b"", "(loop $more (br_if $more (i32.ne (memory.grow (i32.const 16)) (i32.const -1)))) unreachable"),
            502,
            "function_trapped",
            "unreachable",
        ),
        ("babbles", says(b"this is no message"), 502, "function_broke_protocol", "not a message"),
        ("stops-short", says(&answer(200, &[], "fine")[..6]), 502, "function_broke_protocol", "middle of a message"),
        ("leaves", command(b"", ""), 502, "function_gave_no_result", "without a result"),
        ("exits", command(b"", "(call $exit (i32.const 3))"), 502, "function_gave_no_result", "without a result"),
        ("closes", command(b"", "(drop (call $close (i32.const 0)))"), 502, "function_gave_no_result", "without a result"),
        ("gives-up", says(&fatal("no more ideas")), 502, "function_failed", "no more ideas"),
        ("status", says(&answer(42, &[], "")), 502, "function_response_invalid", "42"),
        ("header", says(&answer(200, &[("bad name", "x")], "")), 502, "function_response_invalid", "bad name"),
        ("value", says(&answer(200, &[("x-split", "a\r\nb")], "")), 502, "function_response_invalid", "x-split"),
        (
            "floods",
            command(&[b'x'; 1024], "(loop $again (call $say (i32.const 1) (i32.const 1024)) (br $again))"),
            502,
            "function_broke_protocol",
            "not a message",
        ),
    ];
    let fine = fine();
    let mut functions: Vec<_> = cases.iter().map(|(name, module, ..)| (*name, module.as_slice())).collect();
    functions.push(("fine", &fine));
    let project = Project::of_modules(&functions);
    project.replace("mu.yaml", "    module: loops.wasm\n", "    module: loops.wasm\n    max_instructions: 1000000\n");
    let running = Running::start(&project);
    for (name, _, status, code, reason) in &cases {
        let answer = running.get(&format!("/web/{name}"));
        assert_eq!((answer.status, answer.json()["code"].as_str()), (*status, Some(*code)), "{name}: {}", answer.text());
        let log = running.event(&format!("log line of {name}"), |event| {
            event["event"] == "log" && event["function"] == *name && event["source"] == "runtime"
        });
        assert_eq!(log["level"], "error", "{name}");
        assert!(log["message"].as_str().unwrap().contains(reason), "{name}: {log}");
        let fine = running.get("/web/fine");
        assert_eq!((fine.status, fine.text().as_str()), (200, "fine"), "after {name}");
    }
}

#[test]
fn a_function_that_takes_too_long_is_stopped() {
    let project = Project::of_modules(&[("slow", &command(b"", "(loop $again (br $again))")), ("fine", &fine())]);
    project.replace("mu.yaml", "    module: slow.wasm\n", "    module: slow.wasm\n    timeout: 100ms\n");
    let running = Running::start(&project);
    let answer = running.get("/web/slow");
    assert_eq!((answer.status, answer.json()["code"].as_str()), (504, Some("timed_out")), "{}", answer.text());
    assert_eq!(running.get("/web/fine").status, 200);
}

#[test]
fn a_module_that_cannot_run_is_refused_with_its_reason() {
    for (module, reason) in [
        (b"this is not wasm".to_vec(), "not a WebAssembly module"),
        (fine()[..40].to_vec(), "not a WebAssembly module"),
        (wat::parse_str(r#"(module (import "env" "mystery" (func)) (func (export "_start")))"#).unwrap(), "`env`.`mystery`"),
        (wat::parse_str(r#"(module (memory (export "memory") 1))"#).unwrap(), "_start"),
        (
            wat::parse_str(r#"(module (memory (export "memory") 1000) (func (export "_start")))"#).unwrap(),
            "memory_limit",
        ),
    ] {
        let project = Project::of_module(&module);
        let refused = output(project.path(), &["run", "--gateway", "127.0.0.1:0", "--no-watch"]);
        let said = String::from_utf8_lossy(&refused.stderr);
        assert_eq!(refused.status.code(), Some(4), "{said}");
        assert!(said.contains("error: function `f`") && said.contains(reason), "{said}");
        assert!(said.contains("hint: "), "{said}");
    }
}
