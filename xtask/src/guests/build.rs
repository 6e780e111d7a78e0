//! Test functions are built by cargo, examples by `mu build`, which also keeps their `mu.lock`.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::failure::{Doing, Failure, Outcome};
use crate::wasm_toolchain::{Compiler, TARGET};
use crate::{process, repository};

/// A module's name and bytes.
type Module = (String, Vec<u8>);

/// Builds a workspace of test functions, a folder relative to `root`, and returns the modules that cargo says it made.
pub(super) fn guests(compiler: &Compiler, root: &Path, project: &Path) -> Outcome<Vec<Module>> {
    let mut command = process::cargo();
    command
        .args(["build", "--release", "--workspace", "--target", TARGET])
        .arg("--message-format=json-render-diagnostics")
        .env("CARGO_TARGET_DIR", target_folder(compiler)?)
        .current_dir(root.join(project))
        .stderr(Stdio::inherit());
    let output = compiler.apply(clean(&mut command, root)).output().doing("starting cargo")?;
    if !output.status.success() {
        return Err(Failure::new(format!("{} does not build for {TARGET}", project.display())));
    }
    let files = module_files(&String::from_utf8_lossy(&output.stdout));
    let modules = files.iter().map(|file| read(file));
    if !project.ends_with(COMPONENTS) {
        return modules.collect();
    }
    modules.map(|module| module.and_then(|(name, module)| Ok((name, component(&module)?)))).collect()
}

/// The folder whose packages become components.
const COMPONENTS: &str = "components";

/// A component of a core module that was built for WASI preview 1.
fn component(module: &[u8]) -> Outcome<Vec<u8>> {
    let adapter = wasi_preview1_component_adapter_provider::WASI_SNAPSHOT_PREVIEW1_REACTOR_ADAPTER;
    let encoded = wit_component::ComponentEncoder::default()
        .validate(true)
        .module(module)
        .and_then(|encoder| encoder.adapter("wasi_snapshot_preview1", adapter))
        .and_then(|mut encoder| encoder.encode());
    encoded.map_err(|error| Failure::new(format!("making a component: {error:#}")))
}

/// Builds the functions of every example, in place.
pub(super) fn examples(compiler: &Compiler, root: &Path, examples: &[PathBuf]) -> Outcome {
    if examples.is_empty() {
        return Ok(());
    }
    let mu = process::development_build()?.join("mu");
    for example in examples {
        eprintln!("building {}", example.display());
        let mut command = Command::new(&mu);
        command.args(["build", "--force", "-C"]).arg(root.join(example));
        process::run_as_talk(compiler.name_to_mu(clean(&mut command, root)))?;
    }
    Ok(())
}

/// Takes out of a build what is of this machine: flags meant for other programs, and the names of its folders, which
/// would stand in panic messages.
fn clean<'command>(command: &'command mut Command, root: &Path) -> &'command mut Command {
    for variable in ["CARGO_BUILD_TARGET", "CARGO_ENCODED_RUSTFLAGS", "RUSTFLAGS", "RUSTC_WRAPPER"] {
        command.env_remove(variable);
    }
    // Not RUSTFLAGS: those would hide the flags that a project has in its own configuration.
    let variable = format!("CARGO_TARGET_{}_RUSTFLAGS", TARGET.to_uppercase().replace('-', "_"));
    command.env(variable, remap_flags(root).join(" "))
}

fn remap_flags(root: &Path) -> Vec<String> {
    let home = |variable: &str, folder: &str| {
        let named = std::env::var_os(variable).map(PathBuf::from);
        named.or_else(|| std::env::var_os("HOME").map(|home| Path::new(&home).join(folder)))
    };
    let cargo = home("CARGO_HOME", ".cargo").map(|folder| (folder, "/cargo"));
    let rustup = home("RUSTUP_HOME", ".rustup").map(|folder| (folder, "/rust"));
    // The sources of dependencies lie in a folder that is named after the registry; the last flag that fits wins.
    let registries = cargo.iter().flat_map(|(folder, _)| std::fs::read_dir(folder.join("registry/src")));
    let registries = registries.flatten().flatten().map(|entry| (entry.path(), "/crates"));
    let registries: Vec<_> = registries.collect();
    let folders = [Some((root.to_owned(), "/mu")), cargo, rustup].into_iter().flatten().chain(registries);
    folders.map(|(folder, name)| format!("--remap-path-prefix={}={name}", folder.display())).collect()
}

/// Where guests are compiled. That the standard library was rebuilt is not noticed by cargo, so the folder is emptied
/// when the compiler changed.
fn target_folder(compiler: &Compiler) -> Outcome<PathBuf> {
    let folder = repository::target_folder().join("guests");
    let marker = folder.join("compiler");
    let identity = compiler.identity()?;
    if std::fs::read_to_string(&marker).ok().as_deref() != Some(&identity) {
        if folder.exists() {
            std::fs::remove_dir_all(&folder).doing(format_args!("emptying {}", folder.display()))?;
        }
        super::write(&marker, identity.as_bytes())?;
    }
    Ok(folder)
}

/// The `.wasm` files among the artifacts of cargo's messages.
fn module_files(messages: &str) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for message in messages.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok()) {
        if message["reason"] == "compiler-artifact" {
            let names = message["filenames"].as_array().into_iter().flatten().filter_map(Value::as_str);
            files.extend(names.filter(|name| name.ends_with(".wasm")).map(PathBuf::from));
        }
    }
    files
}

fn read(file: &Path) -> Outcome<Module> {
    let bytes = std::fs::read(file).doing(format_args!("reading {}", file.display()))?;
    Ok((file.file_stem().unwrap_or_default().to_string_lossy().into_owned(), bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_modules_in_cargos_messages() {
        let messages = concat!(
            r#"{"reason":"compiler-artifact","filenames":["/t/libmu_sdk.rlib"]}"#,
            "\n",
            r#"{"reason":"compiler-artifact","filenames":["/t/hello.wasm"]}"#,
            "\nnot json\n",
            r#"{"reason":"build-finished","success":true}"#,
        );
        assert_eq!(module_files(messages), [PathBuf::from("/t/hello.wasm")]);
    }
}
