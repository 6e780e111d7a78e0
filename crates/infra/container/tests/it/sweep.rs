//! What a killed node leaves, and the next one clears away.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::{env, fs};

use mu_container::{Runner, has_leftovers};
use mu_image::Form;

use crate::image::Images;
use crate::oci::{Machine, SHELL, open, spec};

/// Names the directory, in the process that is killed.
const DIR: &str = "MU_TEST_LEAVE";

/// Not a test by itself: the node that is killed, run by the test below.
#[tokio::test(flavor = "multi_thread")]
async fn a_node_to_be_killed() {
    let Some(dir) = env::var_os(DIR) else { return };
    let runner = open(dir.as_ref()).await.unwrap();
    let images = Images::at(dir.as_ref(), Form::Unpacked);
    let image = images.image(&SHELL).await;
    let mut containers = Vec::new();
    for script in ["sleep 1000", "while :; do :; done", "sleep 1000 & sleep 1000"] {
        containers.push(runner.start(spec(&image, script)).await.unwrap());
    }
    containers[1].freeze().await.unwrap();
    for container in &containers {
        println!("started {}", container.id());
    }
    println!("ready");
    std::future::pending::<()>().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_killed_node_leaves_is_swept() {
    let Some(machine) = Machine::open().await else { return };
    let Machine { runner, dir, .. } = machine;
    drop(runner);
    let mut node = Command::new(env::current_exe().unwrap())
        .args(["--exact", "sweep::a_node_to_be_killed", "--nocapture"])
        .env(DIR, dir.path())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(node.stdout.take().unwrap()).lines();
    let mut ids = Vec::new();
    for line in lines.map_while(Result::ok).take_while(|line| line != "ready") {
        ids.extend(line.split_once("started ").map(|(_, id)| id.to_owned()));
    }
    assert_eq!(ids.len(), 3);
    node.kill().unwrap();
    node.wait().unwrap();

    assert!(has_leftovers(dir.path()));
    // What it had mounted of images is the store's to clear away.
    let images = Images::at(dir.path(), Form::Unpacked);
    let runner = open(dir.path()).await.unwrap();
    assert!(ids.iter().any(|id| !groups(id).is_empty()), "they survived the node");
    assert_eq!(runner.sweep().await.unwrap(), 3);
    assert_eq!(runner.sweep().await.unwrap(), 0);
    assert_eq!(ids.iter().flat_map(|id| groups(id)).collect::<Vec<_>>(), [""; 0]);
    Machine { runner, dir, images }.assert_empty();
}

#[tokio::test]
async fn files_that_stay_keep_nobody_from_starting() {
    let Some(Machine { runner, dir, .. }) = Machine::open().await else { return };
    // Directories are removed, and this is none.
    let stays = dir.path().join("oci/state/stays");
    let goes = dir.path().join("oci/containers/goes");
    fs::write(&stays, "").unwrap();
    fs::create_dir(&goes).unwrap();
    tokio::time::pause();
    assert_eq!(runner.sweep().await.unwrap(), 2);
    assert!(stays.exists() && !goes.exists());
}

/// The control groups of a container.
fn groups(id: &str) -> Vec<String> {
    let find = Command::new("find").args(["/sys/fs/cgroup", "-type", "d", "-name", id]).output().unwrap();
    String::from_utf8(find.stdout).unwrap().lines().map(str::to_owned).filter(|dir| fs::exists(dir).unwrap()).collect()
}
