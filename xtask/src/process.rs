//! Running other programs: their talk goes to our stderr, their data comes back as text.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::failure::{Failure, Outcome};
use crate::repository;

/// `cargo`, the one that runs us if there is one, so that a named toolchain stays the same below.
pub(crate) fn cargo() -> Command {
    Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}

/// Builds every program of the workspace for development, and returns the folder they are in. The tests are named
/// because features are chosen with their dependencies in mind: without, a second engine would be compiled.
pub(crate) fn development_build() -> Outcome<PathBuf> {
    run_as_talk(cargo().args(["build", "--workspace", "--bins", "--tests"]).current_dir(repository::root()))?;
    Ok(repository::target_folder().join("debug"))
}

/// Runs a command to its end with our own input and output; a non-zero status is a failure.
pub(crate) fn run(command: &mut Command) -> Outcome {
    let status = command.status().map_err(|cause| not_started(command, &cause))?;
    if status.success() { Ok(()) } else { Err(Failure::new(format!("{} ended with {status}", show(command)))) }
}

/// Like [`run`], but what the command writes to stdout goes to stderr: our own stdout is for data.
pub(crate) fn run_as_talk(command: &mut Command) -> Outcome {
    run(command.stdout(std::io::stderr()))
}

/// Runs a command and returns its stdout, trimmed; its stderr becomes part of the failure.
pub(crate) fn capture(command: &mut Command) -> Outcome<String> {
    let output = command.stdin(Stdio::null()).output().map_err(|cause| not_started(command, &cause))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(Failure::new(format!("{} ended with {}\n{}", show(command), output.status, said.trim())))
}

/// The first program of this name in `PATH`.
pub(crate) fn find_program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(name)).find(|file| file.is_file())
}

/// Fails, naming the Debian package to install, when a program is not in `PATH`.
pub(crate) fn require_program(name: &str, package: &str) -> Outcome<PathBuf> {
    find_program(name).ok_or_else(|| {
        Failure::new(format!("the program `{name}` is not installed"))
            .hint(format!("on Debian: apt-get install {package}"))
    })
}

/// A command as one line, for messages: the program's name and its arguments.
fn show(command: &Command) -> String {
    let program = Path::new(command.get_program()).file_name().unwrap_or(command.get_program());
    let words: Vec<_> = std::iter::once(program).chain(command.get_args()).map(OsStr::to_string_lossy).collect();
    format!("`{}`", words.join(" "))
}

fn not_started(command: &Command, cause: &std::io::Error) -> Failure {
    Failure::new(format!("cannot start {}: {cause}", show(command)))
}
