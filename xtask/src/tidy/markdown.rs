//! Relative links of every Markdown file lead to something that is there.

use super::finding::{Finding, Rule};
use super::tree::Tree;

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, text) in tree.texts_ending(".md") {
        let mut fenced = false;
        for (at, line) in text.lines().enumerate() {
            if line.trim_start().starts_with("```") {
                fenced = !fenced;
            } else if !fenced {
                let broken =
                    links(line).into_iter().filter(|link| is_relative(link) && !leads_somewhere(tree, path, link));
                findings.extend(broken.map(|link| {
                    let message = format!("the link `{link}` leads nowhere");
                    Finding::new(Rule::Link, path, at + 1, message, "links are relative to the file they stand in")
                }));
            }
        }
    }
    findings
}

/// Targets of `[text](target)`, `![image](target)` and `[name]: target`, code left out.
fn links(line: &str) -> Vec<String> {
    let prose: String = line.split('`').step_by(2).collect::<Vec<_>>().join("``");
    if let Some((_, target)) = prose.strip_prefix('[').and_then(|rest| rest.split_once("]: ")) {
        return target.split_whitespace().next().map(str::to_owned).into_iter().collect();
    }
    let ends = prose.match_indices("](").map(|(at, _)| &prose[at + 2..]);
    let targets = ends.filter_map(|rest| rest.split_once(')')).map(|(target, _)| target);
    // A title may follow the target.
    targets.filter_map(|target| target.split_whitespace().next()).map(str::to_owned).collect()
}

fn is_relative(link: &str) -> bool {
    let has_scheme = link.split_once(':').is_some_and(|(scheme, _)| !scheme.contains('/'));
    !has_scheme && !link.starts_with('#') && !link.starts_with("//")
}

fn leads_somewhere(tree: &Tree, from: &str, link: &str) -> bool {
    let target = link.split(['#', '?']).next().unwrap_or(link);
    let mut parts: Vec<&str> = from.split('/').collect();
    parts.pop();
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                if parts.pop().is_none() {
                    return false;
                }
            }
            name => parts.push(name),
        }
    }
    !target.starts_with('/') && tree.contains(&parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_resolve_from_their_file() {
        for (line, broken) in [
            ("[a](b.md)", 0),
            ("[a](b.md#part) and [c](gone.md)", 1),
            ("[a](../README.md)", 0),
            ("[a](../..)", 1),
            ("[a](..)", 0),
            ("[a](https://example.org/x) [b](mailto:a@b) [c](#here)", 0),
            ("`[a](gone.md)`", 0),
            ("[a]: gone.md", 1),
            ("[a]: b.md \"title\"", 0),
            ("![a](b.md \"title\")", 0),
            ("[a](/b.md)", 1),
        ] {
            let tree = Tree::of(&[("docs/a.md", line), ("docs/b.md", ""), ("README.md", "")]);
            assert_eq!(check(&tree).len(), broken, "{line}");
        }
    }

    #[test]
    fn code_blocks_are_not_links() {
        assert!(check(&Tree::of(&[("a.md", "```\n[a](gone.md)\n```\n")])).is_empty());
    }
}
