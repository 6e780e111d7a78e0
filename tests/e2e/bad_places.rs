//! Directories, ports and files that cannot be used: a clear message, and nothing lost.

use std::fs;
use std::net::TcpListener;
use std::path::Path;

use crate::support::module::answers;
use crate::support::{Project, Running, files_below, output};

/// Runs `mu run` where it cannot start; the exit code is 5. Returns what it said.
fn refused(project: &Project, arguments: &[&str]) -> String {
    let all = [&["run", "--no-watch"], arguments].concat();
    let ended = output(project.path(), &all);
    let said = String::from_utf8_lossy(&ended.stderr).into_owned();
    assert_eq!(ended.status.code(), Some(5), "{said}");
    assert!(said.contains("error: ") && said.contains("hint: "), "{said}");
    said
}

const ANY_PORT: [&str; 2] = ["--gateway", "127.0.0.1:0"];

#[test]
fn a_data_directory_that_is_missing_is_made() {
    let project = Project::of_module(&answers("here"));
    let running = Running::start_with(&project, &["--no-watch", "--data-dir", "deep/er/data"]);
    assert_eq!(running.get("/web/f").text(), "here");
    assert!(project.path().join("deep/er/data").is_dir());
}

#[test]
fn a_data_directory_that_cannot_be_made_is_named() {
    let project = Project::of_module(&answers("here"));
    let said = refused(&project, &[&ANY_PORT[..], &["--data-dir", "mu.yaml/data"]].concat());
    assert!(said.contains("mu.yaml/data"), "{said}");
}

#[test]
fn a_data_directory_serves_one_process_at_a_time() {
    let project = Project::of_module(&answers("here"));
    let running = Running::start(&project);
    let said = refused(&project, &ANY_PORT);
    assert!(said.contains("another mu is using"), "{said}");
    assert_eq!(running.get("/web/f").text(), "here");
}

#[test]
fn an_address_in_use_is_named() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let project = Project::of_module(&answers("here"));
    let said = refused(&project, &["--gateway", &address]);
    assert!(said.contains(&address) && said.contains("--gateway 127.0.0.1:0"), "{said}");
}

#[test]
fn a_damaged_cache_is_made_anew() {
    let project = Project::of_module(&answers("here"));
    let start = || Running::start(&project);
    assert_eq!(start().get("/web/f").text(), "here");
    let cached = files_below(&project.path().join(".mu/cache"));
    assert!(!cached.is_empty());
    let damages: [&dyn Fn(&Path); 4] = [
        &|path| fs::write(path, "not what was there").unwrap(),
        &|path| fs::write(path, "").unwrap(),
        &|path| {
            let bytes = fs::read(path).unwrap();
            fs::write(path, &bytes[..bytes.len() / 2]).unwrap();
        },
        &|path| {
            let mut bytes = fs::read(path).unwrap();
            let middle = bytes.len() / 2;
            bytes[middle] ^= 0x40;
            fs::write(path, bytes).unwrap();
        },
    ];
    for damage in damages {
        cached.iter().filter(|path| path.exists()).for_each(|path| damage(path));
        assert_eq!(start().get("/web/f").text(), "here");
    }
}

#[test]
fn a_damaged_database_is_refused_and_left_alone() {
    let project = Project::of_module(&answers("here"));
    drop(Running::start(&project));
    let database = project.path().join(".mu/data/db.redb");
    let damaged = vec![0x5a; 10_000];
    fs::write(&database, &damaged).unwrap();
    let said = refused(&project, &ANY_PORT);
    assert!(said.contains("db.redb"), "{said}");
    assert_eq!(fs::read(&database).unwrap(), damaged);
}

#[test]
fn a_damaged_root_key_is_refused_and_left_alone() {
    let project = Project::of_module(&answers("here"));
    drop(Running::start(&project));
    let key = project.path().join(".mu/data/root.key");
    fs::write(&key, "short").unwrap();
    let said = refused(&project, &ANY_PORT);
    assert!(said.contains("root.key"), "{said}");
    assert_eq!(fs::read(&key).unwrap(), b"short");
}
