//! The house rules that a compiler does not know, checked on the text of the repository.
//!
//! ARCHITECTURE.md says what the rules are for. A rule that is right almost everywhere has its exceptions listed, each
//! with a reason, in [`exceptions`].

mod code;
mod edges;
mod exceptions;
mod finding;
mod markdown;
mod members;
mod rust_files;
mod services;
mod texts;
mod tree;
mod vendors;
mod workspace_dependencies;

use std::path::Path;

use crate::failure::{Failure, Outcome};
use finding::{Finding, Severity};
use tree::Tree;

/// Checks the repository below `root`; prints `path:line: message` per finding and fails if there is an error.
pub(crate) fn run(root: &Path) -> Outcome {
    let tree = Tree::read(root)?;
    let findings = check(&tree)?;
    for finding in &findings {
        println!("{finding}");
    }
    match findings.iter().filter(|finding| finding.severity == Severity::Error).count() {
        0 => Ok(()),
        1 => Err(Failure::new("one house rule is broken")),
        count => Err(Failure::new(format!("house rules are broken in {count} places"))),
    }
}

/// All findings, exceptions taken out, in the order of the files.
fn check(tree: &Tree) -> Outcome<Vec<Finding>> {
    let members = members::of(tree)?;
    let mut findings = Vec::new();
    findings.extend(edges::check(&members));
    findings.extend(vendors::check(&members));
    findings.extend(members::check(tree, &members));
    findings.extend(workspace_dependencies::check(tree, &members)?);
    findings.extend(rust_files::check(tree));
    findings.extend(services::check(tree));
    findings.extend(texts::check(tree));
    findings.extend(markdown::check(tree));
    let mut findings = exceptions::apply(findings, tree);
    findings.sort_by(|a, b| (&a.path, a.line).cmp(&(&b.path, b.line)));
    Ok(findings)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROOT: &str = "[workspace]\nmembers = [\"crates/model/*\", \"crates/app/*\"]\n";
    const ABI: &str = "[package]\nname = \"mu-abi\"\n[lints]\nworkspace = true\n";
    const NODE: &str =
        "[package]\nname = \"mu-node\"\n[lints]\nworkspace = true\n[dependencies]\nmu-abi.workspace = true\n";

    #[test]
    fn a_tidy_tree_has_no_findings() {
        let tree = Tree::of(&[
            ("Cargo.toml", ROOT),
            ("crates/model/abi/Cargo.toml", ABI),
            ("crates/model/abi/src/lib.rs", "//! What is said.\n"),
            ("crates/app/node/Cargo.toml", NODE),
            ("crates/app/node/src/lib.rs", "//! A node.\n"),
            ("README.md", "See [the node](crates/app/node/src/lib.rs).\n"),
        ]);
        assert_eq!(check(&tree).map(|findings| findings.len()), Ok(0));
    }

    #[test]
    fn findings_come_in_the_order_of_the_files() {
        let tree = Tree::of(&[
            ("Cargo.toml", ROOT),
            ("crates/model/abi/Cargo.toml", ABI),
            ("crates/model/abi/src/lib.rs", "fn f() {\n    todo!()\n}\n"),
            ("README.md", "See [this](nowhere.md).\n"),
        ]);
        let places = check(&tree).map(|findings| findings.iter().map(Finding::place).collect::<Vec<_>>());
        let expected = ["README.md:1", "crates/model/abi/src/lib.rs:1", "crates/model/abi/src/lib.rs:2"];
        assert_eq!(places, Ok(expected.map(str::to_owned).to_vec()));
    }
}
