//! A function about to be built, whatever its language.

use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use mu_stack::{Language, Runtime};

use crate::build::process::{self, Stdout};
use crate::build::tool::Missing;
use crate::failure::{Cause, Failure};
use crate::file;
use crate::sdk;
use crate::terminal::Progress;

/// A function about to be built.
pub(crate) struct Source<'a> {
    /// The project's root.
    pub(crate) root: &'a Path,
    /// The function's name.
    pub(crate) name: &'a str,
    /// The folder of its sources.
    pub(crate) folder: &'a Path,
    /// What the artifact is for.
    pub(crate) runtime: Runtime,
}

impl Source<'_> {
    /// Where a build puts what it made, before it takes the place of the module.
    pub(crate) fn output(&self, language: Language) -> Result<PathBuf, Failure> {
        let path = self.root.join(".mu/target").join(language.as_str()).join(self.name).with_added_extension("wasm");
        file::create_parent(&path)
            .map_err(|e| self.failed(format!("creating the folder of {}: {e}", path.display())))?;
        Ok(path)
    }

    /// Puts the SDK where the function expects it.
    pub(crate) fn materialise_sdk(&self, language: Language) -> Result<PathBuf, Failure> {
        sdk::materialise(self.root, language).map_err(|e| self.failed(format!("writing {}: {e}", sdk::SDK_FOLDER)))?;
        Ok(self.root.join(sdk::SDK_FOLDER))
    }

    /// A file of the sources that the language cannot do without.
    pub(crate) fn required(&self, file: &str, language: Language) -> Result<PathBuf, Failure> {
        let path = self.folder.join(file);
        if path.is_file() {
            return Ok(path);
        }
        Err(self.failed(format!("{} does not exist", path.display())).hint(format!(
            "a function of `lang: {language}` has one; `mu init --lang {language}` makes one to look at"
        )))
    }

    /// The text of the file that names what the function depends on. When that is the project's SDK, it is put there.
    pub(crate) fn manifest(&self, file: &str, language: Language) -> Result<String, Failure> {
        let path = self.required(file, language)?;
        let text = fs::read_to_string(&path).map_err(|e| self.failed(format!("reading {}: {e}", path.display())))?;
        if text.contains(sdk::SDK_FOLDER) {
            self.materialise_sdk(language)?;
        }
        Ok(text)
    }

    /// Runs a step of the build, which `what` names; what it said is told when it fails.
    pub(crate) fn run(&self, what: &str, command: &mut Command, progress: &Progress) -> Result<(), Failure> {
        let done = process::run(command.current_dir(self.folder), Stdout::Talk, progress)
            .map_err(|e: io::Error| self.failed(format!("starting {what}: {e}")))?;
        if done.status.success() { Ok(()) } else { Err(self.failed(format!("{what} failed")).detail(done.said)) }
    }

    /// A tool that the build needs is not there.
    pub(crate) fn lacks(&self, missing: &Missing) -> Failure {
        self.failed(missing.to_string()).hint(format!("{}; `mu doctor` shows what else is missing", missing.hint()))
    }

    pub(crate) fn failed(&self, why: impl fmt::Display) -> Failure {
        Failure::new(Cause::Build, format!("building function `{}`: {why}", self.name))
    }
}
