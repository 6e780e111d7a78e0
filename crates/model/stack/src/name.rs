//! Names, each kind its own type, and the reference `function.handler` that a route points to.

use std::borrow::Borrow;
use std::fmt;
use std::marker::PhantomData;
use std::str::FromStr;
use std::sync::Arc;

use crate::limits::NAME_BYTES_MAX;

/// A name: 1 to 255 bytes of `A-Z a-z 0-9 _ -`. Cloning is cheap.
///
/// `K` is what the name names, so that the name of a table can't be handed over where a box is meant.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name<K> {
    text: Arc<str>,
    kind: PhantomData<K>,
}

/// What a [`Name`] names.
pub trait NameKind {
    /// The glossary's word, for messages: `function`.
    const WHAT: &'static str;
}

/// The kinds of names.
pub mod kind {
    /// Names a stack.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
    pub enum Stack {}
    /// Names a function of a stack.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
    pub enum Function {}
    /// Names a handler inside a function.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
    pub enum Handler {}
    /// Names a gateway of a stack.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
    pub enum Gateway {}
    /// Names a table of a stack.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
    pub enum Table {}
    /// Names a box of a stack.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
    pub enum Box {}
    /// Names an uploaded artifact.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
    pub enum Binary {}
    /// Names a trigger of a function.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
    pub enum Trigger {}
    /// Names an issuer of tokens that a node knows.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
    pub enum Issuer {}
}

impl NameKind for kind::Stack {
    const WHAT: &'static str = "stack";
}
impl NameKind for kind::Function {
    const WHAT: &'static str = "function";
}
impl NameKind for kind::Handler {
    const WHAT: &'static str = "handler";
}
impl NameKind for kind::Gateway {
    const WHAT: &'static str = "gateway";
}
impl NameKind for kind::Table {
    const WHAT: &'static str = "table";
}
impl NameKind for kind::Box {
    const WHAT: &'static str = "box";
}
impl NameKind for kind::Binary {
    const WHAT: &'static str = "binary";
}
impl NameKind for kind::Trigger {
    const WHAT: &'static str = "trigger";
}
impl NameKind for kind::Issuer {
    const WHAT: &'static str = "token issuer";
}

/// Name of a stack.
pub type StackName = Name<kind::Stack>;
/// Name of a function.
pub type FunctionName = Name<kind::Function>;
/// Name of a handler inside a function.
pub type HandlerName = Name<kind::Handler>;
/// Name of a gateway.
pub type GatewayName = Name<kind::Gateway>;
/// Name of a key/value table.
pub type TableName = Name<kind::Table>;
/// Name of a box of mu Storage.
pub type BoxName = Name<kind::Box>;
/// Id of an uploaded artifact, as given by whoever stores it.
pub type BinaryId = Name<kind::Binary>;
/// Name of a trigger of a function.
pub type TriggerName = Name<kind::Trigger>;
/// Name of an issuer of tokens, given by the operator of a node.
pub type IssuerName = Name<kind::Issuer>;

/// Why a text is not a name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// There is nothing in it.
    #[error("a {what} name must not be empty")]
    Empty {
        /// What would have been named.
        what: &'static str,
    },
    /// It is longer than [`NAME_BYTES_MAX`].
    #[error("a {what} name has at most {NAME_BYTES_MAX} bytes, this one has {bytes}")]
    TooLong {
        /// What would have been named.
        what: &'static str,
        /// How long it is.
        bytes: usize,
    },
    /// It has a character that names don't have.
    #[error("a {what} name can't contain {character:?}; use A-Z a-z 0-9 _ -")]
    Character {
        /// What would have been named.
        what: &'static str,
        /// The first such character.
        character: char,
    },
}

impl<K> Name<K> {
    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl<K: NameKind> FromStr for Name<K> {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let what = K::WHAT;
        if text.is_empty() {
            return Err(NameError::Empty { what });
        }
        if text.len() > NAME_BYTES_MAX {
            return Err(NameError::TooLong { what, bytes: text.len() });
        }
        match text.chars().find(|&character| !is_name_character(character)) {
            Some(character) => Err(NameError::Character { what, character }),
            None => Ok(Self { text: text.into(), kind: PhantomData }),
        }
    }
}

impl<K> fmt::Display for Name<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.text)
    }
}

impl<K> fmt::Debug for Name<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.text, f)
    }
}

impl<K> AsRef<str> for Name<K> {
    fn as_ref(&self) -> &str {
        &self.text
    }
}

/// Lets a map keyed by names be asked with a `&str` from a request.
impl<K> Borrow<str> for Name<K> {
    fn borrow(&self) -> &str {
        &self.text
    }
}

pub(crate) fn is_name_character(character: char) -> bool {
    character.is_ascii_alphanumeric() || matches!(character, '_' | '-')
}

/// Where a route leads: a handler of a function of the same stack, written `function.handler`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HandlerRef {
    /// The function that has the handler.
    pub function: FunctionName,
    /// The handler inside the function.
    pub handler: HandlerName,
}

/// Why a text is not a reference to a handler.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HandlerRefError {
    /// There isn't exactly one dot.
    #[error("`{text}` doesn't name a handler; write `function.handler`")]
    Shape {
        /// The start of what was written.
        text: String,
    },
    /// One of the two parts is not a name.
    #[error(transparent)]
    Name(#[from] NameError),
}

impl FromStr for HandlerRef {
    type Err = HandlerRefError;

    fn from_str(text: &str) -> Result<Self, HandlerRefError> {
        match text.split_once('.') {
            Some((function, handler)) if !handler.contains('.') => {
                Ok(Self { function: function.parse()?, handler: handler.parse()? })
            }
            _ => Err(HandlerRefError::Shape { text: text.chars().take(64).collect() }),
        }
    }
}

impl fmt::Display for HandlerRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.function, self.handler)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        for good in ["a", "greeter_function", "todo-attachments", "9", &"x".repeat(255)] {
            assert_eq!(good.parse::<TableName>().unwrap().as_str(), good);
        }
        for (bad, message) in [
            ("", "a box name must not be empty"),
            ("a b", "a box name can't contain ' '; use A-Z a-z 0-9 _ -"),
            ("a.b", "a box name can't contain '.'; use A-Z a-z 0-9 _ -"),
            ("é", "a box name can't contain 'é'; use A-Z a-z 0-9 _ -"),
            (&"x".repeat(256), "a box name has at most 255 bytes, this one has 256"),
        ] {
            assert_eq!(bad.parse::<BoxName>().unwrap_err().to_string(), message);
        }
    }

    #[test]
    fn handler_references() {
        let reference: HandlerRef = "todo.get_all".parse().unwrap();
        assert_eq!((reference.function.as_str(), reference.handler.as_str()), ("todo", "get_all"));
        assert_eq!(reference.to_string(), "todo.get_all");
        for bad in ["", "todo", "a.b.c", ".b", "a.", "a b.c", "."] {
            assert!(bad.parse::<HandlerRef>().is_err(), "{bad:?}");
        }
    }
}
