//! `mu serve` and what its users do: as the README says, and when things go wrong.

use std::path::Path;
use std::thread;

use serde_json::{Value, json};

use crate::support::node::{Node, at_home, said};
use crate::support::{Project, http, readme};

/// The example, under a name.
fn hello(name: &str) -> Project {
    let project = Project::of_example("hello");
    project.replace("mu.yaml", "name: hello\nversion", &format!("name: {name}\nversion"));
    project
}

#[test]
fn the_readmes_chapter_works_as_written() {
    let node = Node::new();
    let project = hello("my-stack");
    let home = node.home().to_str().unwrap();
    let project_in_place = project.path().to_str().unwrap();
    // The first block starts a node, which is there already.
    let commands = readme::commands("Run it for a team")[1..]
        .join("\n")
        .replace("http://127.0.0.1:12000", &node.api_url())
        .replace("127.0.0.1:12080", &node.gateway().to_string())
        .replace("~/", &format!("{home}/"))
        .replace("cd my-stack", &format!("cd {project_in_place}"));
    let output = at_home(readme::shell(&commands), node.home()).output().unwrap();
    let printed = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{printed}\n{}", said(&output));
    // A request is served by one of two versions, by chance.
    let (hello, ahoy) = (count(&printed, " Hello, world!"), count(&printed, " Ahoy, world!"));
    assert_eq!(hello + ahoy, 50, "{printed}");
    assert!(hello > ahoy, "{hello} {ahoy}");
    for expected in ["env.GREETING: Hello -> Ahoy", "Psst, world!", "Shh, world!", "hello greeting the world"] {
        assert!(printed.contains(expected), "{expected}: {printed}");
    }
    let routing = node.json(project.path(), &["stack", "show", "--stack", "my-stack"]);
    assert_eq!(routing["stack"]["routing"], json!([{"version": 3, "weight": 100}]));
}

/// The number before a line of `uniq -c`.
fn count(printed: &str, line: &str) -> u32 {
    let found = printed.lines().find_map(|printed| printed.strip_suffix(line));
    found.map_or(0, |number| number.trim().parse().unwrap_or(0))
}

fn usage(node: &Node, stack: &str) -> Value {
    node.json(node.home(), &["usage", "--stack", stack])
}

#[test]
fn a_killed_node_has_lost_and_counted_twice_nothing() {
    let mut node = Node::with_operator();
    let project = hello("counted");
    node.done(project.path(), &["deploy"]);
    for round in 1..=3_u64 {
        for _ in 0..20 {
            assert_eq!(node.get("/counted/hello/").status, 200);
        }
        node.kill_and_start_again();
        // It is served without being deployed again.
        assert_eq!(node.get("/counted/hello/").text(), "Hello, world!\n");
        let total = usage(&node, "counted")["total"].clone();
        let seen = [&total["invocations"], &total["gateway_requests"]].map(|number| number.as_u64().unwrap());
        // The last one may be added up a moment later.
        let expected = [21 * round - 1, 21 * round];
        assert!(seen.iter().all(|number| expected.contains(number)), "{round}: {total}");
    }
}

#[test]
fn of_two_deploys_at_once_both_are_made_and_one_is_served() {
    let node = Node::with_operator();
    let project = hello("busy");
    node.done(project.path(), &["deploy"]);
    let outputs: Vec<_> = thread::scope(|scope| {
        let deploy = || node.mu(project.path(), &["deploy"]).output().unwrap();
        let both = [scope.spawn(deploy), scope.spawn(deploy)];
        both.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    // Whoever loses is told so, and can try again; nothing is half done.
    for output in outputs.iter().filter(|output| !output.status.success()) {
        assert!(said(output).contains("routing_changed"), "{}", said(output));
    }
    assert!(outputs.iter().any(|output| output.status.success()));
    let versions = node.json(project.path(), &["stack", "versions"]);
    assert_eq!(versions.as_array().unwrap().len(), 3, "{versions}");
    assert_eq!(node.get("/busy/hello/").status, 200);
}

#[test]
fn a_deploy_that_cannot_be_loaded_changes_nothing() {
    let node = Node::with_operator();
    let project = hello("fragile");
    node.done(project.path(), &["deploy"]);
    project.replace("mu.yaml", "    env:\n      GREETING: Hello\n", "    secrets: [GREETING]\n");
    let output = node.mu(project.path(), &["deploy"]).output().unwrap();
    assert!(!output.status.success());
    assert!(said(&output).contains("GREETING"), "{}", said(&output));
    assert_eq!(node.get("/fragile/hello/").text(), "Hello, world!\n");
    let stack = node.json(project.path(), &["stack", "show"]);
    assert_eq!(stack["stack"]["routing"], json!([{"version": 1, "weight": 100}]));
}

#[test]
fn a_stack_is_deleted_and_its_data_can_be_kept() {
    let node = Node::with_operator();
    let project = hello("brief");
    node.done(project.path(), &["deploy"]);
    let asked = node.mu(project.path(), &["stack", "delete"]).output().unwrap();
    assert!(!asked.status.success(), "nobody is there to say yes");
    assert_eq!(node.get("/brief/hello/").status, 200);
    node.done(project.path(), &["stack", "delete", "--keep-data", "--yes"]);
    assert_eq!(node.get("/brief/hello/").status, 404);
    node.done(project.path(), &["deploy"]);
    assert_eq!(node.get("/brief/hello/").status, 200);
}

#[test]
fn a_route_that_asks_for_a_token_lets_in_who_has_one() {
    let node = Node::with_operator();
    let project = hello("guarded");
    project.replace("mu.yaml", "    lang: rust\n", "    lang: rust\n    auth: token\n");
    node.done(project.path(), &["deploy"]);
    let token = |role| node.done(project.path(), &["token", "create", "t", "--role", role, "--stack", "guarded"]);
    let (invoker, viewer) = (token("invoker"), token("viewer"));
    let ask = |headers: &[(&str, &str)]| http::send(node.gateway(), "GET", "/guarded/hello/", headers, b"").unwrap();
    let bearer = |text: &str| ask(&[("authorization", &format!("Bearer {}", text.trim()))]).status;
    assert_eq!((ask(&[]).status, bearer("mu_x"), bearer(&viewer), bearer(&invoker)), (401, 401, 403, 200));
}

#[test]
fn a_node_that_is_asked_to_end_says_so_and_ends_well() {
    let mut node = Node::with_operator();
    let ready = |node: &Node| http::send(node.address("metrics"), "GET", "/readyz", &[], b"").unwrap().status;
    assert_eq!(ready(&node), 200);
    let metrics = http::send(node.address("metrics"), "GET", "/metrics", &[], b"").unwrap();
    assert!(metrics.text().contains("mu_build_info"), "{}", metrics.text());
    assert_eq!(node.stop(), Some(0));
}

#[test]
fn who_is_not_known_changes_nothing() {
    let node = Node::with_operator();
    let project = hello("private");
    let stranger = tempfile::tempdir().unwrap();
    let by_stranger = |arguments: &[&str]| {
        let command = crate::support::mu(project.path(), arguments);
        at_home(command, Path::new(stranger.path())).env("MU_URL", node.api_url()).output().unwrap()
    };
    let output = by_stranger(&["deploy"]);
    assert!(!output.status.success());
    assert!(said(&output).contains("unknown_client") || said(&output).contains("unauthenticated"), "{}", said(&output));
    assert_eq!(node.json(project.path(), &["stack", "list"]), json!([]));
}
