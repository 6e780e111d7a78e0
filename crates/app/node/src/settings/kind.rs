//! What a key is: its type, its range, its default.

use std::path::PathBuf;
use std::time::Duration;

use mu_stack::{ByteSize, HumanDuration, Instructions};

use super::value::Value;

/// A key of the configuration, or of a map within it.
#[derive(Debug)]
pub(super) struct Key {
    /// From the top, with dots between: `gateway.tls.address`.
    pub(super) path: &'static str,
    pub(super) kind: Kind,
    pub(super) default: Default,
    /// A sentence or two.
    pub(super) about: &'static str,
}

/// What a value may be.
#[derive(Debug)]
pub(super) enum Kind {
    Flag,
    Count {
        min: u64,
        max: u64,
    },
    Size {
        min: u64,
        max: u64,
    },
    Time {
        min: Duration,
        max: Duration,
    },
    Instructions {
        min: u64,
        max: u64,
    },
    Word(&'static [&'static str]),
    Address,
    Path,
    Url(UrlUse),
    Filter,
    OperatorKey,
    /// What can stand between colons: letters, digits, `-` and `_`.
    Name,
    Text,
    Secret,
    List {
        item: &'static Kind,
        max: usize,
    },
    Map(&'static [Key]),
}

/// What a URL is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum UrlUse {
    /// Where clients find this node.
    Public,
    /// Who signs tokens: nobody in between may be able to put in other keys.
    Issuer,
}

/// What a key has when nobody sets it.
#[derive(Debug)]
pub(super) enum Default {
    /// A value.
    Is(fn() -> Value),
    /// Nothing, which is called this.
    Nothing(&'static str),
    /// A folder of the user who runs the node.
    UserFolder(UserFolder),
    /// There must be a value.
    Required,
}

/// A folder for one kind of files, as the XDG base directories have them.
#[derive(Clone, Copy, Debug)]
pub(super) struct UserFolder {
    /// The variable that names the folder above.
    pub(super) variable: &'static str,
    /// Where that is without the variable, below the home directory.
    pub(super) below_home: &'static str,
}

/// What stands below a [`UserFolder`]'s place.
const NODE_FOLDER: &str = "mu/node";

/// The longest text or list item, in bytes.
pub(super) const TEXT_BYTES_MAX: usize = 4096;
/// A secret that can be guessed is none.
pub(super) const SECRET_BYTES_MIN: usize = 16;

impl Key {
    /// The variable that sets it.
    pub(super) fn variable(&self) -> String {
        format!("MU_{}", self.path.replace('.', "__").to_uppercase())
    }

    /// What nothing is called, if the key may have nothing.
    pub(super) fn nothing(&self) -> Option<&'static str> {
        match self.default {
            Default::Nothing(word) => Some(word),
            _ => None,
        }
    }

    pub(super) fn is_secret(&self) -> bool {
        matches!(self.kind, Kind::Secret)
    }
}

impl UserFolder {
    /// The folder, if the variables say where the user's folders are.
    pub(super) fn path(self, variable: impl Fn(&str) -> Option<PathBuf>) -> Option<PathBuf> {
        // Relative paths in these variables are to be ignored, says their specification.
        let absolute = |name| variable(name).filter(|path| path.is_absolute());
        let above = absolute(self.variable).or_else(|| Some(absolute("HOME")?.join(self.below_home)))?;
        Some(above.join(NODE_FOLDER))
    }

    /// For the documentation.
    pub(super) fn describe(self) -> String {
        let Self { variable, below_home } = self;
        format!("`${variable}/{NODE_FOLDER}`, else `~/{below_home}/{NODE_FOLDER}`")
    }
}

impl Kind {
    /// What may be written, in a few words.
    pub(super) fn describe(&self) -> String {
        let time = |duration: &Duration| HumanDuration::saturating_from(*duration);
        match self {
            Self::Flag => "`true` or `false`".to_owned(),
            Self::Count { min, max } => format!("number from {min} to {max}"),
            Self::Size { min, max } => {
                format!("size from {} to {}", ByteSize::from_bytes(*min), ByteSize::from_bytes(*max))
            }
            Self::Time { min, max } => format!("duration from {} to {}", time(min), time(max)),
            Self::Instructions { min, max } => {
                format!("number from {} to {}", Instructions::new(*min), Instructions::new(*max))
            }
            Self::Word(words) => words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", "),
            Self::Address => "IP address and port".to_owned(),
            Self::Path => "path".to_owned(),
            Self::Url(_) => "URL".to_owned(),
            Self::Filter => "filter".to_owned(),
            Self::OperatorKey => "client's key (`k_…`)".to_owned(),
            Self::Name => "name of letters, digits, `-`, `_`".to_owned(),
            Self::Text => "text".to_owned(),
            Self::Secret => format!("secret of at least {SECRET_BYTES_MIN} bytes"),
            Self::List { item, max } => format!("list of at most {max}: {}", item.describe()),
            Self::Map(keys) => {
                let names: Vec<_> = keys.iter().map(|key| format!("`{}`", key.path)).collect();
                format!("map with {}", names.join(", "))
            }
        }
    }

    /// What is wrong with where a number lies, if something is.
    pub(super) fn outside(&self, value: &Value) -> Option<String> {
        match (self, value) {
            (Self::Count { min, max }, Value::Count(count)) => outside(count, min, max),
            (Self::Size { min, max }, Value::Size(size)) => {
                outside(size, &ByteSize::from_bytes(*min), &ByteSize::from_bytes(*max))
            }
            (Self::Time { min, max }, Value::Time(time)) => {
                outside(time, &HumanDuration::saturating_from(*min), &HumanDuration::saturating_from(*max))
            }
            (Self::Instructions { min, max }, Value::Instructions(count)) => {
                outside(count, &Instructions::new(*min), &Instructions::new(*max))
            }
            _ => None,
        }
    }
}

fn outside<T: PartialOrd + std::fmt::Display>(value: &T, min: &T, max: &T) -> Option<String> {
    if value > max {
        Some(format!("{value} is more than the most, {max}"))
    } else if value < min {
        Some(format!("{value} is less than the least, {min}"))
    } else {
        None
    }
}
