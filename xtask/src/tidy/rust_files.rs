//! Rules for every Rust file: its length, its name, and a few things that may not stand in it.

use super::code::{Code, has_word};
use super::finding::{Finding, Rule};
use super::tree::Tree;

const LINES_MAX: usize = 600;
const LINES_LONG: usize = 400;

/// The only crate of the house that may say `unsafe`: it maps compiled code into memory.
const UNSAFE_HOME: &str = "crates/infra/runtime/";
/// Functions for tests, which call the sandbox's raw imports; they run inside it, so the house is not at risk.
const GUESTS: &str = "guests/";

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, text) in tree.texts_ending(".rs") {
        if path.ends_with("/mod.rs") {
            let hint = "name it after its module: `foo.rs` beside the folder `foo`";
            findings.push(Finding::new(Rule::ModFile, path, 1, "this tree has no `mod.rs`", hint));
        }
        findings.extend(length(path, text));
        let parts = Code::of(text);
        let code: Vec<_> = parts.code.lines().collect();
        let comments: Vec<_> = parts.comments.lines().collect();
        for (at, line) in code.iter().enumerate() {
            findings.extend(forbidden(path, at + 1, line));
            if has_word(line, "unsafe") {
                findings.extend(unsafe_code(path, at, &code, &comments));
            }
        }
    }
    findings
}

fn length(path: &str, text: &str) -> Option<Finding> {
    let lines = text.lines().count();
    let message = format!("the file has {lines} lines");
    if lines > LINES_MAX {
        let hint = format!("a file is one idea, {LINES_MAX} lines at most: split it");
        Some(Finding::new(Rule::FileLength, path, LINES_MAX, message, hint))
    } else if lines > LINES_LONG {
        let hint = format!("look twice past {LINES_LONG} lines: is it still one idea?");
        Some(Finding::new(Rule::FileLength, path, LINES_LONG, message, hint).warning())
    } else {
        None
    }
}

fn forbidden(path: &str, line: usize, code: &str) -> Option<Finding> {
    let compact: String = code.split_whitespace().collect();
    if compact.contains("#[allow(") || compact.contains("#![allow(") {
        let hint = "write `#[expect(lint, reason = \"...\")]`: it goes away when it is no longer needed";
        return Some(Finding::new(Rule::AllowAttribute, path, line, "a lint is allowed", hint));
    }
    let unfinished = ["todo", "unimplemented"]
        .into_iter()
        .find(|name| has_word(code, name) && compact.contains(&format!("{name}!")))?;
    let message = format!("`{unfinished}!` is a panic that waits");
    let hint = "finish it, or answer with an error that says what is missing";
    Some(Finding::new(Rule::UnfinishedCode, path, line, message, hint))
}

fn unsafe_code(path: &str, at: usize, code: &[&str], comments: &[&str]) -> Option<Finding> {
    if !path.starts_with(UNSAFE_HOME) && !path.starts_with(GUESTS) {
        let hint = format!("`unsafe` lives in {UNSAFE_HOME} alone; use a safe function or put one there");
        return Some(Finding::new(Rule::UnsafePlace, path, at + 1, "`unsafe` outside of its home", hint));
    }
    if has_reason(at, code, comments) {
        return None;
    }
    let hint = "write above it `// SAFETY:` and why it holds";
    Some(Finding::new(Rule::UnsafeReason, path, at + 1, "`unsafe` without a reason", hint))
}

/// Whether a comment on the line, or right above the statement it belongs to, says why the code is sound.
fn has_reason(at: usize, code: &[&str], comments: &[&str]) -> bool {
    /// A statement may start a few lines before its `unsafe`.
    const STATEMENT_LINES_MAX: usize = 4;
    let says = |line: &str| line.contains("SAFETY:") || line.contains("# Safety");
    if says(comments[at]) {
        return true;
    }
    let mut seen_code = 0;
    let mut in_comment = false;
    for above in (0..at).rev() {
        let is_comment = code[above].trim().is_empty() && !comments[above].trim().is_empty();
        if is_comment && says(comments[above]) {
            return true;
        }
        seen_code += usize::from(!is_comment);
        if (in_comment && !is_comment) || seen_code > STATEMENT_LINES_MAX {
            return false;
        }
        in_comment |= is_comment;
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(path: &str, text: &str) -> Vec<(Rule, usize)> {
        check(&Tree::of(&[(path, text)])).iter().map(|finding| (finding.rule, finding.line)).collect()
    }

    #[test]
    fn a_file_is_one_idea() {
        assert_eq!(rules("a.rs", &"\n".repeat(400)), []);
        assert_eq!(rules("a.rs", &"\n".repeat(600)), [(Rule::FileLength, 400)]);
        assert_eq!(rules("a.rs", &"\n".repeat(601)), [(Rule::FileLength, 600)]);
        assert_eq!(rules("a/mod.rs", ""), [(Rule::ModFile, 1)]);
    }

    #[test]
    fn some_words_may_not_stand_in_code() {
        for (line, expected) in [
            ("#[allow(dead_code)]", Some(Rule::AllowAttribute)),
            ("#![allow( dead_code )]", Some(Rule::AllowAttribute)),
            ("# [ allow(x)]", Some(Rule::AllowAttribute)),
            ("let headers = allow(origin);", None),
            ("todo!()", Some(Rule::UnfinishedCode)),
            ("unimplemented!(\"x\")", Some(Rule::UnfinishedCode)),
            ("mytodo!()", None),
            ("// todo!()", None),
            ("\"todo!()\"", None),
            ("unsafe { f() }", Some(Rule::UnsafePlace)),
            ("#![deny(unsafe_code)]", None),
        ] {
            let expected: Vec<_> = expected.into_iter().map(|rule| (rule, 1)).collect();
            assert_eq!(rules("crates/model/a/src/lib.rs", line), expected, "{line}");
        }
    }

    #[test]
    fn unsafe_code_says_why_it_is_sound() {
        for (text, sound) in [
            ("// SAFETY: it holds.\nunsafe { f() }", true),
            ("let x =\n    unsafe { f() };", false),
            ("// SAFETY: it holds,\n// really.\nlet x =\n    unsafe { f() };", true),
            ("/// # Safety\n/// Only once.\npub unsafe fn f() {}", true),
            ("// SAFETY: for another.\nunsafe { f() }\n// A remark.\nunsafe { g() }", false),
            ("unsafe { f() } // SAFETY: it holds.", true),
            ("// SAFETY: too far.\na();\nb();\nc();\nd();\ne();\nunsafe { f() }", false),
        ] {
            let found = rules("crates/infra/runtime/src/lib.rs", text);
            assert_eq!(found.is_empty(), sound, "{text}\n{found:?}");
        }
    }
}
