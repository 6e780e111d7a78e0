//! `mu invoke`: one call from the command line.

use std::io::Write as _;
use std::process::{Output, Stdio};

use serde_json::Value;

use crate::support::module::{answer, answers, command, says};
use crate::support::{Project, Running, mu, output};

fn texts(output: &Output) -> (String, String) {
    (String::from_utf8_lossy(&output.stdout).into_owned(), String::from_utf8_lossy(&output.stderr).into_owned())
}

#[test]
fn a_handler_is_called_without_a_gateway() {
    let project = Project::of_module(&answers("fine"));
    let called = output(project.path(), &["invoke", "f.f"]);
    let (out, err) = texts(&called);
    assert!(called.status.success(), "{err}");
    assert_eq!(out, "fine");
    assert!(err.starts_with("200\ncontent-type: text/plain\n"), "{err}");
    assert!(err.contains("f.f in ") && err.contains(" instructions, "), "{err}");
}

#[test]
fn the_exit_code_tells_how_it_went() {
    let cases = [
        (says(&answer(204, &[], "")), 0),
        (says(&answer(302, &[], "")), 0),
        (says(&answer(404, &[], "")), 6),
        (says(&answer(503, &[], "")), 7),
        (command(b"", "unreachable"), 7),
    ];
    for (module, code) in cases {
        let project = Project::of_module(&module);
        let called = output(project.path(), &["invoke", "f.f"]);
        assert_eq!(called.status.code(), Some(code), "{:?}", texts(&called));
    }
}

#[test]
fn a_failure_shows_its_reason() {
    let project = Project::of_module(&command(b"", "unreachable"));
    let (out, err) = texts(&output(project.path(), &["invoke", "f.f"]));
    assert_eq!(out, "");
    assert!(err.contains("error: the function trapped") && err.contains("hint: code `function_trapped`"), "{err}");
}

#[test]
fn a_running_project_answers_with_what_it_serves() {
    let project = Project::of_module(&answers("served"));
    let running = Running::start(&project);
    // On disk there is another version by now, and the data is in use.
    project.write("f.wasm", answers("unserved"));
    let called = output(project.path(), &["invoke", "f.f", "--output", "json"]);
    let (out, err) = texts(&called);
    assert!(called.status.success(), "{err}");
    let told: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(told["answer"]["status"], 200, "{told}");
    assert_eq!(told["receipt"]["cause"], "command_line", "{told}");
    let id = told["receipt"]["invocation"].clone();
    running.event("the call in the run's own report", |event| event["event"] == "call" && event["invocation"] == id);
    assert_eq!(texts(&output(project.path(), &["invoke", "f.f"])).0, "served");
}

#[test]
fn variables_for_functions_that_a_running_project_ignores_are_told() {
    let project = Project::of_module(&answers("served"));
    let warned = || {
        let called = mu(project.path(), &["invoke", "f.f"]).env("MU_FN_A", "1").env("MU_FN_B", "2").output().unwrap();
        let (out, err) = texts(&called);
        assert_eq!((called.status.code(), out.as_str()), (Some(0), "served"), "{err}");
        err.contains("warning: MU_FN_A, MU_FN_B had no effect")
    };
    assert!(!warned());
    let _running = Running::start(&project);
    assert!(warned());
    assert!(!texts(&output(project.path(), &["invoke", "f.f"])).1.contains("warning"));
}

#[test]
fn a_machine_without_certificates_runs_functions() {
    let project = Project::of_module(&answers("fine"));
    project.write("none.pem", "");
    let mut command = mu(project.path(), &["invoke", "f.f"]);
    let called = command.env_remove("SSL_CERT_DIR").env("SSL_CERT_FILE", "none.pem").output().unwrap();
    assert_eq!(texts(&called).0, "fine", "{}", texts(&called).1);
}

#[test]
fn a_socket_that_a_killed_run_left_is_no_obstacle() {
    let project = Project::of_module(&answers("fine"));
    Running::start(&project).kill();
    assert!(project.path().join(".mu/data/run.sock").exists());
    assert_eq!(texts(&output(project.path(), &["invoke", "f.f"])).0, "fine");
    assert_eq!(Running::start(&project).get("/web/f").text(), "fine");
}

#[test]
fn the_body_comes_from_the_argument_a_file_or_standard_input() {
    let project = Project::of_modules(&[("kit", &crate::support::guest("kit.wasm"))]);
    project.write("body.txt", "from a file");
    let echo = |data: &str| mu(project.path(), &["invoke", "kit.echo", "-X", "POST", "--data", data]);
    assert_eq!(texts(&echo("from here").output().unwrap()).0, "from here");
    assert_eq!(texts(&echo("@body.txt").output().unwrap()).0, "from a file");
    let mut child = echo("-").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(b"from a pipe").unwrap();
    assert_eq!(texts(&child.wait_with_output().unwrap()).0, "from a pipe");
}

#[test]
fn a_function_that_is_not_there_is_named() {
    let project = Project::of_module(&answers("fine"));
    let refused = output(project.path(), &["invoke", "g.f"]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(texts(&refused).1.contains("no function is named `g`"), "{:?}", texts(&refused));
}
