//! Where the programs are found that build functions, and how to get those that are missing.

use std::env;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

use mu_stack::Language;

/// A program that builds functions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tool {
    /// Runs the componentizer of JavaScript.
    Node,
    /// Installs packages of JavaScript.
    Npm,
    /// Makes components of Python.
    ComponentizePy,
    /// The compiler of Go.
    Go,
    /// The compiler of C.
    Zig,
}

/// A program that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    /// The file to run.
    program: PathBuf,
    /// What stands before all other arguments.
    arguments: &'static [&'static str],
    /// The virtual environment of Python that it lies in.
    environment: Option<PathBuf>,
}

/// A program is not to be found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{} is not installed", .0.title())]
pub(crate) struct Missing(pub(crate) Tool);

impl Tool {
    /// The tools that functions of a language are built with, besides those of Rust.
    pub(crate) const fn of(language: Language) -> &'static [Self] {
        match language {
            Language::Rust => &[],
            Language::JavaScript => &[Self::Node, Self::Npm],
            Language::Python => &[Self::ComponentizePy],
            Language::Go => &[Self::Go],
            Language::C => &[Self::Zig],
        }
    }

    /// As its command is called.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Node => "node",
            Self::Npm => "npm",
            Self::ComponentizePy => "componentize-py",
            Self::Go => "go",
            Self::Zig => "zig",
        }
    }

    /// As people call it.
    pub(crate) const fn title(self) -> &'static str {
        match self {
            Self::Node => "Node.js",
            Self::Npm => "npm",
            Self::ComponentizePy => "componentize-py",
            Self::Go => "Go",
            Self::Zig => "zig, the compiler of C,",
        }
    }

    /// Looks for it: in virtual environments of Python in `folders` (`.venv`), in the one that is active, in `PATH`.
    pub(crate) fn find(self, folders: &[&Path]) -> Result<Found, Missing> {
        let inside = folders.iter().map(|folder| folder.join(".venv"));
        let active = env::var_os("VIRTUAL_ENV").filter(|value| !value.is_empty()).map(PathBuf::from);
        for environment in inside.chain(active) {
            // Absolute, because it is run in another folder.
            let Ok(environment) = std::path::absolute(environment) else { continue };
            if let Some((program, arguments)) = self.in_folder(&environment.join("bin")) {
                return Ok(Found { program, arguments, environment: Some(environment) });
            }
        }
        let path = env::var_os("PATH").unwrap_or_default();
        let found = env::split_paths(&path).find_map(|folder| self.in_folder(&folder));
        found.map(|(program, arguments)| Found { program, arguments, environment: None }).ok_or(Missing(self))
    }

    /// The program of this tool in a folder of programs.
    fn in_folder(self, folder: &Path) -> Option<(PathBuf, &'static [&'static str])> {
        let program = folder.join(self.name());
        if program.is_file() {
            return Some((program, &[]));
        }
        // The package `ziglang` installs no command of its own name.
        let python = folder.join("python3");
        let is_package = self == Self::Zig && python.is_file() && has_ziglang(&python);
        is_package.then_some((python, &["-m", "ziglang"]))
    }

    const fn version_argument(self) -> &'static str {
        match self {
            Self::Go | Self::Zig => "version",
            Self::Node | Self::Npm | Self::ComponentizePy => "--version",
        }
    }
}

impl Found {
    /// A command that runs it.
    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.args(self.arguments);
        if let Some(environment) = &self.environment {
            command.env("VIRTUAL_ENV", environment);
        }
        command
    }

    /// The first line that it says about its version; `None` if it does not work.
    pub(crate) fn version(&self, tool: Tool) -> Option<String> {
        first_line(self.command().arg(tool.version_argument()))
    }
}

impl Missing {
    /// What to do about it.
    pub(crate) const fn hint(self) -> &'static str {
        match self.0 {
            Tool::Node | Tool::Npm => "install Node.js 20 or newer, with npm, from https://nodejs.org",
            Tool::ComponentizePy => {
                "`python3 -m venv .venv && .venv/bin/pip install componentize-py` installs it for this project"
            }
            Tool::Go => "install Go 1.22 or newer from https://go.dev",
            Tool::Zig => "`python3 -m venv .venv && .venv/bin/pip install ziglang` installs it for this project",
        }
    }
}

/// The version line of a program, as doctors like to see it.
pub(crate) fn version(program: impl AsRef<OsStr>) -> Option<String> {
    first_line(Command::new(program).arg("--version"))
}

fn has_ziglang(python: &Path) -> bool {
    first_line(Command::new(python).args(["-m", "ziglang", "version"])).is_some()
}

fn first_line(command: &mut Command) -> Option<String> {
    let finished = command.output().ok()?;
    let text = String::from_utf8_lossy(&finished.stdout).lines().next()?.trim().to_owned();
    finished.status.success().then_some(text)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn program(folder: &Path, name: &str, script: &str) {
        let path = folder.join(".venv/bin").join(name);
        crate::file::create_parent(&path).unwrap();
        fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    #[test]
    fn a_virtual_environment_of_the_project_comes_first() {
        let (function, project) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let folders = [function.path(), project.path()];
        program(project.path(), "go", "echo project $1 $VIRTUAL_ENV");
        let found = Tool::Go.find(&folders).unwrap();
        let environment = project.path().join(".venv");
        assert_eq!(found.version(Tool::Go).unwrap(), format!("project version {}", environment.display()));
        program(function.path(), "go", "echo function");
        assert_eq!(Tool::Go.find(&folders).unwrap().version(Tool::Go).unwrap(), "function");
    }

    #[test]
    fn zig_may_be_a_package_of_python() {
        let project = tempfile::tempdir().unwrap();
        program(project.path(), "python3", "test \"$1 $2\" = '-m ziglang' && echo 0.17 $3");
        let found = Tool::Zig.find(&[project.path()]).unwrap();
        assert_eq!(found.version(Tool::Zig).unwrap(), "0.17 version");
    }

    #[test]
    fn every_language_names_what_it_lacks() {
        for tool in Language::ALL.into_iter().flat_map(Tool::of) {
            let missing = Missing(*tool);
            assert!(missing.to_string().ends_with("is not installed"), "{missing}");
            assert!(missing.hint().contains("install"), "{}", missing.hint());
        }
    }
}
