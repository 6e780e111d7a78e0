//! What somebody wrote becomes a value, or a mistake.

use std::fmt;
use std::net::SocketAddr;
use std::path::Path;
use std::str::FromStr;

use mu_stack::yaml::{self, Entry, Node, Value as Yaml};
use mu_stack::{Position, closest};
use url::{Host, Url};

use super::kind::{Default, Key, Kind, SECRET_BYTES_MIN, TEXT_BYTES_MAX, UrlUse};
use super::mistakes::Collected;
use super::origin::Origin;
use super::secret::Secret;
use super::value::Value;

/// Reads the values of one place: a key of a file, a variable or a flag.
pub(super) struct Reader<'a> {
    origin: &'a Origin,
    /// What relative paths start from.
    folder: &'a Path,
    mistakes: &'a mut Collected,
}

/// What is wrong, and what to do about it.
struct Wrong(String, Option<String>);

impl<'a> Reader<'a> {
    pub(super) fn new(origin: &'a Origin, folder: &'a Path, mistakes: &'a mut Collected) -> Self {
        Self { origin, folder, mistakes }
    }

    /// A value in a variable or a flag: as in the file, but lists may do without brackets.
    pub(super) fn text(&mut self, key: &Key, text: &str) -> Option<Value> {
        let position = Position { line: 1, column: 1 };
        let scalar = |text: &str| {
            let value = Yaml::Scalar { text: text.trim().to_owned(), quoted: false };
            Node { position, value }
        };
        let node = match key.kind {
            Kind::List { .. } if text.trim_start().starts_with(['[', '{', '-']) => {
                let (document, problems) = yaml::document(text.as_bytes());
                let is_broken = !problems.is_empty();
                for problem in problems {
                    self.mistakes.add(
                        self.origin.clone(),
                        format!("`{}`: {}", key.path, problem.message),
                        problem.hint,
                    );
                }
                document.filter(|_| !is_broken)?
            }
            Kind::List { .. } => {
                let items = text.split(',').filter(|item| !item.trim().is_empty());
                Node { position, value: Yaml::List(items.map(scalar).collect()) }
            }
            _ => scalar(text),
        };
        self.node(key, &node)
    }

    /// A value in the file.
    pub(super) fn node(&mut self, key: &Key, node: &Node) -> Option<Value> {
        let is_nothing = node.is_null() || key.nothing().is_some_and(|word| node.scalar() == Some(word));
        match key.default {
            Default::Nothing(_) if is_nothing => Some(Value::Unset),
            _ => self.value(&format!("`{}`", key.path), &key.kind, node),
        }
    }

    /// A value of this kind; `what` is what messages call it.
    fn value(&mut self, what: &str, kind: &Kind, node: &Node) -> Option<Value> {
        match kind {
            Kind::List { item, max } => self.list(what, item, *max, node),
            Kind::Map(keys) => self.map(what, keys, node),
            _ => match scalar(kind, node, self.folder) {
                Ok(value) => Some(value),
                Err(Wrong(message, hint)) => {
                    self.add(node.position, format!("{what}: {message}"), hint);
                    None
                }
            },
        }
    }

    fn list(&mut self, what: &str, item: &Kind, max: usize, node: &Node) -> Option<Value> {
        let nodes = match &node.value {
            Yaml::List(nodes) => nodes.as_slice(),
            _ if node.is_null() => &[],
            _ => {
                let message = format!("{what} is a list, but this is {}", node.describe());
                self.add(node.position, message, None);
                return None;
            }
        };
        if nodes.len() > max {
            self.add(node.position, format!("{what} has {} items, more than the most, {max}", nodes.len()), None);
            return None;
        }
        let one = format!("an item of {what}");
        let values: Vec<_> = nodes.iter().map(|node| self.value(&one, item, node)).collect();
        values.into_iter().collect::<Option<_>>().map(Value::List)
    }

    fn map(&mut self, what: &str, keys: &'static [Key], node: &Node) -> Option<Value> {
        let Yaml::Map(entries) = &node.value else {
            let names: Vec<_> = keys.iter().map(|key| key.path).collect();
            let hint = format!("write {{{}: …}}", names.join(": …, "));
            self.add(node.position, format!("{what} is a map, but this is {}", node.describe()), Some(hint));
            return None;
        };
        let unknown: Vec<_> = entries.iter().filter(|entry| !keys.iter().any(|key| key.path == entry.key)).collect();
        for entry in &unknown {
            self.unknown_field(what, keys, entry);
        }
        let fields: Vec<_> = keys.iter().map(|key| self.field(what, key, entries, node.position)).collect();
        fields.into_iter().collect::<Option<_>>().filter(|_| unknown.is_empty()).map(Value::Map)
    }

    fn field(
        &mut self,
        what: &str,
        key: &'static Key,
        entries: &[Entry],
        position: Position,
    ) -> Option<(&'static str, Value)> {
        let value = match (entries.iter().find(|entry| entry.key == key.path), &key.default) {
            (Some(entry), _) => self.value(&format!("`{}` of {what}", key.path), &key.kind, &entry.node)?,
            (None, Default::Is(value)) => value(),
            (None, _) => {
                let hint = format!("add `{}`. {}", key.path, key.about);
                self.add(position, format!("{what} has no `{}`", key.path), Some(hint));
                return None;
            }
        };
        Some((key.path, value))
    }

    fn unknown_field(&mut self, what: &str, keys: &[Key], entry: &Entry) {
        let names: Vec<_> = keys.iter().map(|key| key.path).collect();
        let hint = match closest(&entry.key, names.iter().copied()) {
            Some(meant) => format!("did you mean `{meant}`?"),
            None => format!("there are {}", names.join(", ")),
        };
        self.add(entry.position, format!("unknown key `{}` in {what}", shown(&entry.key)), Some(hint));
    }

    /// Notes a mistake: in the file at this position, elsewhere in the whole text.
    fn add(&mut self, position: Position, message: String, hint: Option<String>) {
        let origin = match self.origin {
            Origin::File { name, .. } => Origin::File { name: name.clone(), position: Some(position) },
            other => other.clone(),
        };
        self.mistakes.add(origin, message, hint);
    }
}

/// The start of a text, for messages.
pub(super) fn shown(text: &str) -> String {
    text.chars().take(64).collect()
}

/// A value that is one word of text.
fn scalar(kind: &Kind, node: &Node, folder: &Path) -> Result<Value, Wrong> {
    let Some(text) = node.scalar() else {
        let hint = node.is_null().then(|| "leave it out for what it is otherwise".to_owned());
        return Err(Wrong(format!("{} is expected, but this is {}", kind.describe(), node.describe()), hint));
    };
    if text.is_empty() {
        return Err(Wrong("the text is empty".to_owned(), None));
    }
    if text.len() > TEXT_BYTES_MAX {
        return Err(Wrong(format!("the text has {} bytes, more than the most, {TEXT_BYTES_MAX}", text.len()), None));
    }
    let value = match kind {
        Kind::Flag => match node.boolean() {
            Some(flag) => Value::Flag(flag),
            None => return Err(Wrong(format!("`{}` is neither true nor false", shown(text)), None)),
        },
        Kind::Count { .. } => match text.replace('_', "").parse() {
            Ok(count) => Value::Count(count),
            Err(_) => return Err(Wrong(format!("`{}` is not a whole number", shown(text)), None)),
        },
        Kind::Size { .. } => Value::Size(parsed(text)?),
        Kind::Time { .. } => Value::Time(parsed(text)?),
        Kind::Instructions { .. } => Value::Instructions(parsed(text)?),
        Kind::Word(words) => word(text, words)?,
        Kind::Address => Value::Address(address(text)?),
        Kind::Path => path(text, folder)?,
        Kind::Url(UrlUse::Public) => Value::Url(url(text, UrlUse::Public)?),
        // Kept as it was written, because tokens name it letter for letter.
        Kind::Url(UrlUse::Issuer) => url(text, UrlUse::Issuer).map(|_| Value::Text(text.to_owned()))?,
        Kind::Filter => Value::Filter(parsed(text)?),
        Kind::OperatorKey => Value::Key(parsed(text)?),
        Kind::Name => name(text)?,
        Kind::Text => Value::Text(text.to_owned()),
        Kind::Secret => secret(text)?,
        Kind::List { .. } | Kind::Map(_) => return Err(Wrong(format!("{} is expected", kind.describe()), None)),
    };
    match kind.outside(&value) {
        Some(message) => Err(Wrong(message, None)),
        None => Ok(value),
    }
}

fn parsed<T: FromStr<Err: fmt::Display>>(text: &str) -> Result<T, Wrong> {
    text.parse().map_err(|error: T::Err| Wrong(error.to_string(), None))
}

fn word(text: &str, words: &[&'static str]) -> Result<Value, Wrong> {
    if let Some(word) = words.iter().find(|word| **word == text) {
        return Ok(Value::Word(word));
    }
    let hint = closest(text, words.iter().copied()).map(|meant| format!("did you mean `{meant}`?"));
    Err(Wrong(format!("`{}` is not one of {}", shown(text), words.join(", ")), hint))
}

fn address(text: &str) -> Result<SocketAddr, Wrong> {
    text.parse().map_err(|_| {
        let port = text.rsplit_once(':').map(|(_, port)| port).filter(|port| port.parse::<u16>().is_ok());
        let port = port.unwrap_or("12000");
        let hint = match text {
            _ if text.starts_with("localhost") => format!("names are not looked up here: 127.0.0.1:{port}"),
            _ if text.starts_with([':', '*']) => format!("all addresses are 0.0.0.0:{port}, or [::]:{port}"),
            _ => "like 127.0.0.1:12000 or [::1]:12000; 0.0.0.0 stands for all addresses".to_owned(),
        };
        Wrong(format!("`{}` is not an IP address and a port", shown(text)), Some(hint))
    })
}

fn path(text: &str, folder: &Path) -> Result<Value, Wrong> {
    if text.starts_with('~') {
        let hint = "write the home directory out".to_owned();
        return Err(Wrong("`~` is not replaced here".to_owned(), Some(hint)));
    }
    Ok(Value::Path(folder.join(text)))
}

fn url(text: &str, r#use: UrlUse) -> Result<Url, Wrong> {
    let url: Url = text.parse().map_err(|error| Wrong(format!("`{}` is not a URL: {error}", shown(text)), None))?;
    let is_this_machine = match url.host() {
        None => return Err(Wrong("the URL names no host".to_owned(), None)),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
    };
    match (url.scheme(), r#use) {
        ("https", _) | ("http", UrlUse::Public) => {}
        ("http", UrlUse::Issuer) if is_this_machine => {}
        ("http", UrlUse::Issuer) => {
            let hint = "use https: whoever answers in the issuer's place decides who may do what".to_owned();
            return Err(Wrong("an issuer on another machine cannot be asked by http".to_owned(), Some(hint)));
        }
        (scheme, _) => return Err(Wrong(format!("the URL is for {scheme}, not for https"), None)),
    }
    if !url.username().is_empty() || url.password().is_some() || url.query().is_some() || url.fragment().is_some() {
        return Err(Wrong("the URL has more than a host, a port and a path".to_owned(), None));
    }
    Ok(url)
}

fn name(text: &str) -> Result<Value, Wrong> {
    let is_plain = text.chars().all(|letter| letter.is_ascii_alphanumeric() || "-_".contains(letter));
    match text.len() {
        1..=64 if is_plain => Ok(Value::Text(text.to_owned())),
        _ => Err(Wrong(format!("`{}` is not a name: 1 to 64 letters, digits, `-` and `_`", shown(text)), None)),
    }
}

/// Messages about a secret do not repeat it.
fn secret(text: &str) -> Result<Value, Wrong> {
    if text.len() < SECRET_BYTES_MIN || !text.chars().all(|letter| letter.is_ascii_graphic()) {
        let message = format!("the secret is not at least {SECRET_BYTES_MIN} visible ASCII characters");
        return Err(Wrong(message, Some("`openssl rand -base64 32` makes one".to_owned())));
    }
    Ok(Value::Secret(Secret::new(text.to_owned())))
}
