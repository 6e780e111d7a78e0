//! `mu bump`: the next version of functions, in their func files.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use clap::Args;
use mu_stack::func::{Part, bumped};
use mu_stack::{Build, Manifest};

use crate::build::source_dir;
use crate::failure::{Cause, Failure};
use crate::file;
use crate::project::{FUNC_FILE, FoundFunc, Project, find_func, problems};
use crate::terminal::{self, BOLD};

/// Write the next version of functions into their func files
///
/// Nothing else in a file changes. In the directory of one function, or one below it, its version alone; else those of
/// all. `mu deploy` does this by itself.
#[derive(Args, Debug)]
pub(crate) struct Arguments {
    /// The project, or the directory of one of its functions
    #[arg(default_value = ".")]
    dir: PathBuf,
    /// From 1.2.3 to 1.2.4; so it is without these flags
    #[arg(long, group = "part")]
    patch: bool,
    /// From 1.2.3 to 1.3.0
    #[arg(long, group = "part")]
    minor: bool,
    /// From 1.2.3 to 2.0.0
    #[arg(long, group = "part")]
    major: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let part = match (arguments.major, arguments.minor) {
        (true, _) => Part::Major,
        (_, true) => Part::Minor,
        _ => Part::Patch,
    };
    let project = Project::find(&arguments.dir)?;
    let here = arguments.dir.canonicalize().unwrap_or_else(|_| arguments.dir.clone());
    if bump(&project, &project.load()?, &here, part)? == 0 {
        return Err(Failure::new(Cause::Failed, "no function here has a func file")
            .hint("a version is written in `func.yaml`; that of a stack in `mu.yaml` is yours to change"));
    }
    Ok(())
}

/// Bumps the functions whose folders are in this one; if there are none, the one whose folder this is in. Answers how many
/// func files that were. Nothing is written unless all of them can be.
pub(crate) fn bump(project: &Project, manifest: &Manifest, here: &Path, part: Part) -> Result<usize, Failure> {
    let built = manifest.functions().filter(|function| *function.build() == Build::Container);
    let folders: Vec<_> = built.map(|function| (function.name(), source_dir(project.root(), function))).collect();
    let below = folders.iter().filter(|(_, folder)| folder.starts_with(here)).collect::<Vec<_>>();
    let above = || {
        folders.iter().filter(|(_, folder)| here.starts_with(folder)).max_by_key(|(_, folder)| folder.as_os_str().len())
    };
    let chosen = if below.is_empty() { above().into_iter().collect() } else { below };
    let failed = |path: &Path, e: std::io::Error| Failure::from_error(Cause::Failed, path.display(), &e);
    // Functions may share a folder, and then a version.
    let mut next = BTreeMap::new();
    for (_, folder) in &chosen {
        let Some(FoundFunc { path, .. }) = find_func(folder)? else { continue };
        let text = fs::read_to_string(&path).map_err(|e| failed(&path, e))?;
        let shown = path.display().to_string();
        let (text, version) = bumped(&shown, &text, part).map_err(|report| problems(&report, FUNC_FILE))?;
        next.insert(folder, (path, text, version));
    }
    for (path, text, _) in next.values() {
        file::write_atomically(path, text.as_bytes()).map_err(|e| failed(path, e))?;
    }
    for (name, folder) in &chosen {
        if let Some((_, _, version)) = next.get(folder) {
            terminal::say(format!("Bumped {BOLD}{name}{BOLD:#} to {version}"));
        }
    }
    Ok(next.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(root: &Path, files: &[(&str, &str)]) {
        for (path, text) in files {
            file::create_parent(&root.join(path)).unwrap();
            fs::write(root.join(path), text).unwrap();
        }
    }

    #[test]
    fn what_is_here_is_bumped() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path().canonicalize().unwrap();
        write(&root, &[("app.yaml", "name: a\n"), ("b/func.yaml", "version: 0.0.1\n"), ("c/func.yaml", "name: c\n")]);
        let project = Project::find(&root).unwrap();
        let manifest = project.load().unwrap();
        let text = |path: &str| fs::read_to_string(root.join(path)).unwrap();
        assert_eq!(bump(&project, &manifest, &root, Part::Patch).unwrap(), 2);
        assert_eq!(
            (text("b/func.yaml"), text("c/func.yaml")),
            ("version: 0.0.2\n".to_owned(), "name: c\nversion: 0.0.2\n".to_owned())
        );
        assert_eq!(bump(&project, &manifest, &root.join("b"), Part::Minor).unwrap(), 1);
        assert_eq!(
            (text("b/func.yaml"), text("c/func.yaml")),
            ("version: 0.1.0\n".to_owned(), "name: c\nversion: 0.0.2\n".to_owned())
        );
        fs::create_dir(root.join("c/src")).unwrap();
        assert_eq!(bump(&project, &manifest, &root.join("c/src"), Part::Major).unwrap(), 1);
        assert_eq!(text("c/func.yaml"), "name: c\nversion: 1.0.0\n");
    }

    #[test]
    fn all_are_bumped_or_none() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path().canonicalize().unwrap();
        write(
            &root,
            &[
                ("app.yaml", "name: a\n"),
                ("b/func.yaml", "version: 0.0.1\n"),
                ("c/func.yaml", "version: \"0.0.\\x31\"\n"),
            ],
        );
        let project = Project::find(&root).unwrap();
        let failure = bump(&project, &project.load().unwrap(), &root, Part::Patch).unwrap_err();
        assert!(failure.render().contains("--no-bump"), "{}", failure.render());
        assert_eq!(fs::read_to_string(root.join("b/func.yaml")).unwrap(), "version: 0.0.1\n");
    }

    #[test]
    fn functions_of_one_folder_are_bumped_together() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path().canonicalize().unwrap();
        let manifest = "name: a\nversion: 1.0.0\nservices:\n  \
            - {type: Function, name: b, runtime: container, source: f}\n  \
            - {type: Function, name: c, runtime: container, source: f}\n";
        write(&root, &[("mu.yaml", manifest), ("f/func.yaml", "version: 0.0.1\n")]);
        let project = Project::find(&root).unwrap();
        assert_eq!(bump(&project, &project.load().unwrap(), &root, Part::Patch).unwrap(), 1);
        assert_eq!(fs::read_to_string(root.join("f/func.yaml")).unwrap(), "version: 0.0.2\n");
    }
}
