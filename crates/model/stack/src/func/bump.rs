//! The next version, in the text of a func file.

use crate::problem::{Position, Problems, Report};
use crate::yaml::{self, Entry, Value};

use super::{FuncFile, FuncVersion, Part};

/// The text of a func file with the next version, and that version. Nothing else of the text changes; where no version
/// is written, a line is added.
///
/// # Errors
/// When the file has mistakes, or its version is written in a way that can't be changed in place.
pub fn bumped(file: &str, text: &str, part: Part) -> Result<(String, FuncVersion), Report> {
    let read = FuncFile::parse(file, text.as_bytes())?;
    let next = read.version.bumped(part);
    let entries = match yaml::document(text.as_bytes()).0.map(|root| root.value) {
        Some(Value::Map(entries)) => entries,
        _ => Vec::new(),
    };
    let changed = match entries.iter().find(|entry| entry.key == "version") {
        Some(entry) => replaced(text, entry.node.position, &read.version.to_string(), &next.to_string()),
        None => added(text, &entries, &next),
    };
    changed.map(|changed| (changed, next)).ok_or_else(|| {
        let mut problems = Problems::default();
        let position = entries.iter().find(|entry| entry.key == "version").map(|entry| entry.node.position);
        let hint = format!("write it as a plain `version: {}` at the top of the file", read.version);
        problems.hint(position, "the version can't be changed in this file", hint);
        Report { file: file.to_owned(), problems: problems.into_list(), omitted: 0 }
    })
}

/// The text with another version where this one stands, perhaps in quotes.
fn replaced(text: &str, position: Position, version: &str, next: &str) -> Option<String> {
    let (before, behind) = text.split_at(offset(text, position)?);
    let quote = behind.chars().next().filter(|first| matches!(first, '"' | '\''));
    let quote = quote.map_or(0, char::len_utf8);
    let rest = behind.get(quote..)?.strip_prefix(version)?;
    Some(format!("{before}{}{next}{rest}", &behind[..quote]))
}

/// The text with a version on a line of its own, behind the name or at the top. There is no such place in a map in
/// braces.
fn added(text: &str, entries: &[Entry], next: &FuncVersion) -> Option<String> {
    let first = entries.first()?;
    if first.position.column != 1 || text.trim_start().starts_with('{') {
        return None;
    }
    let line = match entries.iter().find(|entry| entry.key == "name") {
        Some(name) => name.node.position.line + 1,
        None => first.position.line,
    };
    let end = if text.contains("\r\n") { "\r\n" } else { "\n" };
    let Some(at) = offset(text, Position { line, column: 1 }) else {
        // The name is the last line, and may have no end.
        let whole = text.strip_suffix('\n').map_or(text, |text| text.strip_suffix('\r').unwrap_or(text));
        return Some(format!("{whole}{end}version: {next}{end}"));
    };
    let (before, behind) = text.split_at(at);
    Some(format!("{before}version: {next}{end}{behind}"))
}

/// Where a place is in the text, in bytes; `None` behind its end.
fn offset(text: &str, position: Position) -> Option<usize> {
    let mut start = 0;
    let mut lines = text.split_inclusive('\n');
    for _ in 1..position.line {
        start += lines.next()?.len();
    }
    let line = lines.next()?;
    let column = position.column.checked_sub(1)?;
    let within = line.char_indices().map(|(index, _)| index).chain([line.len()]).nth(column)?;
    Some(start + within)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_version_changes() {
        for (text, changed) in [
            ("name: a\nversion: 0.0.1\nruntime: go\n", "name: a\nversion: 0.0.2\nruntime: go\n"),
            (
                "# a function\n# version: 0.0.1\nversion:   '0.0.9' # of the image\nname: a # é\n",
                "# a function\n# version: 0.0.1\nversion:   '0.0.10' # of the image\nname: a # é\n",
            ),
            ("name: \"a\"\r\nversion: \"1.0.0-rc.1\"\r\n", "name: \"a\"\r\nversion: \"1.0.0\"\r\n"),
            ("{\"name\": \"a\", \"version\": \"0.0.1\"}", "{\"name\": \"a\", \"version\": \"0.0.2\"}"),
            ("version: &v 0.0.1\nname: a\n", "version: &v 0.0.2\nname: a\n"),
            ("version:\n  0.0.1\nname: a\n", "version:\n  0.0.2\nname: a\n"),
            (
                "schema_version: 20180708\nname: a\nruntime: go\n",
                "schema_version: 20180708\nname: a\nversion: 0.0.2\nruntime: go\n",
            ),
            ("# nothing\nruntime: go\n", "# nothing\nversion: 0.0.2\nruntime: go\n"),
            ("runtime: go\r\nname: a", "runtime: go\r\nname: a\r\nversion: 0.0.2\r\n"),
            ("name: a\n", "name: a\nversion: 0.0.2\n"),
        ] {
            let (bumped, version) = bumped("func.yaml", text, Part::Patch).unwrap_or_else(|report| panic!("{report}"));
            assert_eq!(bumped, changed);
            assert_eq!(FuncFile::parse("func.yaml", bumped.as_bytes()).unwrap().version, version);
        }
        assert_eq!(bumped("f", "version: 1.2.3", Part::Minor).unwrap().0, "version: 1.3.0");
        assert_eq!(bumped("f", "version: 1.2.3", Part::Major).unwrap().0, "version: 2.0.0");
    }

    #[test]
    fn what_cannot_be_changed_in_place_is_told() {
        for (text, told) in [
            (
                "{name: a}",
                "f: error: the version can't be changed in this file\n  hint: write it as a plain `version: 0.0.1`",
            ),
            ("version: \"0.0.\\x31\"\n", "f:1:10: error: the version can't be changed in this file"),
            ("version: 1\n", "f:1:10: error: `version`: a version is MAJOR.MINOR.PATCH"),
        ] {
            let report = bumped("f", text, Part::Patch).unwrap_err().to_string();
            assert!(report.contains(told), "{report}");
        }
    }
}
