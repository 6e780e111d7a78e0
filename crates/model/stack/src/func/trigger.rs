//! What calls a function besides those who name it.

use std::fmt;
use std::str::FromStr;

use crate::name::TriggerName;
use crate::route::{PathTemplate, TemplateError};

use super::Cron;

/// A trigger of a function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trigger {
    /// Its name; no other of the function has it.
    pub name: TriggerName,
    /// What it is.
    pub kind: TriggerKind,
}

/// When a trigger calls its function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TriggerKind {
    /// `http`: when this path of the app is requested, by whatever method.
    Http(TriggerSource),
    /// `event`: when a message comes into this topic. Not yet.
    Event {
        /// The name of the topic.
        topic: String,
    },
    /// `scheduled`: at these times. Not yet.
    Scheduled(Cron),
}

/// The path of an `http` trigger, which is matched exactly.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TriggerSource(PathTemplate);

/// Why a text is not the path of a trigger.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TriggerSourceError {
    /// It doesn't begin with a slash.
    #[error("a source begins with `/`")]
    NoSlash,
    /// It has a parameter, as routes of `mu.yaml` may.
    #[error("a source is matched exactly, and has no parameters like `{{name}}`")]
    Parameter,
    /// It is not a path.
    #[error("malformed source: {0}")]
    Path(#[from] TemplateError),
}

impl TriggerKind {
    /// All kinds, as func files write them.
    pub const WORDS: [&str; 3] = ["http", "event", "scheduled"];

    /// As func files write it.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Http(_) => "http",
            Self::Event { .. } => "event",
            Self::Scheduled(_) => "scheduled",
        }
    }
}

impl TriggerSource {
    /// The path of the route.
    #[must_use]
    pub fn template(&self) -> &PathTemplate {
        &self.0
    }
}

impl FromStr for TriggerSource {
    type Err = TriggerSourceError;

    fn from_str(text: &str) -> Result<Self, TriggerSourceError> {
        if !text.starts_with('/') {
            return Err(TriggerSourceError::NoSlash);
        }
        if text.contains(['{', '}']) {
            return Err(TriggerSourceError::Parameter);
        }
        Ok(Self(text.parse()?))
    }
}

impl fmt::Display for TriggerSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// `http /hello`, as it is shown to people.
impl fmt::Display for TriggerKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Http(source) => write!(f, "http {source}"),
            Self::Event { topic } => write!(f, "event {topic}"),
            Self::Scheduled(times) => write!(f, "scheduled {times}"),
        }
    }
}
