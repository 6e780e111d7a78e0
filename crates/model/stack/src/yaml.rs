//! YAML as a tree whose every node knows its place, from bytes nobody vouches for.
//!
//! A deserialiser stops at the first mistake; a tree can be walked to the end. Size, depth and the expansion of aliases
//! are bounded, tags and several documents are refused, and duplicate keys are noted.

use std::collections::HashMap;

use granit_parser::{Event, Marker, Parser, ScalarStyle, options};

use crate::limits::FILE_BYTES_MAX;
use crate::problem::{Position, Problem, Problems};

/// Deepest nesting; the deepest manifest has seven levels.
const DEPTH_MAX: usize = 32;
/// What all nodes may weigh together, aliases expanded.
const WEIGHT_MAX: usize = 16 * 1024 * 1024;
/// Weight of a node besides its text, about what it occupies.
const NODE_WEIGHT: usize = 64;

/// A value and its place.
#[derive(Clone, Debug)]
pub struct Node {
    /// Where it starts.
    pub position: Position,
    /// What stands there.
    pub value: Value,
}

/// What stands at a place.
#[derive(Clone, Debug)]
pub enum Value {
    /// One word, number or text.
    Scalar {
        /// As it was written, without the quotes.
        text: String,
        /// Whether there were quotes around it.
        quoted: bool,
    },
    /// A list.
    List(Vec<Node>),
    /// A map, in the order of the text.
    Map(Vec<Entry>),
}

/// A key of a map and its value.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The key.
    pub key: String,
    /// Where the key starts.
    pub position: Position,
    /// The value.
    pub node: Node,
}

impl Node {
    /// What it is, for a message: `expected text, found {}`.
    #[must_use]
    pub fn describe(&self) -> &'static str {
        match &self.value {
            Value::List(_) => "a list",
            Value::Map(_) => "a map",
            Value::Scalar { .. } if self.is_null() => "nothing",
            Value::Scalar { quoted: false, text } if boolean(text).is_some() => "true or false",
            Value::Scalar { quoted: false, text } if is_number(text) => "a number",
            Value::Scalar { .. } => "text",
        }
    }

    /// Nothing, `~` or `null`.
    #[must_use]
    pub fn is_null(&self) -> bool {
        matches!(&self.value, Value::Scalar { text, quoted: false } if matches!(text.as_str(), "" | "~" | "null" | "Null" | "NULL"))
    }

    /// Whatever a person wrote that isn't nothing, a list or a map: numbers and booleans as they stand there.
    #[must_use]
    pub fn scalar(&self) -> Option<&str> {
        match &self.value {
            Value::Scalar { text, .. } if !self.is_null() => Some(text),
            _ => None,
        }
    }

    /// Text proper: not what YAML takes for a number or a boolean.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Scalar { text, quoted: true } => Some(text),
            Value::Scalar { text, quoted: false } if !is_number(text) && boolean(text).is_none() && !self.is_null() => {
                Some(text)
            }
            _ => None,
        }
    }

    /// `true` or `false`.
    #[must_use]
    pub fn boolean(&self) -> Option<bool> {
        match &self.value {
            Value::Scalar { text, quoted: false } => boolean(text),
            _ => None,
        }
    }
}

/// The only document of any YAML text, and what is wrong with it. There is no document when the text is empty, or when
/// it could not be read to its end; the second is a problem.
#[must_use]
pub fn document(bytes: &[u8]) -> (Option<Node>, Vec<Problem>) {
    let mut problems = Problems::default();
    let document = read(bytes, &mut problems).flatten();
    (document, problems.into_list())
}

/// The only document of a manifest; `None` when there is none, or it could not be read to its end.
pub(crate) fn parse(bytes: &[u8], problems: &mut Problems) -> Option<Node> {
    let document = read(bytes, problems)?;
    if document.is_none() {
        problems.hint(None, "the file is empty", "`mu init` writes a first one".to_owned());
    }
    document
}

/// The document, which an empty text does not have; `None` when the text could not be read to its end.
fn read(bytes: &[u8], problems: &mut Problems) -> Option<Option<Node>> {
    if bytes.len() > FILE_BYTES_MAX {
        problems.add(None, format!("the file has {} bytes, more than the most, {FILE_BYTES_MAX}", bytes.len()));
        return None;
    }
    let text = match str::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => {
            let before = String::from_utf8_lossy(&bytes[..error.valid_up_to()]);
            let line = before.matches('\n').count() + 1;
            let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
            problems.hint(Position { line, column }, "the file is not UTF-8", "save it as UTF-8".to_owned());
            return None;
        }
    };
    let limits = options! { emit_comments: false, flow_nesting_limit: DEPTH_MAX, block_nesting_limit: DEPTH_MAX };
    let mut builder = Builder { problems, open: Vec::new(), anchors: HashMap::new(), weight: 0, document: None };
    for event in Parser::new_from_str_with_options(text, limits) {
        match event {
            Ok((event, span)) => builder.event(event, position(&span.start))?,
            Err(error) => {
                builder.problems.add(position(error.marker()), format!("this is not YAML: {}", error.info()));
                return None;
            }
        }
    }
    Some(builder.document)
}

/// Puts events together. Each method gives `None` when reading on makes no sense.
struct Builder<'p> {
    problems: &'p mut Problems,
    open: Vec<Open>,
    anchors: HashMap<usize, (Node, usize)>,
    weight: usize,
    document: Option<Node>,
}

/// A list or map whose end hasn't come yet.
struct Open {
    position: Position,
    anchor: usize,
    weight_before: usize,
    collected: Collected,
}

enum Collected {
    List(Vec<Node>),
    /// `lines` has every key so far and the line it is on.
    Map {
        entries: Vec<Entry>,
        lines: HashMap<String, usize>,
        key: Option<Node>,
    },
}

impl Builder<'_> {
    fn event(&mut self, event: Event<'_>, position: Position) -> Option<()> {
        match event {
            Event::DocumentStart(..) if self.document.is_some() => {
                self.problems.hint(
                    position,
                    "the file has more than one document",
                    "remove everything after `---`".to_owned(),
                );
                None
            }
            Event::Scalar(text, style, anchor, tag) => {
                self.tag(tag.is_some(), position);
                let before = self.weight;
                self.charge(NODE_WEIGHT + text.len(), position)?;
                let value = Value::Scalar { text: text.into_owned(), quoted: style != ScalarStyle::Plain };
                self.anchored(Node { position, value }, anchor, before)
            }
            Event::SequenceStart(_, anchor, tag) => {
                self.tag(tag.is_some(), position);
                self.start(position, anchor, Collected::List(Vec::new()))
            }
            Event::MappingStart(_, anchor, tag) => {
                self.tag(tag.is_some(), position);
                self.start(position, anchor, Collected::Map { entries: Vec::new(), lines: HashMap::new(), key: None })
            }
            Event::SequenceEnd | Event::MappingEnd => {
                let Open { position, anchor, weight_before, collected } = self.open.pop()?;
                let value = match collected {
                    Collected::List(nodes) => Value::List(nodes),
                    Collected::Map { entries, .. } => Value::Map(entries),
                };
                self.anchored(Node { position, value }, anchor, weight_before)
            }
            Event::Alias(anchor) => match self.anchors.get(&anchor).cloned() {
                Some((node, weight)) => {
                    self.charge(weight, position)?;
                    // A copy may stand deeper than its original, and the parser can't see that.
                    if self.open.len() + depth(&node) > DEPTH_MAX {
                        self.problems.add(position, "the alias nests too deep");
                        return None;
                    }
                    self.add(node)
                }
                None => {
                    self.problems.add(position, "the alias refers to what it is part of");
                    None
                }
            },
            _ => Some(()),
        }
    }

    fn start(&mut self, position: Position, anchor: usize, collected: Collected) -> Option<()> {
        let weight_before = self.weight;
        self.charge(NODE_WEIGHT, position)?;
        self.open.push(Open { position, anchor, weight_before, collected });
        Some(())
    }

    /// Keeps a copy for later aliases, which weighs as much again.
    fn anchored(&mut self, node: Node, anchor: usize, weight_before: usize) -> Option<()> {
        if anchor != 0 {
            let weight = self.weight - weight_before;
            self.charge(weight, node.position)?;
            self.anchors.insert(anchor, (node.clone(), weight));
        }
        self.add(node)
    }

    fn add(&mut self, node: Node) -> Option<()> {
        match self.open.last_mut().map(|open| &mut open.collected) {
            None => self.document = Some(node),
            Some(Collected::List(nodes)) => nodes.push(node),
            Some(Collected::Map { entries, lines, key }) => match key.take() {
                None => *key = Some(node),
                Some(Node { position, value: Value::Scalar { text, .. } }) => {
                    if let Some(line) = lines.get(&text) {
                        let shown: String = text.chars().take(64).collect();
                        let hint = format!("the first one is on line {line}");
                        self.problems.hint(position, format!("the key `{shown}` stands here twice"), hint);
                    } else {
                        lines.insert(text.clone(), position.line);
                        entries.push(Entry { key: text, position, node });
                    }
                }
                Some(Node { position, .. }) => self.problems.add(position, "a key must be text, not a list or a map"),
            },
        }
        Some(())
    }

    fn tag(&mut self, present: bool, position: Position) {
        if present {
            let hint = "quote a value to make it text".to_owned();
            self.problems.hint(position, "YAML tags (`!…`) mean nothing here", hint);
        }
    }

    fn charge(&mut self, weight: usize, position: Position) -> Option<()> {
        self.weight = self.weight.saturating_add(weight);
        if self.weight <= WEIGHT_MAX {
            return Some(());
        }
        self.problems.add(position, "the file is too large once its aliases are expanded");
        None
    }
}

fn depth(node: &Node) -> usize {
    match &node.value {
        Value::Scalar { .. } => 0,
        Value::List(nodes) => 1 + nodes.iter().map(depth).max().unwrap_or(0),
        Value::Map(entries) => 1 + entries.iter().map(|entry| depth(&entry.node)).max().unwrap_or(0),
    }
}

fn position(marker: &Marker) -> Position {
    Position { line: marker.line(), column: marker.col() + 1 }
}

fn boolean(text: &str) -> Option<bool> {
    match text {
        "true" | "True" | "TRUE" => Some(true),
        "false" | "False" | "FALSE" => Some(false),
        _ => None,
    }
}

/// Whether YAML's core schema reads an unquoted text as a number.
fn is_number(text: &str) -> bool {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let digits = |digits: &str, radix| !digits.is_empty() && digits.chars().all(|character| character.is_digit(radix));
    if let Some(hexadecimal) = text.strip_prefix("0x") {
        return digits(hexadecimal, 16);
    }
    if let Some(octal) = text.strip_prefix("0o") {
        return digits(octal, 8);
    }
    let starts_as_number =
        unsigned.strip_prefix('.').unwrap_or(unsigned).starts_with(|first: char| first.is_ascii_digit());
    matches!(unsigned, ".inf" | ".Inf" | ".INF")
        || matches!(text, ".nan" | ".NaN" | ".NAN")
        || (starts_as_number && unsigned.parse::<f64>().is_ok())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn problems_of(text: &[u8]) -> String {
        let mut problems = Problems::default();
        let node = parse(text, &mut problems);
        problems.result("f", node).unwrap_err().to_string()
    }

    fn tree(text: &str) -> Node {
        let mut problems = Problems::default();
        let node = parse(text.as_bytes(), &mut problems);
        problems.result("f", node).unwrap()
    }

    #[test]
    fn nodes_know_their_place() {
        let root = tree("a: 1\nb:\n  - x\n  - {é: y, z: w}\n");
        let Value::Map(entries) = &root.value else { panic!("{root:?}") };
        assert_eq!(entries[0].position, Position { line: 1, column: 1 });
        assert_eq!(entries[0].node.position, Position { line: 1, column: 4 });
        let Value::List(items) = &entries[1].node.value else { panic!("{root:?}") };
        assert_eq!(items[0].position, Position { line: 3, column: 5 });
        let Value::Map(inner) = &items[1].value else { panic!("{root:?}") };
        assert_eq!(inner[1].position, Position { line: 4, column: 12 });
    }

    #[test]
    fn scalars_have_a_kind() {
        for (text, kind) in [
            ("''", "text"),
            ("a", "text"),
            ("0.1.0", "text"),
            ("'1'", "text"),
            ("'null'", "text"),
            ("infinity", "text"),
            ("nan", "text"),
            ("-", "a list"),
            ("yes", "text"),
            ("|\n  1", "text"),
            ("1", "a number"),
            ("-1.5e3", "a number"),
            (".5", "a number"),
            ("0xFF", "a number"),
            ("0o17", "a number"),
            ("-.inf", "a number"),
            ("True", "true or false"),
            ("~", "nothing"),
            ("null", "nothing"),
            ("{}", "a map"),
        ] {
            assert_eq!(tree(text).describe(), kind, "{text}");
        }
    }

    #[test]
    fn what_is_not_a_document_is_refused() {
        for (text, report) in [
            (&b""[..], "f: error: the file is empty\n  hint: `mu init` writes a first one"),
            (b"# nothing\n", "f: error: the file is empty\n  hint: `mu init` writes a first one"),
            (b"a: \xff", "f:1:4: error: the file is not UTF-8\n  hint: save it as UTF-8"),
            (
                b"a: 1\n---\nb: 2\n",
                "f:2:1: error: the file has more than one document\n  hint: remove everything after `---`",
            ),
            (b"a: 1\nb: 2\na: 3\n", "f:3:1: error: the key `a` stands here twice\n  hint: the first one is on line 1"),
            (b"? [a]\n: b\n", "f:1:3: error: a key must be text, not a list or a map"),
            (
                b"a: !!int 3\n",
                "f:1:10: error: YAML tags (`!…`) mean nothing here\n  hint: quote a value to make it text",
            ),
            (b"&a [*a]", "f:1:5: error: the alias refers to what it is part of"),
        ] {
            assert_eq!(problems_of(text), report);
        }
        assert!(problems_of(b"a: *missing").contains("f:1:4: error: this is not YAML: "));
        assert!(problems_of(b"a: [1").contains("this is not YAML"));
        assert!(problems_of(&[b'['; 1000]).contains("this is not YAML"));
        assert!(problems_of(&vec![b'#'; FILE_BYTES_MAX + 1]).contains("more than the most"));
    }

    #[test]
    fn aliases_are_expanded_within_bounds() {
        let root = tree("a: &x {k: v}\nb: *x\n");
        let Value::Map(entries) = &root.value else { panic!("{root:?}") };
        assert!(matches!(&entries[1].node.value, Value::Map(inner) if inner[0].key == "k"));

        let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
        for level in 1..20 {
            let aliases = format!("*a{}, ", level - 1).repeat(10);
            bomb.push_str(&format!("a{level}: &a{level} [{aliases}]\n"));
        }
        assert!(problems_of(bomb.as_bytes()).contains("too large once its aliases are expanded"));

        let mut tower = "a0: &a0 [x]\n".to_owned();
        for level in 1..50 {
            tower.push_str(&format!("a{level}: &a{level} [*a{}]\n", level - 1));
        }
        assert!(problems_of(tower.as_bytes()).contains("the alias nests too deep"));
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_tree_or_a_report(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let mut problems = Problems::default();
            let _ = parse(&bytes, &mut problems);
        }

        #[test]
        fn any_text_of_yaml_signs_is_a_tree_or_a_report(text in "[-a:{}\\[\\],&*!|>'\"#%@ \n]{0,60}") {
            let mut problems = Problems::default();
            let _ = parse(text.as_bytes(), &mut problems);
        }
    }
}
