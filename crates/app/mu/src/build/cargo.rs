//! `lang: rust`: a package becomes a module.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde::Deserialize;

use crate::build::process::{self, Stdout};
use crate::build::toolchain::{TARGET, Toolchain};
use crate::failure::{Cause, Failure};
use crate::sdk;
use crate::terminal::{self, Progress};

/// A function that cargo builds.
pub(crate) struct RustFunction<'a> {
    /// The project's root.
    pub(crate) root: &'a Path,
    /// The function's name.
    pub(crate) name: &'a str,
    /// The package's folder.
    pub(crate) folder: &'a Path,
}

impl RustFunction<'_> {
    /// Builds the package and answers with the path of what was built, in cargo's target folder.
    pub(crate) fn build(&self, progress: &Progress) -> Result<PathBuf, Failure> {
        let manifest = self.folder.join("Cargo.toml");
        let text = fs::read_to_string(&manifest).map_err(|e| {
            self.failed(format!("reading {}: {e}", manifest.display()))
                .hint("a function of `lang: rust` is a cargo package; `mu init` makes one to look at")
        })?;
        if text.contains(sdk::SDK_FOLDER) {
            sdk::materialise(self.root).map_err(|e| self.failed(format!("writing {}: {e}", sdk::SDK_FOLDER)))?;
        }
        let toolchain = Toolchain::find_or_install(self.folder, |line| terminal::say(line))
            .map_err(|missing| self.failed(missing.to_string()).hint(missing.hint()))?;
        let mut cargo = Command::new("cargo");
        cargo.args(["build", "--release", "--target", TARGET, "--message-format", "json-render-diagnostics"]);
        cargo.arg("--manifest-path").arg(&manifest).arg("--target-dir").arg(self.root.join(".mu/target"));
        cargo.args(["--color", if terminal::is_interactive() { "always" } else { "never" }]);
        toolchain.apply(cargo.current_dir(self.folder));
        let built = process::run(&mut cargo, Stdout::Wanted, progress)
            .map_err(|e| self.failed(format!("starting cargo: {e}")))?;
        if !built.status.success() {
            return Err(self.failed("cargo build failed").detail(built.said));
        }
        self.executable(&built.stdout)
    }

    /// The module among what cargo says it made: the one binary, or among several the one of the function's name.
    fn executable(&self, messages: &[u8]) -> Result<PathBuf, Failure> {
        let lines = messages.split(|byte| *byte == b'\n');
        let all = lines.filter_map(|line| serde_json::from_slice::<CargoMessage>(line).ok());
        let mut made: Vec<PathBuf> = all.filter_map(|message| message.executable).collect();
        if made.len() > 1 {
            made.retain(|path| path.file_stem().is_some_and(|stem| stem == self.name));
        }
        made.pop().ok_or_else(|| {
            self.failed("the package has no binary of its own that could be the function's module")
                .hint(format!("give it a `src/main.rs`, or among several binaries one named `{}`", self.name))
        })
    }

    fn failed(&self, why: impl std::fmt::Display) -> Failure {
        Failure::new(Cause::Build, format!("building function `{}`: {why}", self.name))
    }
}

/// The part of cargo's messages that matters here. <https://doc.rust-lang.org/cargo/reference/external-tools.html>
#[derive(Deserialize)]
struct CargoMessage {
    executable: Option<PathBuf>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_module_among_cargos_messages() {
        let function = RustFunction { root: Path::new("/p"), name: "mail", folder: Path::new("/p/functions/mail") };
        let line = |path: &str| format!("{{\"reason\":\"compiler-artifact\",\"executable\":{path}}}\n");
        let (library, mail, other) = (line("null"), line("\"/t/mail.wasm\""), line("\"/t/other.wasm\""));
        let finished = "{\"reason\":\"build-finished\",\"success\":true}\n";
        for (messages, expected) in [
            (format!("{library}{other}{finished}"), Some("/t/other.wasm")),
            (format!("{library}{mail}{other}{finished}"), Some("/t/mail.wasm")),
            (format!("{library}{finished}"), None),
            (format!("{other}{other}"), None),
        ] {
            assert_eq!(function.executable(messages.as_bytes()).ok(), expected.map(PathBuf::from), "{messages}");
        }
    }
}
