//! What the workspace's table of dependencies names, some member uses: a line nobody needs is read by everybody.

use super::finding::{Finding, Rule};
use super::members::{self, Member};
use super::tree::Tree;
use crate::failure::Outcome;

const MANIFEST: &str = "Cargo.toml";

pub(super) fn check(tree: &Tree, members: &[Member]) -> Outcome<Vec<Finding>> {
    let text = tree.text(MANIFEST).unwrap_or_default();
    let root = members::parse(MANIFEST, text)?;
    let workspace = root.get("workspace").and_then(|value| value.get_ref().as_table());
    let listed = workspace.and_then(|table| table.get("dependencies")).and_then(|value| value.get_ref().as_table());
    let mut findings = Vec::new();
    for name in listed.into_iter().flat_map(|table| table.keys()) {
        let mut used = members.iter().flat_map(|member| &member.dependencies).filter(|used| used.is_inherited);
        if !used.any(|used| used.name == name.get_ref().as_ref()) {
            let line = members::line_of(text, name.span());
            let message = format!("no member of the workspace uses `{}`", name.get_ref());
            let hint = "take the line out of [workspace.dependencies]";
            findings.push(Finding::new(Rule::UnusedDependency, MANIFEST, line, message, hint));
        }
    }
    Ok(findings)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listed_dependency_is_used() {
        let root = "[workspace]\nmembers = [\"crates/model/*\"]\n[workspace.dependencies]\nplain = \"1\"\n\
            tested = { version = \"1\" }\nper-target = \"1\"\nunused = \"1\"\nown-version = \"1\"\n\
            [workspace.dependencies.unused-table]\nversion = \"1\"\n";
        let manifest = "[package]\nname = \"mu-a\"\n[dependencies]\nplain.workspace = true\nown-version = \"1\"\n\
            [dev-dependencies]\ntested = { workspace = true, features = [\"more\"] }\n\
            [target.'cfg(unix)'.dependencies]\nper-target.workspace = true\n";
        let tree = Tree::of(&[("Cargo.toml", root), ("crates/model/a/Cargo.toml", manifest)]);
        let members = members::of(&tree).expect("the manifests are well-formed");
        let findings = check(&tree, &members).expect("the manifest is well-formed");
        let mut places: Vec<_> = findings.iter().map(Finding::place).collect();
        places.sort();
        assert_eq!(places, ["Cargo.toml:7", "Cargo.toml:8", "Cargo.toml:9"]);
    }
}
