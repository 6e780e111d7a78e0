//! The templates of `mu init`: the repository's examples, fitted for a life of their own.

use std::fmt;
use std::fs;
use std::io;
use std::path::Path;

use clap::ValueEnum;
use mu_stack::{Language, Manifest, StackName};

use crate::file;
use crate::packed::{
    CHAT_TEMPLATE, HELLO_C_TEMPLATE, HELLO_GO_TEMPLATE, HELLO_JS_TEMPLATE, HELLO_PYTHON_TEMPLATE, HELLO_TEMPLATE,
    TODO_TEMPLATE,
};
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

/// Files that name where the SDK is.
const DEPENDENTS: [&str; 3] = ["Cargo.toml", "package.json", "go.mod"];

/// Where an example's function finds the SDKs in this repository, that of Rust first, and where a project's does.
const SDK_PATHS: [(&str, &str); 2] =
    [("../../../../sdk/rust/mu-sdk", "../../.mu/sdk/mu-sdk"), ("../../../../sdk/", "../../.mu/sdk/")];

impl Template {
    pub(crate) const ALL: [Self; 3] = [Self::Hello, Self::Todo, Self::Chat];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Hello => "hello",
            Self::Todo => "todo",
            Self::Chat => "chat",
        }
    }

    /// The languages that it is written in.
    pub(crate) const fn languages(self) -> &'static [Language] {
        match self {
            Self::Hello => &Language::ALL,
            Self::Todo | Self::Chat => &[Language::Rust],
        }
    }

    /// Writes the template's files to `folder`, which is created, as the project `name`. The language is one that the
    /// template is written in.
    pub(crate) fn write(self, language: Language, folder: &Path, name: &StackName) -> io::Result<()> {
        for (path, text) in self.files(language) {
            let text = match *path {
                MANIFEST_FILE => rename(text, name),
                _ if DEPENDENTS.iter().any(|file| path.ends_with(file)) => with_own_sdk(text),
                _ => (*text).to_owned(),
            };
            let path = folder.join(path);
            file::create_parent(&path)?;
            fs::write(path, text)?;
        }
        Ok(())
    }

    const fn files(self, language: Language) -> &'static [(&'static str, &'static str)] {
        match (self, language) {
            (Self::Hello, Language::Rust) => HELLO_TEMPLATE,
            (Self::Hello, Language::JavaScript) => HELLO_JS_TEMPLATE,
            (Self::Hello, Language::Python) => HELLO_PYTHON_TEMPLATE,
            (Self::Hello, Language::Go) => HELLO_GO_TEMPLATE,
            (Self::Hello, Language::C) => HELLO_C_TEMPLATE,
            (Self::Todo, _) => TODO_TEMPLATE,
            (Self::Chat, _) => CHAT_TEMPLATE,
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

/// What names the SDK, naming the project's copy.
fn with_own_sdk(text: &str) -> String {
    SDK_PATHS.iter().fold(text.to_owned(), |text, (here, there)| text.replace(here, there))
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
    use mu_stack::Build;

    use super::*;

    #[test]
    fn every_template_is_a_project_of_its_own() {
        for (template, language) in Template::ALL
            .into_iter()
            .flat_map(|template| template.languages().iter().map(move |each| (template, *each)))
        {
            let folder = tempfile::tempdir().unwrap();
            template.write(language, folder.path(), &"other-name".parse().unwrap()).unwrap();
            let text = fs::read_to_string(folder.path().join(MANIFEST_FILE)).unwrap();
            let manifest = Manifest::parse(MANIFEST_FILE, text.as_bytes()).unwrap_or_else(|e| panic!("{e}"));
            assert_eq!(manifest.name().as_str(), "other-name");
            let builds: Vec<_> = manifest.functions().map(mu_stack::FunctionManifest::build).collect();
            assert_eq!(builds, [&Build::Language(language)], "{}", template.name());
            for (path, _) in template.files(language) {
                let text = fs::read_to_string(folder.path().join(path)).unwrap();
                assert!(!text.contains("../../../"), "{path}: leads out of the project:\n{text}");
                let names_sdk = DEPENDENTS.iter().any(|file| path.ends_with(file));
                assert!(!names_sdk || text.contains("../../.mu/sdk/"), "{path}: not the project's SDK:\n{text}");
            }
        }
    }
}
