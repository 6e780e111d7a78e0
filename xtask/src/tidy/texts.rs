//! Rules for every text: nothing about one machine in it, and no open ends without a word on what is open.

use super::finding::{Finding, Rule};
use super::tree::Tree;

/// Folders of a particular machine; written in pieces, so that this file does not break its own rule.
const MACHINE_FOLDERS: [&str; 2] = [concat!("/", "work"), concat!("/", "root")];
const OPEN_ENDS: [&str; 3] = [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("X", "XX")];

/// An open end says at least this much about what is missing, and why it may wait.
const REASON_WORDS_MIN: usize = 4;

/// Where open ends are looked for: what people write code and configuration in.
const SOURCES: [&str; 8] = [".rs", ".toml", ".yaml", ".yml", ".sh", ".ts", ".tsx", ".js"];

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, text) in tree.texts().filter(|(path, _)| !path.ends_with("Cargo.lock")) {
        let is_source = SOURCES.iter().any(|end| path.ends_with(end));
        for (at, line) in text.lines().enumerate() {
            if let Some(folder) = MACHINE_FOLDERS.into_iter().find(|folder| names_folder(line, folder)) {
                let message = format!("`{folder}` is a folder of one machine");
                let hint = "paths are relative to the repository, or come from the environment";
                findings.push(Finding::new(Rule::MachinePath, path, at + 1, message, hint));
            }
            if let Some(open) = OPEN_ENDS.into_iter().find(|open| is_source && is_unexplained(line, open)) {
                let message = format!("`{open}` without a reason");
                let hint = format!("write `{open}: ` and what is missing and why it may wait, or finish it");
                findings.push(Finding::new(Rule::OpenEnd, path, at + 1, message, hint));
            }
        }
    }
    findings
}

/// Whether the folder, as the start of an absolute path, stands in the line.
fn names_folder(line: &str, folder: &str) -> bool {
    line.match_indices(folder).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let after = line[at + folder.len()..].chars().next();
        let in_longer_path = before.is_some_and(|char| char.is_alphanumeric() || "._-/})~*$>".contains(char));
        let ends_here = after.is_none_or(|char| char == '/' || !(char.is_alphanumeric() || "_-.".contains(char)));
        !in_longer_path && ends_here
    })
}

fn is_unexplained(line: &str, open: &str) -> bool {
    line.match_indices(open).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let after = &line[at + open.len()..];
        let in_word = |char: Option<char>| char.is_some_and(|char| char.is_alphanumeric() || char == '_');
        let explained = after.strip_prefix(": ").is_some_and(|why| why.split_whitespace().count() >= REASON_WORDS_MIN);
        !in_word(before) && !in_word(after.chars().next()) && !explained
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_of_one_machine_are_found() {
        let [first, second] = MACHINE_FOLDERS;
        for (line, found) in [
            (format!("see {first}/main"), true),
            (format!("cd {second}"), true),
            (format!("`{second}/.cache`"), true),
            (format!("src{first}/main"), false),
            (format!("https://host{first}/x"), false),
            (format!("{first}er.rs"), false),
            (format!("{first}-folder"), false),
            (format!("$HOME{first}"), false),
        ] {
            assert_eq!(!check(&Tree::of(&[("a.md", &line)])).is_empty(), found, "{line}");
        }
    }

    #[test]
    fn open_ends_have_a_reason() {
        let open = OPEN_ENDS[0];
        for (line, found) in [
            (format!("// {open}"), true),
            (format!("// {open}: later"), true),
            (format!("// {open}: read it in pieces once boxes can be larger than memory"), false),
            (format!("const {open}_MAX: u8 = 1;"), false),
        ] {
            assert_eq!(!check(&Tree::of(&[("a.rs", &line)])).is_empty(), found, "{line}");
        }
        assert!(check(&Tree::of(&[("a.md", open)])).is_empty(), "prose may speak of it");
    }
}
