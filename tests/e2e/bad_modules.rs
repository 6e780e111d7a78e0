//! Functions that misbehave: the caller gets a clear error, the author a line in the log, and the node goes on.

use crate::support::module::{answer, answers, command, fatal, says};
use crate::support::{Project, Running, output};

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
        (
            "closes",
            command(b"", "(drop (call $close (i32.const 0)))"),
            502,
            "function_gave_no_result",
            "without a result",
        ),
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
    let fine = answers("fine");
    let mut functions: Vec<_> = cases.iter().map(|(name, module, ..)| (*name, module.as_slice())).collect();
    functions.push(("fine", &fine));
    let project = Project::of_modules(&functions);
    project.replace("mu.yaml", "    module: loops.wasm\n", "    module: loops.wasm\n    max_instructions: 1000000\n");
    let running = Running::start(&project);
    for (name, _, status, code, reason) in &cases {
        let answer = running.get(&format!("/web/{name}"));
        assert_eq!(
            (answer.status, answer.json()["code"].as_str()),
            (*status, Some(*code)),
            "{name}: {}",
            answer.text()
        );
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
    let project =
        Project::of_modules(&[("slow", &command(b"", "(loop $again (br $again))")), ("fine", &answers("fine"))]);
    project.replace("mu.yaml", "    module: slow.wasm\n", "    module: slow.wasm\n    timeout: 100ms\n");
    let running = Running::start(&project);
    let answer = running.get("/web/slow");
    assert_eq!((answer.status, answer.json()["code"].as_str()), (504, Some("timed_out")), "{}", answer.text());
    assert_eq!(running.get("/web/fine").status, 200);
}

#[test]
fn a_module_that_cannot_run_is_refused_with_its_reason() {
    for (module, reason) in [
        (b"this is not wasm".to_vec(), "not what the function's runtime runs"),
        (answers("fine")[..40].to_vec(), "not what the function's runtime runs"),
        (
            wat::parse_str(r#"(module (import "env" "mystery" (func)) (func (export "_start")))"#).unwrap(),
            "`env`.`mystery`",
        ),
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
        assert!(said.contains("error: mu.yaml:4:5: function `f` cannot run") && said.contains(reason), "{said}");
        assert!(said.contains("hint: "), "{said}");
    }
}
