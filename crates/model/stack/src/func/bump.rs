//! The next version, in the text of a func file.

use crate::problem::{Position, Problems, Report};
use crate::yaml::{self, Entry, Node, Value};

use super::{FuncFile, FuncVersion, Part};

/// The text of a func file with the next version, and that version. Nothing else of the text changes; where no version
/// is written, one is added.
///
/// # Errors
/// When the file has mistakes, or its version is written in a way that can't be changed in place.
pub fn bumped(file: &str, text: &str, part: Part) -> Result<(String, FuncVersion), Report> {
    let read = FuncFile::parse(file, text.as_bytes())?;
    let next = read.version.bumped(part);
    let document = yaml::document(text.as_bytes()).0;
    let changed = document.as_ref().and_then(|root| with_version(text, root, &read.version, &next));
    changed.map(|changed| (changed, next)).ok_or_else(|| {
        let mut problems = Problems::default();
        let position = document.as_ref().and_then(written).map(|entry| entry.node.position);
        let hint = format!(
            "write it as a plain `version: {}` at the top of the file; `mu deploy --no-bump` leaves it as it is",
            read.version
        );
        problems.hint(position, "the version can't be changed in this file", hint);
        Report { file: file.to_owned(), problems: problems.into_list(), omitted: 0 }
    })
}

/// The text of a func file as it was before it was bumped for the first time: the same in all of its versions.
#[must_use]
pub fn unbumped(text: &str) -> String {
    let changed = || {
        let read = FuncFile::parse("", text.as_bytes()).ok()?;
        with_version(text, &yaml::document(text.as_bytes()).0?, &read.version, &FuncVersion::default())
    };
    changed().unwrap_or_else(|| text.to_owned())
}

fn with_version(text: &str, root: &Node, version: &FuncVersion, next: &FuncVersion) -> Option<String> {
    match written(root) {
        Some(entry) => replaced(text, entry.node.position, &version.to_string(), &next.to_string()),
        None => added(text, root, next),
    }
}

fn entries(root: &Node) -> &[Entry] {
    match &root.value {
        Value::Map(entries) => entries,
        _ => &[],
    }
}

/// Where the version stands, if it does.
fn written(root: &Node) -> Option<&Entry> {
    entries(root).iter().find(|entry| entry.key == "version")
}

/// The text with another version where this one stands, perhaps in quotes.
fn replaced(text: &str, position: Position, version: &str, next: &str) -> Option<String> {
    let (before, behind) = text.split_at(offset(text, position)?);
    let quote = behind.chars().next().filter(|first| matches!(first, '"' | '\''));
    let quote = quote.map_or(0, char::len_utf8);
    let rest = behind.get(quote..)?.strip_prefix(version)?;
    Some(format!("{before}{}{next}{rest}", &behind[..quote]))
}

/// The text with a version on a line of its own, behind the name or at the top; in a map in braces, as its first entry.
fn added(text: &str, root: &Node, next: &FuncVersion) -> Option<String> {
    let entries = entries(root);
    let (before, behind) = text.split_at(offset(text, root.position)?);
    if let Some(inside) = behind.strip_prefix('{') {
        let space = &inside[..inside.len() - inside.trim_start().len()];
        let comma = if entries.is_empty() { "" } else { "," };
        let gap = if space.is_empty() && !entries.is_empty() { " " } else { "" };
        return Some(format!("{before}{{{space}\"version\": \"{next}\"{comma}{gap}{inside}"));
    }
    let first = entries.first().filter(|first| first.position.column == 1)?;
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
            ("{name: a}", "{\"version\": \"0.0.2\", name: a}"),
            ("# a\n---\n{ }\n", "# a\n---\n{ \"version\": \"0.0.2\" }\n"),
            (
                "{\n  \"name\": \"a\",\n  \"memory\": 256\n}\n",
                "{\n  \"version\": \"0.0.2\",\n  \"name\": \"a\",\n  \"memory\": 256\n}\n",
            ),
        ] {
            let (bumped, version) = bumped("func.yaml", text, Part::Patch).unwrap_or_else(|report| panic!("{report}"));
            assert_eq!(bumped, changed);
            assert_eq!(FuncFile::parse("func.yaml", bumped.as_bytes()).unwrap().version, version);
            assert_eq!(unbumped(&bumped), unbumped(text), "{text}");
        }
        assert_ne!(unbumped("name: a\nversion: 0.0.2\n"), unbumped("name: b\nversion: 0.0.2\n"));
        assert_eq!(bumped("f", "version: 1.2.3", Part::Minor).unwrap().0, "version: 1.3.0");
        assert_eq!(bumped("f", "version: 1.2.3", Part::Major).unwrap().0, "version: 2.0.0");
    }

    #[test]
    fn what_cannot_be_changed_in_place_is_told() {
        for (text, told) in [
            (
                "version: \"0.0.\\x31\"\n",
                "f:1:10: error: the version can't be changed in this file\n  hint: write it as a plain `version: 0.0.1`",
            ),
            ("  name: a\n", "f: error: the version can't be changed in this file"),
            ("version: 1\n", "f:1:10: error: `version`: a version is MAJOR.MINOR.PATCH"),
        ] {
            let report = bumped("f", text, Part::Patch).unwrap_err().to_string();
            assert!(report.contains(told), "{report}");
        }
    }
}
