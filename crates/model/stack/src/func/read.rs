//! Reads func files and app files.

use crate::env::Env;
use crate::limits::{CONFIG_BYTES_MAX, PATH_BYTES_MAX, TRIGGERS_MAX};
use crate::name::TriggerName;
use crate::problem::{Position, Problems};
use crate::read::function::variables;
use crate::read::{Fields, shown, text};
use crate::yaml::{self, Entry, Node};

use super::limits::Limit;
use super::{
    AppFile, Expected, FuncFile, FuncLimits, FuncRuntime, FuncSchema, Note, Trigger, TriggerKind, TriggerSource,
    TriggerSourceError, annotations, keys,
};

/// A func file, of the schema that it says.
pub(super) fn func_file(bytes: &[u8], problems: &mut Problems) -> Option<FuncFile> {
    let document = yaml::parse(bytes, problems)?;
    let fields = Fields::of(&document, keys::FUNC, "a func file", problems)?;
    let schema = schema(&fields, problems);
    let mut notes = Vec::new();
    let mut triggers = triggers(&fields, &mut notes, problems);
    triggers.extend(old_path(&fields, problems));
    without_effect(&fields, &mut notes, problems);
    let mut notes_beside_dockerfile = Vec::new();
    for entry in fields.written(&keys::OF_MADE_IMAGES) {
        note(&mut notes_beside_dockerfile, entry, "has no effect: the folder has a Dockerfile");
    }
    let file = FuncFile {
        schema,
        name: fields.parsed_text("name", problems).map(|(name, _)| name),
        version: fields.parsed("version", problems).map(|(version, _)| version).unwrap_or_default(),
        runtime: runtime(&fields, problems),
        build_image: fields.parsed("build_image", problems).map(|(image, _)| image),
        run_image: fields.parsed("run_image", problems).map(|(image, _)| image),
        cmd: words(&fields, "cmd", problems),
        entrypoint: words(&fields, "entrypoint", problems),
        content_type: content_type(&fields, problems),
        limits: limits(&fields, problems),
        config: config(&fields, problems),
        annotations: annotations::read(&fields, problems),
        build: steps(&fields, problems),
        expects: expects(&fields, problems),
        triggers,
        notes,
        notes_beside_dockerfile,
    };
    Some(file)
}

/// An app file.
pub(super) fn app_file(bytes: &[u8], problems: &mut Problems) -> Option<AppFile> {
    let document = yaml::parse(bytes, problems)?;
    let fields = Fields::of(&document, keys::APP, "an app file", problems)?;
    let mut notes = Vec::new();
    for entry in fields.written(&["annotations", "syslog_url"]) {
        note(&mut notes, entry, "has no effect here");
    }
    let syslog_url = fields.text("syslog_url", problems).map(|(url, position)| {
        let known = keys::SYSLOG_SCHEMES
            .iter()
            .any(|scheme| url.strip_prefix(scheme).is_some_and(|rest| rest.starts_with("://")));
        if !known || url.len() > PATH_BYTES_MAX {
            let message = format!("`syslog_url` begins with one of {} and `://`", keys::SYSLOG_SCHEMES.join(", "));
            problems.add(position, message);
        }
        url.to_owned()
    });
    Some(AppFile {
        name: fields.parsed_text("name", problems).map(|(name, _)| name),
        config: config(&fields, problems),
        annotations: annotations::read(&fields, problems),
        syslog_url,
        notes,
    })
}

/// The schema; notes keys that only the other one has.
fn schema(fields: &Fields<'_>, problems: &mut Problems) -> FuncSchema {
    let written = fields.entry("schema_version");
    let schema = if written.is_some() { FuncSchema::V20180708 } else { FuncSchema::Old };
    if let Some(entry) = written.filter(|entry| entry.node.scalar() != Some(FuncSchema::NEWEST)) {
        let found =
            entry.node.scalar().map_or_else(|| entry.node.describe().to_owned(), |text| format!("`{}`", shown(text)));
        let hint = format!("write {}, the newest, or leave it out for the old schema", FuncSchema::NEWEST);
        problems.hint(entry.node.position, format!("unknown `schema_version`: {found}"), hint);
    }
    let (others, which) = match schema {
        FuncSchema::Old => (&keys::ONLY_NEW[..], "new"),
        FuncSchema::V20180708 => (&keys::ONLY_OLD[..], "old"),
    };
    for entry in fields.written(others) {
        let hint = match (schema, entry.key.as_str()) {
            (FuncSchema::Old, _) => format!("add `schema_version: {}` to the file", FuncSchema::NEWEST),
            (_, "path") => "leave it out; `triggers: [{type: http, source: /PATH}]` takes its place".to_owned(),
            _ => "leave it out; nothing takes its place".to_owned(),
        };
        problems.hint(entry.position, format!("`{}` belongs to the {which} schema", entry.key), hint);
    }
    schema
}

/// Checks and notes what nothing comes of.
fn without_effect(fields: &Fields<'_>, notes: &mut Vec<Note>, problems: &mut Problems) {
    for key in ["deploy", "signing_details", "headers"] {
        fields.map(key, problems);
    }
    for test in fields.list("tests", problems) {
        Fields::of(test, keys::TEST, "a test", problems);
    }
    fields.word("type", &keys::CALL_TYPES, "the types are `sync` and `async`", problems);
    fields.word("format", &keys::FORMATS, "the only format left is `http-stream`", problems);
    if let Some((cpus, position)) = fields.parsed::<String>("cpus", problems) {
        let number = cpus.strip_suffix('m').unwrap_or(&cpus);
        if !number.starts_with(|first: char| first.is_ascii_digit()) || number.parse::<f64>().is_err() {
            problems
                .add(position, format!("`cpus` is a number, or thousandths like 100m, but this is `{}`", shown(&cpus)));
        }
    }
    for entry in fields.written(&["deploy", "signing_details"]) {
        note(notes, entry, "is for Oracle's cloud, and has no effect here");
    }
    for entry in fields.written(&["annotations", "headers", "cpus", "tests"]) {
        note(notes, entry, "has no effect here");
    }
    for entry in fields.written(&["type"]).filter(|entry| entry.node.scalar() == Some("async")) {
        note(notes, entry, "has no effect: whoever calls says `Fn-Invoke-Type: detached`");
    }
    for entry in fields.written(&["format"]).filter(|entry| entry.node.scalar() != Some("http-stream")) {
        note(notes, entry, "has no effect: containers are called by `http-stream`, whatever was used before");
    }
}

fn note(notes: &mut Vec<Note>, entry: &Entry, what: &str) {
    notes.push(Note { position: entry.position, message: format!("`{}` {what}", entry.key) });
}

fn runtime(fields: &Fields<'_>, problems: &mut Problems) -> Option<FuncRuntime> {
    let (text, position) = fields.text("runtime", problems)?;
    match text.parse::<FuncRuntime>() {
        Ok(runtime) => Some(runtime),
        Err(error) => {
            problems.hint(position, error.to_string(), error.hint());
            None
        }
    }
}

/// A command as its words. Quotes keep spaces; nothing else is as in a shell, since none runs it.
fn words(fields: &Fields<'_>, key: &str, problems: &mut Problems) -> Vec<String> {
    let Some((text, position)) = line(fields, key, problems) else { return Vec::new() };
    split(text).unwrap_or_else(|quote| {
        problems.add(position, format!("`{key}` has a {quote} that is not closed"));
        Vec::new()
    })
}

/// The words of a text, or the quote that has no end.
fn split(text: &str) -> Result<Vec<String>, char> {
    let (mut words, mut word, mut open) = (Vec::new(), None::<String>, None);
    for character in text.chars() {
        match (open, character) {
            (Some(quote), _) if character == quote => open = None,
            (None, '"' | '\'') => {
                word.get_or_insert_default();
                open = Some(character);
            }
            (None, _) if character.is_whitespace() => words.extend(word.take()),
            _ => word.get_or_insert_default().push(character),
        }
    }
    words.extend(word);
    open.map_or(Ok(words), Err)
}

/// One line of text, as it goes into a Dockerfile.
fn line<'n>(fields: &Fields<'n>, key: &str, problems: &mut Problems) -> Option<(&'n str, Position)> {
    let (text, position) = fields.text(key, problems)?;
    if let Some(mistake) = line_mistake(text) {
        problems.add(position, format!("`{key}` {mistake}"));
    }
    Some((text, position))
}

fn line_mistake(text: &str) -> Option<String> {
    let is_fine = text.len() <= PATH_BYTES_MAX && !text.contains(char::is_control);
    (!is_fine).then(|| format!("is one line of at most {PATH_BYTES_MAX} bytes, without control characters"))
}

fn content_type(fields: &Fields<'_>, problems: &mut Problems) -> Option<String> {
    let (text, position) = fields.text("content_type", problems)?;
    let is_fine = text.contains('/') && text.len() <= PATH_BYTES_MAX && text.chars().all(|c| matches!(c, ' '..='~'));
    if !is_fine {
        problems.add(position, format!("`content_type` is like application/json, but this is `{}`", shown(text)));
    }
    Some(text.to_owned())
}

fn limits(fields: &Fields<'_>, problems: &mut Problems) -> FuncLimits {
    let mut limits = FuncLimits::default();
    for limit in Limit::ALL {
        let Some(entry) = fields.entry(limit.key()) else { continue };
        match entry.node.scalar().map(|text| limit.parse(text)) {
            Some(Ok(value)) => *limits.of_mut(limit) = value,
            Some(Err(mistake)) => problems.add(entry.node.position, mistake),
            None => {
                problems
                    .add(entry.node.position, format!("{limit} is a number, but this is {}", entry.node.describe()));
            }
        }
    }
    limits
}

/// Variables, within the limits of Project Fn.
fn config(fields: &Fields<'_>, problems: &mut Problems) -> Env {
    let config = variables(fields, "config", problems);
    // What is wrong with the map itself has been noted.
    for entry in fields.map("config", &mut Problems::default()) {
        let is_word = |character: char| character.is_ascii_alphanumeric() || character == '_';
        if !entry.key.chars().all(is_word) || entry.key.starts_with(|first: char| first.is_ascii_digit()) {
            let hint = "use A-Z a-z 0-9 _, and begin with no digit".to_owned();
            problems.hint(entry.position, format!("`{}` can't be the key of a `config`", shown(&entry.key)), hint);
        }
    }
    let bytes: usize = config.iter().map(|(name, value)| name.len() + value.len()).sum();
    if let Some(entry) = fields.entry("config").filter(|_| bytes > CONFIG_BYTES_MAX) {
        let message = format!("`config` has {bytes} bytes, more than the most, {CONFIG_BYTES_MAX}");
        problems.add(entry.position, message);
    }
    config
}

fn steps(fields: &Fields<'_>, problems: &mut Problems) -> Vec<String> {
    let mut steps = Vec::new();
    for node in fields.list("build", problems) {
        let Some(step) = text(node, "a step of `build`", problems) else { continue };
        if step.trim().is_empty() {
            problems.add(node.position, "a step of `build` is empty");
        } else if let Some(mistake) = line_mistake(step) {
            problems.add(node.position, format!("a step of `build` {mistake}"));
        }
        steps.push(step.to_owned());
    }
    steps
}

fn expects(fields: &Fields<'_>, problems: &mut Problems) -> Vec<Expected> {
    let Some(entry) = fields.entry("expects").filter(|entry| !entry.node.is_null()) else { return Vec::new() };
    let Some(fields) = Fields::of(&entry.node, keys::EXPECTATIONS, "`expects`", problems) else { return Vec::new() };
    let mut expected = Vec::new();
    for node in fields.list("config", problems) {
        let Some(fields) = Fields::of(node, keys::EXPECTED, "an expected variable", problems) else { continue };
        let required = fields.flag("required", problems);
        expected.extend(fields.text("name", problems).map(|(name, _)| Expected { name: name.to_owned(), required }));
    }
    expected
}

fn triggers(fields: &Fields<'_>, notes: &mut Vec<Note>, problems: &mut Problems) -> Vec<Trigger> {
    let mut triggers: Vec<Trigger> = Vec::new();
    for (index, node) in fields.list("triggers", problems).iter().enumerate() {
        if index == TRIGGERS_MAX {
            problems.add(node.position, format!("a function has at most {TRIGGERS_MAX} triggers"));
            break;
        }
        let Some(trigger) = trigger(node, &triggers, problems) else { continue };
        if triggers.iter().any(|other| other.name == trigger.name) {
            problems.add(node.position, format!("two triggers are named `{}`", trigger.name));
        } else if matches!(trigger.kind, TriggerKind::Http(_)) {
            if triggers.iter().any(|other| other.kind == trigger.kind) {
                problems.add(node.position, format!("two triggers are for `{}`", trigger.kind));
            }
        } else {
            let message = format!("the trigger `{}` ({}) is not run yet", trigger.name, trigger.kind);
            notes.push(Note { position: node.position, message });
        }
        triggers.push(trigger);
    }
    triggers
}

fn trigger(node: &Node, others: &[Trigger], problems: &mut Problems) -> Option<Trigger> {
    let fields = Fields::of(node, keys::TRIGGER, "a trigger", problems)?;
    let name = fields.parsed_text("name", problems).map(|(name, _)| name);
    let advice = "the types are `http`, `event` and `scheduled`";
    let word = fields.word("type", &TriggerKind::WORDS, advice, problems)?;
    let (own, example) = match word {
        "http" => ("source", "/hello"),
        "event" => ("topic", "orders"),
        _ => ("format", "\"*/5 * * * *\""),
    };
    for entry in fields.written(&["source", "topic", "format"]).filter(|entry| entry.key != own) {
        let hint = format!("a trigger of type `{word}` has `{own}`");
        problems.hint(entry.position, format!("`{}` is not for triggers of type `{word}`", entry.key), hint);
    }
    let Some(entry) = fields.entry(own) else {
        let message = format!("a trigger of type `{word}` has no `{own}`");
        problems.hint(fields.position(), message, format!("add one, like `{own}: {example}`"));
        return None;
    };
    let kind = match word {
        "http" => TriggerKind::Http(source(entry, problems)?),
        "event" => {
            let (topic, position) = fields.text("topic", problems)?;
            if topic.is_empty() || topic.contains(|character: char| character.is_control() || character.is_whitespace())
            {
                problems.add(position, "a topic is a word without spaces");
            }
            TriggerKind::Event { topic: topic.to_owned() }
        }
        _ => TriggerKind::Scheduled(fields.parsed("format", problems)?.0),
    };
    let name = if fields.entry("name").is_some() { name? } else { free_name(word, others) };
    Some(Trigger { name, kind })
}

/// The path of an `http` trigger of the old schema.
fn old_path(fields: &Fields<'_>, problems: &mut Problems) -> Option<Trigger> {
    let kind = TriggerKind::Http(source(fields.entry("path")?, problems)?);
    Some(Trigger { name: free_name("http", &[]), kind })
}

fn source(entry: &Entry, problems: &mut Problems) -> Option<TriggerSource> {
    let written = text(&entry.node, &format!("`{}`", entry.key), problems)?;
    match written.parse() {
        Ok(source) => Some(source),
        Err(error) => {
            let hint = match &error {
                TriggerSourceError::NoSlash => Some(format!("write `/{}`", shown(written))),
                TriggerSourceError::Parameter => Some("routes with parameters stand in mu.yaml".to_owned()),
                TriggerSourceError::Path(error) => error.hint().map(str::to_owned),
            };
            problems.hint(entry.node.position, error.to_string(), hint);
            None
        }
    }
}

/// A name that no other trigger has: its type, and a number behind it if there are several.
fn free_name(word: &str, others: &[Trigger]) -> TriggerName {
    let numbered = (2..).map(|number: u32| format!("{word}-{number}"));
    let mut names = std::iter::once(word.to_owned()).chain(numbered);
    let free = names.find(|name| others.iter().all(|other| other.name.as_str() != name));
    free.and_then(|name| name.parse().ok()).expect("there are more numbers than triggers, and all are names")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_split_at_spaces_outside_of_quotes() {
        for (text, expected) in [
            ("", &[][..]),
            ("  ", &[]),
            ("python3 func.py", &["python3", "func.py"]),
            ("  a\t b ", &["a", "b"]),
            ("a 'b c' \"d 'e'\" f''g ''", &["a", "b c", "d 'e'", "fg", ""]),
            ("a\\b $C", &["a\\b", "$C"]),
        ] {
            assert_eq!(split(text).unwrap(), expected, "{text}");
        }
        assert_eq!(split("a 'b"), Err('\''));
        assert_eq!(split("a \"b'"), Err('"'));
    }
}
