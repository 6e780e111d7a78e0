//! `mu init --runtime`: one function that runs in containers, as Project Fn's tool makes one.

use std::fs;
use std::path::PathBuf;

use clap::ValueEnum;
use mu_stack::StackName;
use mu_stack::func::{FUNC_FILES, FuncFile};

use super::{Arguments, GITIGNORE, name_of, print_commands, start_repository};
use crate::failure::{Cause, Failure};
use crate::file;
use crate::packed::{
    CONTAINER_DOCKER_TEMPLATE, CONTAINER_GO_TEMPLATE, CONTAINER_JAVA_TEMPLATE, CONTAINER_NODE_TEMPLATE,
    CONTAINER_PYTHON_TEMPLATE,
};
use crate::terminal::{self, BOLD};

/// A value of `--runtime`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Runtime {
    /// Python, with Project Fn's kit
    Python,
    /// Node.js, with Project Fn's kit
    Node,
    /// Go, with Project Fn's kit
    Go,
    /// Java, with Project Fn's kit, built by Maven
    Java,
    /// A Dockerfile of its own
    Docker,
}

/// What is too large to keep beside the sources.
const IMAGES: &str = "
# Archives of images, and what they were built from.
modules/
mu.lock
";

/// Makes the function. A folder that is there already may hold other files: an `app.yaml`, or a function to describe.
pub(super) fn init(arguments: &Arguments, runtime: Runtime) -> Result<(), Failure> {
    let folder = arguments.path.clone().unwrap_or_else(|| PathBuf::from("."));
    let name = arguments.name.clone().map_or_else(|| name_of(&folder), Ok)?;
    let ignored = format!("{GITIGNORE}{IMAGES}");
    let mut files: Vec<(&str, String)> = runtime.files(&name);
    if let Some((taken, _)) = files.iter().find(|(path, _)| folder.join(path).exists()) {
        let message = format!("{} exists already", folder.join(taken).display());
        return Err(Failure::new(Cause::Failed, message).hint("name another directory, or move the file away"));
    }
    if !folder.join(".gitignore").exists() {
        files.push((".gitignore", ignored));
    }
    for (path, text) in files {
        let path = folder.join(path);
        let written = file::create_parent(&path).and_then(|()| fs::write(&path, text));
        written.map_err(|e| Failure::from_error(Cause::Failed, format!("writing {}", path.display()), &e))?;
    }
    if !arguments.no_git {
        start_repository(&folder);
    }
    let shown = folder.display();
    terminal::say(format!("Made function {BOLD}{name}{BOLD:#} ({}) in {shown}", runtime.title()));
    print_commands(&folder);
    Ok(())
}

impl Runtime {
    const fn title(self) -> &'static str {
        match self {
            Self::Python => "Python",
            Self::Node => "Node.js",
            Self::Go => "Go",
            Self::Java => "Java",
            Self::Docker => "Dockerfile",
        }
    }

    /// The files of a function of this name.
    fn files(self, name: &StackName) -> Vec<(&'static str, String)> {
        let template = match self {
            Self::Python => CONTAINER_PYTHON_TEMPLATE,
            Self::Node => CONTAINER_NODE_TEMPLATE,
            Self::Go => CONTAINER_GO_TEMPLATE,
            Self::Java => CONTAINER_JAVA_TEMPLATE,
            Self::Docker => CONTAINER_DOCKER_TEMPLATE,
        };
        let text = |path: &str, text: &str| if path == FUNC_FILES[0] { rename(text, name) } else { text.to_owned() };
        template.iter().map(|(path, contents)| (*path, text(path, contents))).collect()
    }
}

/// The func file with another name.
fn rename(text: &str, name: &StackName) -> String {
    let with = |written: &str| -> String {
        text.lines()
            .map(|line| if line.starts_with("name:") { format!("name: {written}\n") } else { format!("{line}\n") })
            .collect()
    };
    let plain = with(name.as_str());
    // YAML reads `123` as a number and `true` as something else again.
    let read = FuncFile::parse(FUNC_FILES[0], plain.as_bytes());
    let is_read_back = read.is_ok_and(|read| read.name.is_some_and(|read| read.as_str() == name.as_str()));
    if is_read_back { plain } else { with(&format!("\"{name}\"")) }
}

#[cfg(test)]
mod tests {
    use mu_stack::func::Recipe;

    use super::*;

    #[test]
    fn every_runtime_is_a_function_that_can_be_built() {
        for runtime in Runtime::value_variants() {
            for name in ["other-name", "123", "true"] {
                let files = runtime.files(&name.parse().unwrap());
                let (_, text) = files.iter().find(|(path, _)| *path == "func.yaml").unwrap();
                let file = FuncFile::parse("func.yaml", text.as_bytes()).unwrap_or_else(|e| panic!("{e}"));
                assert_eq!(file.name.as_ref().unwrap().as_str(), name);
                assert_eq!((file.triggers.len(), file.notes.len()), (1, 0));
                let has = |name: &str| files.iter().any(|(path, _)| *path == name);
                let recipe = Recipe::of(Some(&file), has).unwrap_or_else(|e| panic!("{e}"));
                assert_eq!(recipe == Recipe::Own, *runtime == Runtime::Docker);
            }
        }
    }
}
