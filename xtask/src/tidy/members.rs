//! The crates of the workspace: where each stands, what it depends on, and what every one of them must have.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::finding::{Finding, Rule};
use super::tree::Tree;
use crate::failure::{Failure, Outcome};

/// Crates that leave this repository as sources, to be built in a function's own workspace; they cannot inherit.
const SELF_CONTAINED: [&str; 3] = ["mu-abi", "mu-sdk", "mu-sdk-macros"];

/// A layer of `crates/`; edges point from a later one to an earlier one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Layer {
    Model,
    Infra,
    Service,
    App,
}

impl Layer {
    fn of(folder: &str) -> Option<Self> {
        match folder {
            "model" => Some(Self::Model),
            "infra" => Some(Self::Infra),
            "service" => Some(Self::Service),
            "app" => Some(Self::App),
            _ => None,
        }
    }
}

/// Where a crate stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    /// `crates/LAYER/NAME`.
    House(Layer, String),
    /// `sdk/...`: what functions are built with.
    Sdk,
    /// Benches and tasks: they may look at everything, and nothing may depend on them.
    Tooling,
}

pub(super) struct Dependency {
    /// The package's name, not what it is renamed to.
    pub(super) name: String,
    pub(super) line: usize,
    /// Whether the version stands in the workspace's table.
    pub(super) is_inherited: bool,
}

pub(super) struct Member {
    pub(super) name: String,
    pub(super) folder: String,
    pub(super) place: Place,
    /// Normal, build, development and per-target ones alike: each is an edge.
    pub(super) dependencies: Vec<Dependency>,
    inherits_lints: bool,
}

impl Member {
    pub(super) fn manifest(&self) -> String {
        format!("{}/Cargo.toml", self.folder)
    }
}

/// Reads the manifest of every member of the workspace.
pub(super) fn of(tree: &Tree) -> Outcome<Vec<Member>> {
    let root = parse("Cargo.toml", tree.text("Cargo.toml").unwrap_or_default())?;
    let workspace = root.get("workspace").and_then(|value| value.get_ref().as_table());
    let patterns = workspace.and_then(|table| table.get("members")).and_then(|value| value.get_ref().as_array());
    let mut members = Vec::new();
    for pattern in patterns.into_iter().flat_map(|array| array.iter()).filter_map(|value| value.get_ref().as_str()) {
        let folders = match pattern.strip_suffix("/*") {
            Some(above) => {
                tree.folders_with(above, "Cargo.toml").iter().map(|name| format!("{above}/{name}")).collect()
            }
            None => vec![pattern.to_owned()],
        };
        for folder in folders {
            members.push(member(tree, folder)?);
        }
    }
    Ok(members)
}

/// What every crate must have: the workspace's lints, and a few words on what it is.
pub(super) fn check(tree: &Tree, members: &[Member]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for member in members {
        if !member.inherits_lints && !SELF_CONTAINED.contains(&member.name.as_str()) {
            let message = format!("crate `{}` does not take the workspace's lints", member.name);
            let hint = "add `[lints]` with `workspace = true`";
            findings.push(Finding::new(Rule::Lints, &member.manifest(), 1, message, hint));
        }
        for file in ["lib.rs", "main.rs"].map(|name| format!("{}/src/{name}", member.folder)) {
            let first = tree.text(&file).and_then(|text| text.lines().find(|line| !line.trim().is_empty()));
            if first.is_some_and(|line| !line.starts_with("//!")) {
                let message = format!("crate `{}` does not say what it is", member.name);
                let hint = "start the file with a `//!` paragraph: what and why";
                findings.push(Finding::new(Rule::CrateDoc, &file, 1, message, hint));
            }
        }
    }
    findings
}

fn member(tree: &Tree, folder: String) -> Outcome<Member> {
    let path = format!("{folder}/Cargo.toml");
    let text = tree.text(&path).ok_or_else(|| Failure::new(format!("member `{folder}` has no {path}")))?;
    let manifest = parse(&path, text)?;
    let table = |name: &str| manifest.get(name).and_then(|value| value.get_ref().as_table());
    let name = table("package").and_then(|package| package.get("name")).and_then(|name| name.get_ref().as_str());
    let name = name.ok_or_else(|| Failure::new(format!("{path} names no package")))?.to_owned();

    let mut dependencies = Vec::new();
    collect_dependencies(&manifest, text, &mut dependencies);
    for target in table("target").into_iter().flat_map(|targets| targets.values()) {
        if let Some(target) = target.get_ref().as_table() {
            collect_dependencies(target, text, &mut dependencies);
        }
    }
    let lints = table("lints").and_then(|lints| lints.get("workspace"));
    let inherits_lints = lints.and_then(|value| value.get_ref().as_bool()) == Some(true);
    Ok(Member { name, place: place(&folder)?, folder, dependencies, inherits_lints })
}

fn collect_dependencies(table: &DeTable<'_>, text: &str, found: &mut Vec<Dependency>) {
    for kind in ["dependencies", "dev-dependencies", "build-dependencies"] {
        let Some(dependencies) = table.get(kind).and_then(|value| value.get_ref().as_table()) else { continue };
        for (key, value) in dependencies {
            let detail = |name: &str| match value.get_ref() {
                DeValue::Table(details) => details.get(name).map(Spanned::get_ref),
                _ => None,
            };
            let renamed = detail("package").and_then(DeValue::as_str);
            let name = renamed.unwrap_or(key.get_ref()).to_owned();
            let is_inherited = detail("workspace").and_then(DeValue::as_bool) == Some(true);
            found.push(Dependency { name, line: line_of(text, key.span()), is_inherited });
        }
    }
}

fn place(folder: &str) -> Outcome<Place> {
    let parts: Vec<_> = folder.split('/').collect();
    match parts.as_slice() {
        ["crates", layer, name] => match Layer::of(layer) {
            Some(layer) => Ok(Place::House(layer, (*name).to_owned())),
            None => Err(Failure::new(format!("`crates/{layer}` is no layer"))
                .hint("the layers are model, infra, service and app")),
        },
        ["sdk", ..] => Ok(Place::Sdk),
        _ => Ok(Place::Tooling),
    }
}

pub(super) fn line_of(text: &str, span: Range<usize>) -> usize {
    text[..span.start].matches('\n').count() + 1
}

pub(super) fn parse<'text>(path: &str, text: &'text str) -> Outcome<DeTable<'text>> {
    let parsed = DeTable::parse(text).map_err(|cause| Failure::new(format!("reading {path}: {cause}")))?;
    Ok(parsed.into_inner())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_every_form_of_a_dependency() {
        let manifest = "[package]\nname = \"mu-a\"\n\n[dependencies]\none.workspace = true\ntwo = \"1\"\n\
            three = { package = \"drei\", version = \"1\" }\n[dev-dependencies]\nfour = \"1\"\n\
            [target.'cfg(unix)'.dependencies]\nfive = \"1\"\n[build-dependencies.six]\nversion = \"1\"\n";
        let root = "[workspace]\nmembers = [\"crates/model/*\"]\n";
        let tree = Tree::of(&[("Cargo.toml", root), ("crates/model/a/Cargo.toml", manifest)]);
        let members = of(&tree).expect("the manifests are well-formed");
        let found: Vec<_> = members[0].dependencies.iter().map(|edge| (edge.name.as_str(), edge.line)).collect();
        let expected = [("one", 5), ("two", 6), ("drei", 7), ("four", 9), ("five", 11), ("six", 12)];
        for edge in expected {
            assert!(found.contains(&edge), "{edge:?} is not in {found:?}");
        }
        assert_eq!(members[0].place, Place::House(Layer::Model, "a".to_owned()));
    }

    #[test]
    fn an_unknown_layer_or_a_missing_manifest_is_a_failure() {
        for (member, text) in [("crates/misc/a", "[package]\nname = \"a\"\n"), ("crates/model/a", "[package]\n")] {
            let root = format!("[workspace]\nmembers = [\"{member}\"]\n");
            let tree = Tree::of(&[("Cargo.toml", &root), (&format!("{member}/Cargo.toml"), text)]);
            assert!(of(&tree).is_err(), "{member}");
        }
    }

    #[test]
    fn every_crate_takes_the_lints_and_says_what_it_is() {
        let root = "[workspace]\nmembers = [\"crates/model/*\", \"sdk/rust/mu-sdk\"]\n";
        let tree = Tree::of(&[
            ("Cargo.toml", root),
            ("crates/model/a/Cargo.toml", "[package]\nname = \"mu-a\"\n"),
            ("crates/model/a/src/lib.rs", "\nmod x;\n"),
            ("sdk/rust/mu-sdk/Cargo.toml", "[package]\nname = \"mu-sdk\"\n"),
            ("sdk/rust/mu-sdk/src/lib.rs", "//! What functions are written with.\n"),
        ]);
        let members = of(&tree).expect("the manifests are well-formed");
        let places: Vec<_> = check(&tree, &members).iter().map(Finding::place).collect();
        assert_eq!(places, ["crates/model/a/Cargo.toml:1", "crates/model/a/src/lib.rs:1"]);
    }
}
