//! `lang: rust`: a package becomes a module, or with `runtime: wasi-http` a component.
//!
//! Both are compiled for the same target: what makes a module a component is a step of ours, the one that rustc's own target
//! for components takes as well. So one target, the most widely packaged one, is all that has to be installed.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use mu_stack::{Language, Runtime};
use serde::Deserialize;

use crate::build::process::{self, Stdout};
use crate::build::source::Source;
use crate::build::toolchain::{TARGET, Toolchain};
use crate::failure::Failure;
use crate::terminal::{self, Progress};

/// Builds the package and answers with the path of what was built, in cargo's target folder.
pub(crate) fn build(source: &Source<'_>, progress: &Progress) -> Result<PathBuf, Failure> {
    source.manifest("Cargo.toml", Language::Rust)?;
    let toolchain = Toolchain::find_or_install(source.folder, |line| terminal::say(line))
        .map_err(|missing| source.failed(missing.to_string()).hint(missing.hint()))?;
    let mut cargo = Command::new("cargo");
    cargo.args(["build", "--release", "--target", TARGET, "--message-format", "json-render-diagnostics"]);
    cargo
        .arg("--manifest-path")
        .arg(source.folder.join("Cargo.toml"))
        .arg("--target-dir")
        .arg(source.root.join(".mu/target"));
    cargo.args(["--color", if terminal::is_interactive() { "always" } else { "never" }]);
    toolchain.apply(cargo.current_dir(source.folder));
    let built = process::run(&mut cargo, Stdout::Wanted, progress)
        .map_err(|e| source.failed(format!("starting cargo: {e}")))?;
    if !built.status.success() {
        return Err(source.failed("cargo build failed").detail(built.said));
    }
    let module = artifact(&built.stdout, source.name, source.runtime).ok_or_else(|| without_artifact(source))?;
    if source.runtime.is_component() { component(source, &module) } else { Ok(module) }
}

/// Makes a component of a library's module, beside it.
fn component(source: &Source<'_>, module: &Path) -> Result<PathBuf, Failure> {
    let failed = |doing: &str, e: &dyn std::fmt::Display| source.failed(format!("{doing} {}: {e}", module.display()));
    let bytes = fs::read(module).map_err(|e| failed("reading", &e))?;
    let adapter = wasi_preview1_component_adapter_provider::WASI_SNAPSHOT_PREVIEW1_REACTOR_ADAPTER;
    let encoded = wit_component::ComponentEncoder::default()
        .validate(true)
        .module(&bytes)
        .and_then(|encoder| encoder.adapter("wasi_snapshot_preview1", adapter))
        .and_then(|mut encoder| encoder.encode());
    let encoded = encoded.map_err(|e| {
        let hint = "its interfaces come from a crate such as `wasip2`, or from `wit-bindgen`";
        source.failed(format!("making a component of {}: {e:#}", module.display())).hint(hint)
    })?;
    let path = module.with_extension("component.wasm");
    fs::write(&path, encoded).map_err(|e| failed("writing the component of", &e))?;
    Ok(path)
}

/// The artifact among what cargo says it made: the only one of its kind, or among several the one of the function's
/// name. A module is a binary; a component is a library, because a binary would export `wasi:cli/run`.
fn artifact(messages: &[u8], name: &str, runtime: Runtime) -> Option<PathBuf> {
    let lines = messages.split(|byte| *byte == b'\n');
    let all = lines.filter_map(|line| serde_json::from_slice::<CargoMessage>(line).ok());
    let mut made: Vec<PathBuf> = if runtime.is_component() {
        all.filter(CargoMessage::is_dynamic_library).flat_map(|message| message.filenames).collect()
    } else {
        all.filter_map(|message| message.executable).collect()
    };
    made.retain(|path| path.extension().is_some_and(|extension| extension == "wasm"));
    if made.len() > 1 {
        // Libraries are named with underscores.
        let names = [name.to_owned(), name.replace('-', "_")];
        made.retain(|path| path.file_stem().is_some_and(|stem| names.iter().any(|name| stem == name.as_str())));
    }
    made.pop()
}

fn without_artifact(source: &Source<'_>) -> Failure {
    if source.runtime.is_component() {
        return source
            .failed("the package has no library that could be the function's component")
            .hint("give it a `src/lib.rs`, and Cargo.toml `crate-type = [\"cdylib\"]` below `[lib]`");
    }
    source
        .failed("the package has no binary of its own that could be the function's module")
        .hint(format!("give it a `src/main.rs`, or among several binaries one named `{}`", source.name))
}

/// The part of cargo's messages that matters here. <https://doc.rust-lang.org/cargo/reference/external-tools.html>
#[derive(Deserialize)]
struct CargoMessage {
    executable: Option<PathBuf>,
    #[serde(default)]
    filenames: Vec<PathBuf>,
    target: Option<CargoTarget>,
}

#[derive(Deserialize)]
struct CargoTarget {
    #[serde(default)]
    kind: Vec<String>,
}

// === impl CargoMessage ===

impl CargoMessage {
    fn is_dynamic_library(&self) -> bool {
        self.target.iter().flat_map(|target| &target.kind).any(|kind| kind == "cdylib")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_module_among_cargos_messages() {
        let line = |path: &str| format!("{{\"reason\":\"compiler-artifact\",\"executable\":{path}}}\n");
        let (library, mail, other) = (line("null"), line("\"/t/mail.wasm\""), line("\"/t/other.wasm\""));
        let finished = "{\"reason\":\"build-finished\",\"success\":true}\n";
        for (messages, expected) in [
            (format!("{library}{other}{finished}"), Some("/t/other.wasm")),
            (format!("{library}{mail}{other}{finished}"), Some("/t/mail.wasm")),
            (format!("{library}{finished}"), None),
            (format!("{other}{other}"), None),
        ] {
            let found = artifact(messages.as_bytes(), "mail", Runtime::Wasi1);
            assert_eq!(found, expected.map(PathBuf::from), "{messages}");
        }
    }

    #[test]
    fn finds_the_component_among_cargos_messages() {
        let line = |kind: &str, path: &str| {
            format!("{{\"target\":{{\"kind\":[\"{kind}\"]}},\"filenames\":[\"{path}\"],\"executable\":null}}\n")
        };
        let (dependency, ours) = (line("lib", "/t/libwasip2.rlib"), line("cdylib", "/t/my_mail.wasm"));
        let other = line("cdylib", "/t/other.wasm");
        for (messages, expected) in [
            (format!("{dependency}{ours}"), Some("/t/my_mail.wasm")),
            (format!("{other}{ours}{other}"), Some("/t/my_mail.wasm")),
            (dependency.clone(), None),
        ] {
            let found = artifact(messages.as_bytes(), "my-mail", Runtime::WasiHttp);
            assert_eq!(found, expected.map(PathBuf::from), "{messages}");
        }
    }
}
