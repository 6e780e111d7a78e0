//! The templates of `mu init`: the repository's examples, fitted for a life of their own.

use std::fmt;
use std::fs;
use std::io;
use std::path::Path;

use clap::ValueEnum;
use mu_stack::{Manifest, StackName};

use crate::file;
use crate::packed::{CHAT_TEMPLATE, HELLO_TEMPLATE, TODO_TEMPLATE};
use crate::project::MANIFEST_FILE;

/// What a new project starts from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Template {
    /// One function behind one route
    Hello,
    /// A todo list: a table, a box, routes with parameters, attachments
    Todo,
    /// A chat: WebSockets, rooms, messages to everyone in them
    Chat,
}

/// Where an example's function finds the SDK in this repository, and where a project's function does.
const SDK_PATH: (&str, &str) = ("../../../../sdk/rust/mu-sdk", "../../.mu/sdk/mu-sdk");

impl Template {
    pub(crate) const ALL: [Self; 3] = [Self::Hello, Self::Todo, Self::Chat];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Hello => "hello",
            Self::Todo => "todo",
            Self::Chat => "chat",
        }
    }

    /// Writes the template's files to `folder`, which is created, as the project `name`.
    pub(crate) fn write(self, folder: &Path, name: &StackName) -> io::Result<()> {
        for (path, text) in self.files() {
            let text = match *path {
                MANIFEST_FILE => rename(text, name),
                _ if path.ends_with("Cargo.toml") => text.replace(SDK_PATH.0, SDK_PATH.1),
                _ => (*text).to_owned(),
            };
            let path = folder.join(path);
            file::create_parent(&path)?;
            fs::write(path, text)?;
        }
        Ok(())
    }

    const fn files(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::Hello => HELLO_TEMPLATE,
            Self::Todo => TODO_TEMPLATE,
            Self::Chat => CHAT_TEMPLATE,
        }
    }

    const fn summary(self) -> &'static str {
        match self {
            Self::Hello => "one function behind one route",
            Self::Todo => "a todo list: a table, a box, attachments",
            Self::Chat => "a chat: WebSockets, rooms, messages to everyone in them",
        }
    }
}

impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.name(), self.summary())
    }
}

/// The manifest with another name for its stack. An id (`dev_id`) is left out: it belongs to the example.
fn rename(manifest: &str, name: &StackName) -> String {
    let with = |written: &str| -> String {
        let lines = manifest
            .lines()
            .filter(|line| !line.starts_with("dev_id:"))
            .map(|line| if line.starts_with("name:") { format!("name: {written}\n") } else { format!("{line}\n") });
        lines.collect()
    };
    let plain = with(name.as_str());
    // YAML reads `123` as a number and `true` as something else again.
    let is_read_back = Manifest::parse(MANIFEST_FILE, plain.as_bytes()).is_ok_and(|read| read.name() == name);
    if is_read_back { plain } else { with(&format!("\"{name}\"")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_template_is_a_project_of_its_own() {
        for template in Template::ALL {
            let folder = tempfile::tempdir().unwrap();
            template.write(folder.path(), &"other-name".parse().unwrap()).unwrap();
            let text = fs::read_to_string(folder.path().join(MANIFEST_FILE)).unwrap();
            let manifest = Manifest::parse(MANIFEST_FILE, text.as_bytes()).unwrap_or_else(|e| panic!("{e}"));
            assert_eq!(manifest.name().as_str(), "other-name");
            let cargo: Vec<_> = template.files().iter().filter(|(path, _)| path.ends_with("Cargo.toml")).collect();
            assert!(!cargo.is_empty(), "{}: no function", template.name());
            for (path, _) in cargo {
                let text = fs::read_to_string(folder.path().join(path)).unwrap();
                assert!(text.contains(SDK_PATH.1), "{path}: does not use the project's copy of the SDK:\n{text}");
            }
        }
    }
}
