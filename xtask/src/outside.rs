//! Cargo projects that are not members of the workspace, so that `cargo test` passes them by: the examples' functions, the
//! fuzz targets, and the projects that `mu init` makes.
//!
//! They are compiled in one folder of their own, for they share most of their dependencies.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::failure::{Doing, Failure, Outcome};
use crate::wasm_toolchain::Compiler;
use crate::{guests, process, repository};

/// What `mu init --template` knows.
const TEMPLATES: [&str; 3] = ["hello", "todo", "chat"];

/// Runs the tests of every example's functions, which are compiled for this machine.
pub(crate) fn test_examples() -> Outcome {
    let root = repository::root();
    for example in guests::examples(&root)? {
        // Their locks are checked in, and have to be what was tested.
        test_functions(&root.join(example), &["--locked"])?;
    }
    Ok(())
}

/// Compiles the fuzz targets, as far as to see that they fit what they test. To run them takes cargo-fuzz.
pub(crate) fn check_fuzz_targets() -> Outcome {
    let manifest = repository::root().join("fuzz/Cargo.toml");
    process::run(cargo("check").arg("--locked").arg("--manifest-path").arg(manifest))
}

/// Makes a project from every template, builds it and runs its tests, as its owner would.
pub(crate) fn check_new_projects() -> Outcome {
    let compiler = Compiler::find()?;
    let mu = process::development_build()?.join("mu");
    let work = tempfile::tempdir().doing("creating a temporary folder")?;
    for template in TEMPLATES {
        eprintln!("making a project from template {template}");
        let project = work.path().join(template);
        let name = format!("new-{template}");
        let mut init = Command::new(&mu);
        init.arg("init").arg(&project).args(["--name", &name, "--template", template, "--yes", "--no-git"]);
        process::run_as_talk(&mut init)?;
        let mut build = Command::new(&mu);
        process::run_as_talk(compiler.name_to_mu(build.args(["build", "-C"]).arg(&project)))?;
        test_functions(&project, &[])?;
    }
    Ok(())
}

fn test_functions(project: &Path, flags: &[&str]) -> Outcome {
    let manifests = function_manifests(project)?;
    if manifests.is_empty() {
        return Err(Failure::new(format!("{} has no function to test", project.display())));
    }
    for manifest in manifests {
        process::run(cargo("test").args(flags).arg("--manifest-path").arg(manifest))?;
    }
    Ok(())
}

/// Manifests of the packages below a project's `functions`.
fn function_manifests(project: &Path) -> Outcome<Vec<PathBuf>> {
    let files = guests::below(project, "functions")?;
    Ok(files.into_iter().filter(|file| file.ends_with("Cargo.toml")).map(|file| project.join(file)).collect())
}

fn cargo(task: &str) -> Command {
    let mut command = process::cargo();
    command.arg(task).env("CARGO_TARGET_DIR", repository::target_folder().join("outside"));
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_functions_of_a_project() {
        let project = tempfile::tempdir().expect("there is room for a temporary folder");
        for folder in ["functions/api", "functions/api/target/package", "functions/data", ".mu/sdk/mu-sdk"] {
            let folder = project.path().join(folder);
            std::fs::create_dir_all(&folder).expect("the folder can be created");
            std::fs::write(folder.join("Cargo.toml"), "").expect("the file can be written");
        }
        std::fs::remove_file(project.path().join("functions/data/Cargo.toml")).expect("the file is there");
        let found = function_manifests(project.path()).expect("the folder can be read");
        assert_eq!(found, [project.path().join("functions/api/Cargo.toml")]);
    }
}
