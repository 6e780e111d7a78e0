//! `lang: js`: a package of npm becomes a component. The SDK has the program that does it.

use std::fs;
use std::path::{Path, PathBuf};

use mu_stack::Language;
use serde::Deserialize;

use crate::build::source::Source;
use crate::build::tool::Tool;
use crate::failure::Failure;
use crate::terminal::{self, Progress};

/// What names the function's packages.
const MANIFEST: &str = "package.json";

/// The SDK's program, within the function's packages.
const COMPONENTIZE: &str = "mu-sdk/componentize.js";

/// Builds the function and answers with the path of what was built.
pub(crate) fn build(source: &Source<'_>, progress: &Progress) -> Result<PathBuf, Failure> {
    let text = source.manifest(MANIFEST, Language::JavaScript)?;
    let package: Package =
        serde_json::from_str(&text).map_err(|e| source.failed(format!("its {MANIFEST} has a mistake: {e}")))?;
    let entry = source.required(package.main.as_deref().unwrap_or("main.js"), Language::JavaScript)?;
    let node = Tool::Node.find(&[]).map_err(|missing| source.lacks(&missing))?;
    if !is_installed(&source.folder.join("node_modules"), &source.folder.join(MANIFEST)) {
        install(source, progress)?;
    }
    let componentize = source.folder.join("node_modules").join(COMPONENTIZE);
    if !componentize.is_file() {
        return Err(source.failed("its package.json does not name mu-sdk").hint(
            "add \"mu-sdk\": \"file:../../.mu/sdk/js\" to its dependencies, or say with `build` how it is made",
        ));
    }
    let output = source.output(Language::JavaScript)?;
    source.run("componentize.js", node.command().arg(componentize).arg(entry).arg(&output), progress)?;
    Ok(output)
}

/// The part of package.json that matters here.
#[derive(Deserialize)]
struct Package {
    main: Option<String>,
}

/// Whether npm has installed what the manifest names, after its last change.
fn is_installed(modules: &Path, manifest: &Path) -> bool {
    // Where npm records what it installed.
    let record = modules.join(".package-lock.json");
    let changed = |path: &Path| fs::metadata(path).and_then(|metadata| metadata.modified()).ok();
    changed(&record).is_some_and(|installed| Some(installed) >= changed(manifest))
}

fn install(source: &Source<'_>, progress: &Progress) -> Result<(), Failure> {
    let npm = Tool::Npm.find(&[]).map_err(|missing| source.lacks(&missing))?;
    terminal::say(format!("Installing the packages of {} (npm install)", source.name));
    source.run("npm install", npm.command().args(["install", "--no-audit", "--no-fund"]), progress)
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::*;

    #[test]
    fn packages_are_installed_again_when_their_list_has_changed() {
        let folder = tempfile::tempdir().unwrap();
        let (manifest, modules) = (folder.path().join("package.json"), folder.path().join("node_modules"));
        fs::write(&manifest, "{}").unwrap();
        assert!(!is_installed(&modules, &manifest));
        fs::create_dir(&modules).unwrap();
        assert!(!is_installed(&modules, &manifest), "an installation that did not come to its end");
        fs::write(modules.join(".package-lock.json"), "{}").unwrap();
        assert!(is_installed(&modules, &manifest));
        let later = SystemTime::now() + Duration::from_secs(60);
        fs::File::options().append(true).open(&manifest).unwrap().set_modified(later).unwrap();
        assert!(!is_installed(&modules, &manifest));
    }
}
