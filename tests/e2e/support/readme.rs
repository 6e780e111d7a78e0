//! The README, whose commands tests type.

use std::fs;
use std::process::Command;

use super::repository;

/// The blocks of commands of a chapter.
pub(crate) fn commands(chapter: &str) -> Vec<String> {
    blocks(chapter, "sh")
}

/// The blocks of what is printed.
pub(crate) fn printed(chapter: &str) -> Vec<String> {
    blocks(chapter, "text")
}

fn blocks(chapter: &str, kind: &str) -> Vec<String> {
    let readme = fs::read_to_string(repository().join("README.md")).unwrap();
    let text = readme.split(&format!("\n## {chapter}\n")).nth(1).expect("the chapter is there");
    let text = text.split("\n## ").next().unwrap();
    text.split(&format!("```{kind}\n")).skip(1).map(|block| block.split("```").next().unwrap().to_owned()).collect()
}

/// A shell that types commands and ends with the first that fails. Its `mu` is the one that is tested.
pub(crate) fn shell(commands: &str) -> Command {
    let script = format!("mu() {{ {} \"$@\"; }}\nset -euxo pipefail\n{commands}", env!("CARGO_BIN_EXE_mu"));
    let mut shell = Command::new("bash");
    shell.args(["-c", &script]).env("MU_WASM_TOOLCHAIN", "none");
    shell
}
