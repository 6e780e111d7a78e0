//! The file of contexts.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;

use mu_stack::yaml::{self, Node, Value};

use super::ContextName;
use crate::client::Address;

/// What [`Contexts::render`] begins with.
const HEADING: &str = "# The nodes that mu knows. `mu context` and `mu login` write this file.\n";

/// The known nodes, and which of them is in use.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Contexts {
    pub(crate) current: Option<ContextName>,
    pub(crate) all: BTreeMap<ContextName, Context>,
}

/// A node, and how it is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Context {
    pub(crate) address: Address,
    pub(crate) proof: Proof,
    /// Who that was for the node when somebody signed in.
    pub(crate) principal: Option<String>,
    /// Where the certificate authority stands that is trusted in place of the system's.
    pub(crate) ca_file: Option<PathBuf>,
}

/// What says who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Proof {
    /// Signatures of the identity key.
    Key,
    /// A token, in a file of its own.
    Token,
    /// Nothing, for nodes that let everybody on their machine in.
    Nothing,
}

/// Why the file cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", place(*line, problem))]
pub(crate) struct UnreadableContexts {
    line: Option<usize>,
    problem: String,
}

fn place(line: Option<usize>, problem: &str) -> String {
    line.map_or_else(|| problem.to_owned(), |line| format!("line {line}: {problem}"))
}

impl Contexts {
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, UnreadableContexts> {
        if bytes.trim_ascii().is_empty() {
            return Ok(Self::default());
        }
        let (document, problems) = yaml::document(bytes);
        if let Some(problem) = problems.first() {
            let line = problem.position.map(|position| position.line);
            return Err(UnreadableContexts { line, problem: problem.message.clone() });
        }
        let mut contexts = Self::default();
        let Some(document) = document.filter(|document| !document.is_null()) else { return Ok(contexts) };
        for (key, node) in entries(&document)? {
            match key {
                "current" if node.is_null() => {}
                "current" => contexts.current = Some(read(node)?),
                "contexts" if node.is_null() => {}
                "contexts" => contexts.all = read_all(node)?,
                // Written by a later mu.
                _ => {}
            }
        }
        Ok(contexts)
    }

    pub(crate) fn render(&self) -> String {
        let mut text = HEADING.to_owned();
        if let Some(current) = &self.current {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "current: {}", quoted(current.as_str()));
        }
        text.push_str(if self.all.is_empty() { "contexts: {}\n" } else { "contexts:\n" });
        for (name, context) in &self.all {
            let _ = writeln!(text, "  {}:", quoted(name.as_str()));
            let _ = writeln!(text, "    url: {}", quoted(&context.address.to_string()));
            let _ = writeln!(text, "    credentials: {}", context.proof.as_str());
            if let Some(principal) = &context.principal {
                let _ = writeln!(text, "    principal: {}", quoted(principal));
            }
            if let Some(file) = &context.ca_file {
                let _ = writeln!(text, "    ca_file: {}", quoted(&file.to_string_lossy()));
            }
        }
        text
    }
}

impl Proof {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Key => "key",
            Self::Token => "token",
            Self::Nothing => "none",
        }
    }
}

/// A text as YAML takes it for the same text, whatever it looks like.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

fn read_all(node: &Node) -> Result<BTreeMap<ContextName, Context>, UnreadableContexts> {
    let mut all = BTreeMap::new();
    for (key, node) in entries(node)? {
        let name = key.parse().map_err(|e| wrong(node, &e))?;
        let (mut address, mut proof, mut principal, mut ca_file) = (None, Proof::Key, None, None);
        for (key, node) in entries(node)? {
            match key {
                "url" => address = Some(read(node)?),
                "credentials" => {
                    proof = match node.scalar() {
                        Some("key") => Proof::Key,
                        Some("token") => Proof::Token,
                        Some("none") => Proof::Nothing,
                        _ => return Err(wrong(node, &"`credentials` is key, token or none")),
                    }
                }
                "principal" => principal = node.scalar().map(str::to_owned),
                "ca_file" => ca_file = node.scalar().map(PathBuf::from),
                _ => {}
            }
        }
        let address = address.ok_or_else(|| wrong(node, &format!("context `{name}` has no `url`")))?;
        all.insert(name, Context { address, proof, principal, ca_file });
    }
    Ok(all)
}

fn entries(node: &Node) -> Result<Vec<(&str, &Node)>, UnreadableContexts> {
    match &node.value {
        Value::Map(entries) => Ok(entries.iter().map(|entry| (entry.key.as_str(), &entry.node)).collect()),
        _ => Err(wrong(node, &format!("here stands a map, but this is {}", node.describe()))),
    }
}

fn read<T: std::str::FromStr<Err: std::fmt::Display>>(node: &Node) -> Result<T, UnreadableContexts> {
    node.scalar().unwrap_or_default().parse().map_err(|e| wrong(node, &e))
}

fn wrong(node: &Node, problem: &dyn std::fmt::Display) -> UnreadableContexts {
    UnreadableContexts { line: Some(node.position.line), problem: problem.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn context(url: &str, proof: Proof) -> Context {
        let ca_file = url.starts_with("https").then(|| "/etc/my authority.pem".into());
        Context { address: url.parse().unwrap(), proof, principal: Some("k_1: \"x\"".to_owned()), ca_file }
    }

    #[test]
    fn contexts_survive_the_file() {
        let mut contexts = Contexts::default();
        assert_eq!(Contexts::parse(contexts.render().as_bytes()), Ok(contexts.clone()));
        contexts.current = Some("true".parse().unwrap());
        contexts.all.insert("true".parse().unwrap(), context("http://127.0.0.1:12000", Proof::Key));
        contexts.all.insert("12".parse().unwrap(), context("https://mu.example.com", Proof::Token));
        contexts.all.insert("null".parse().unwrap(), context("http://[::1]:1", Proof::Nothing));
        assert_eq!(Contexts::parse(contexts.render().as_bytes()), Ok(contexts));
        assert_eq!(Contexts::parse(b"\n"), Ok(Contexts::default()));
    }

    #[test]
    fn people_may_write_it_too() {
        let text =
            "current: local\ncontexts:\n  local:\n    url: http://127.0.0.1:12000\n    colour: red\nlater: [1]\n";
        let contexts = Contexts::parse(text.as_bytes()).unwrap();
        let local = &contexts.all[&"local".parse().unwrap()];
        assert_eq!((local.address.to_string().as_str(), local.proof), ("http://127.0.0.1:12000", Proof::Key));
    }

    #[test]
    fn mistakes_have_a_line() {
        for (text, expected) in [
            ("- a", "line 1: here stands a map, but this is a list"),
            ("current: a/b", "line 1: the name of a context is"),
            ("contexts:\n  a:\n    credentials: key\n", "context `a` has no `url`"),
            ("contexts:\n  a:\n    url: nowhere\n", "line 3: write the URL with its scheme"),
            ("contexts:\n  a:\n    url: http://a\n    credentials: x\n", "line 4: `credentials` is key, token or none"),
            ("contexts: [", "line"),
        ] {
            let error = Contexts::parse(text.as_bytes()).unwrap_err().to_string();
            assert!(error.contains(expected), "{text}: {error}");
        }
    }
}
