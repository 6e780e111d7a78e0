//! A small JSON: objects keep the order of their keys, and numbers are whole.

use std::iter::Peekable;
use std::str::Chars;

#[derive(Debug)]
pub enum Json {
    Null,
    Truth(bool),
    Number(u64),
    Text(String),
    List(Vec<Json>),
    Object(Vec<(String, Json)>),
}

impl Json {
    /// What a text says; `None` if it is no JSON, or has numbers that are not whole.
    pub fn parse(text: &str) -> Option<Self> {
        value(&mut text.chars().peekable())
    }

    pub fn field(&self, name: &str) -> Option<&Self> {
        let Self::Object(fields) = self else { return None };
        fields.iter().find(|(key, _)| key == name).map(|(_, value)| value)
    }

    pub fn text(&self, name: &str) -> Option<&str> {
        match self.field(name)? {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    pub fn number(&self, name: &str) -> Option<u64> {
        match self.field(name)? {
            Self::Number(number) => Some(*number),
            _ => None,
        }
    }

    pub fn is_true(&self, name: &str) -> bool {
        matches!(self.field(name), Some(Self::Truth(true)))
    }

    /// The texts of an object.
    pub fn texts(&self, name: &str) -> Vec<(&str, &str)> {
        let Some(Self::Object(fields)) = self.field(name) else { return Vec::new() };
        let texts = fields.iter().filter_map(|(key, value)| match value {
            Self::Text(text) => Some((key.as_str(), text.as_str())),
            _ => None,
        });
        texts.collect()
    }

    pub fn write(&self, to: &mut String) {
        match self {
            Self::Null => to.push_str("null"),
            Self::Truth(truth) => to.push_str(if *truth { "true" } else { "false" }),
            Self::Number(number) => to.push_str(&number.to_string()),
            Self::Text(text) => quote(text, to),
            Self::List(items) => separated(items, ['[', ']'], to, |item, to| item.write(to)),
            Self::Object(fields) => separated(fields, ['{', '}'], to, |(key, value), to| {
                quote(key, to);
                to.push(':');
                value.write(to);
            }),
        }
    }
}

fn separated<T>(items: &[T], [open, close]: [char; 2], to: &mut String, write: impl Fn(&T, &mut String)) {
    to.push(open);
    for (at, item) in items.iter().enumerate() {
        if at > 0 {
            to.push(',');
        }
        write(item, to);
    }
    to.push(close);
}

fn quote(text: &str, to: &mut String) {
    to.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => to.extend(['\\', c]),
            c if u32::from(c) < 0x20 => to.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => to.push(c),
        }
    }
    to.push('"');
}

type Input<'t> = Peekable<Chars<'t>>;

fn value(input: &mut Input<'_>) -> Option<Json> {
    space(input);
    let value = match input.peek()? {
        '{' => Json::Object(sequence(input, '}', |input| {
            let key = string(input)?;
            space(input);
            (input.next()? == ':').then_some(())?;
            Some((key, value(input)?))
        })?),
        '[' => Json::List(sequence(input, ']', value)?),
        '"' => Json::Text(string(input)?),
        '0'..='9' => Json::Number(word(input).parse().ok()?),
        _ => match word(input).as_str() {
            "true" => Json::Truth(true),
            "false" => Json::Truth(false),
            "null" => Json::Null,
            _ => return None,
        },
    };
    space(input);
    Some(value)
}

/// Items between brackets.
fn sequence<T>(input: &mut Input<'_>, close: char, item: impl Fn(&mut Input<'_>) -> Option<T>) -> Option<Vec<T>> {
    input.next();
    space(input);
    let mut items = Vec::new();
    if input.next_if_eq(&close).is_some() {
        return Some(items);
    }
    loop {
        space(input);
        items.push(item(input)?);
        match input.next()? {
            ',' => {}
            c if c == close => return Some(items),
            _ => return None,
        }
    }
}

fn string(input: &mut Input<'_>) -> Option<String> {
    (input.next()? == '"').then_some(())?;
    let mut text = String::new();
    loop {
        match input.next()? {
            '"' => return Some(text),
            '\\' => text.push(match input.next()? {
                'n' => '\n',
                'r' => '\r',
                't' => '\t',
                'u' => {
                    let code: String = input.by_ref().take(4).collect();
                    char::from_u32(u32::from_str_radix(&code, 16).ok()?)?
                }
                other => other,
            }),
            c => text.push(c),
        }
    }
}

fn word(input: &mut Input<'_>) -> String {
    let mut word = String::new();
    while let Some(c) = input.next_if(char::is_ascii_alphanumeric) {
        word.push(c);
    }
    word
}

fn space(input: &mut Input<'_>) {
    while input.next_if(|c| c.is_ascii_whitespace()).is_some() {}
}
