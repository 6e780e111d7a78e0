//! Programs from PyPI, each set in a virtual environment of its own in the cache folder.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::failure::{Doing, Outcome};
use crate::{process, repository};

/// Written last; holds what was installed.
const STAMP: &str = "mu-packages";

/// An installed set of programs.
pub(crate) struct Environment(PathBuf);

impl Environment {
    /// Installs packages in the folder that a variable names, or in this one of the cache folder, unless they are there
    /// already. Packages have named versions, so that a failure is of our making.
    pub(crate) fn install(folder: &str, variable: &str, packages: &[&str]) -> Outcome<Self> {
        let environment = match std::env::var_os(variable).filter(|value| !value.is_empty()) {
            Some(named) => PathBuf::from(named),
            None => repository::cache_folder().join(folder),
        };
        let (stamp, wanted) = (environment.join(STAMP), packages.join("\n"));
        if std::fs::read_to_string(&stamp).ok().as_deref() != Some(&wanted) {
            eprintln!("installing {} in {}", packages.join(", "), environment.display());
            let python = process::require_program("python3", "python3-venv")?;
            process::run_as_talk(Command::new(python).args(["-m", "venv"]).arg(&environment))?;
            process::run_as_talk(
                Command::new(environment.join("bin/pip")).args(["install", "--quiet"]).args(packages),
            )?;
            std::fs::write(&stamp, wanted).doing(format_args!("writing {}", stamp.display()))?;
        }
        Ok(Self(environment))
    }

    /// Where its programs are.
    pub(crate) fn programs(&self) -> PathBuf {
        self.0.join("bin")
    }

    /// One of its programs, if it has it.
    pub(crate) fn program(&self, name: &str) -> Option<PathBuf> {
        Some(self.programs().join(name)).filter(|program| Path::is_file(program))
    }
}
