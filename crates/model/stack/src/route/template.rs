//! Path templates: `/todos/{id}`, `/files/{path...}`.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use crate::limits::{TEMPLATE_BYTES_MAX, TEMPLATE_SEGMENTS_MAX};
use crate::name::is_name_character;

/// A path with parameters, like `/todos/{id}`.
///
/// Split on `/` into segments, each one literal text or one `{parameter}`; the last may be a `{parameter...}` that takes
/// all that follows. A leading `/` may be left out. A trailing one is significant: `/todos` and `/todos/` are two
/// templates. Literals are written as they are meant (`/café`), not
/// percent-encoded, because requests are decoded before they are compared.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PathTemplate {
    written: Arc<str>,
    segments: Arc<[Segment]>,
}

/// A part of a path between two slashes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Segment {
    /// Must be equal, after percent-decoding.
    Literal(Box<str>),
    /// Matches any segment that isn't empty, and gives it this name.
    Parameter(Box<str>),
    /// The last one of a template: matches whatever is left of a path, slashes included and even nothing behind the
    /// last slash, and gives it this name. `/files/{path...}` matches `/files/`, `/files/a` and `/files/a/b`, not `/files`.
    Rest(Box<str>),
}

/// Why a text is not a path template.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// It is longer than [`TEMPLATE_BYTES_MAX`].
    #[error("the path is longer than {TEMPLATE_BYTES_MAX} bytes")]
    TooLong,
    /// It has more than [`TEMPLATE_SEGMENTS_MAX`] segments.
    #[error("the path has more than {TEMPLATE_SEGMENTS_MAX} segments")]
    TooManySegments,
    /// Two slashes follow each other.
    #[error("the path has an empty segment")]
    EmptySegment,
    /// `.` or `..`, which clients resolve before they send a request.
    #[error("the segment `{segment}` can never be requested, because clients resolve it")]
    DotSegment {
        /// The segment.
        segment: String,
    },
    /// A character that no decoded segment has, or that would be misread.
    #[error("the path contains {character:?}")]
    Character {
        /// The character.
        character: char,
    },
    /// A `{` without its `}`, or the other way round.
    #[error("the braces of `{segment}` are not balanced")]
    Braces {
        /// The segment.
        segment: String,
    },
    /// Several parameters in one segment.
    #[error("the segment `{segment}` has more than one parameter")]
    SeveralParameters {
        /// The segment.
        segment: String,
    },
    /// A parameter with text before or after it.
    #[error("the segment `{segment}` mixes a parameter with text")]
    Mixed {
        /// The segment.
        segment: String,
    },
    /// `{}`.
    #[error("a parameter has no name")]
    EmptyParameter,
    /// A parameter whose name is not a name.
    #[error("`{name}` can't name a parameter")]
    ParameterName {
        /// What stands between the braces.
        name: String,
    },
    /// Something follows a parameter that takes the rest of the path.
    #[error("something follows `{{{name}...}}`, which takes the rest of the path")]
    RestNotLast {
        /// The parameter.
        name: String,
    },
    /// Two parameters of the same name.
    #[error("the parameter `{name}` occurs twice")]
    DuplicateParameter {
        /// The name.
        name: String,
    },
}

impl TemplateError {
    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::TooLong | Self::TooManySegments => None,
            Self::EmptySegment => Some("only the last segment may be empty, as in `/todos/`"),
            Self::DotSegment { .. } => Some("write the path that it leads to"),
            Self::Character { character: '%' } => Some("write the character itself: requests are decoded first"),
            Self::Character { character: '?' | '#' } => Some("a template is a path only, without query or fragment"),
            Self::Character { .. } => Some("leave the character out"),
            Self::Braces { .. } => Some("write a parameter as `{name}`"),
            Self::SeveralParameters { .. } => Some("put a `/` between the parameters"),
            Self::Mixed { .. } => Some("a parameter takes the whole segment between two slashes"),
            Self::EmptyParameter => Some("give it one, as in `{id}`"),
            Self::ParameterName { name } if name.contains(['*', '.']) => {
                Some("a parameter that takes the rest of the path is written `{name...}`")
            }
            Self::RestNotLast { .. } => Some("put it last, or leave out the dots to take one segment"),
            Self::ParameterName { .. } => Some("use A-Z a-z 0-9 _ -"),
            Self::DuplicateParameter { .. } => Some("give each parameter of a path its own name"),
        }
    }
}

impl PathTemplate {
    /// As it was written, with or without the leading `/`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.written
    }

    /// The segments; one of them at least, an empty literal for `/`.
    #[must_use]
    pub fn segments(&self) -> &[Segment] {
        &self.segments
    }
}

impl Segment {
    /// The name of what it matches, unless it matches itself only.
    #[must_use]
    pub fn parameter(&self) -> Option<&str> {
        match self {
            Self::Literal(_) => None,
            Self::Parameter(name) | Self::Rest(name) => Some(name),
        }
    }
}

impl FromStr for PathTemplate {
    type Err = TemplateError;

    fn from_str(written: &str) -> Result<Self, TemplateError> {
        if written.len() > TEMPLATE_BYTES_MAX {
            return Err(TemplateError::TooLong);
        }
        let path = written.strip_prefix('/').unwrap_or(written);
        let count = path.split('/').count();
        if count > TEMPLATE_SEGMENTS_MAX {
            return Err(TemplateError::TooManySegments);
        }
        let mut segments = Vec::with_capacity(count);
        for (index, text) in path.split('/').enumerate() {
            if text.is_empty() && index + 1 < count {
                return Err(TemplateError::EmptySegment);
            }
            let segment = segment(text)?;
            if let Segment::Rest(name) = &segment
                && index + 1 < count
            {
                return Err(TemplateError::RestNotLast { name: name.to_string() });
            }
            if let Some(name) = segment.parameter()
                && segments.iter().filter_map(Segment::parameter).any(|earlier| earlier == name)
            {
                return Err(TemplateError::DuplicateParameter { name: name.to_owned() });
            }
            segments.push(segment);
        }
        Ok(Self { written: written.into(), segments: segments.into() })
    }
}

fn segment(text: &str) -> Result<Segment, TemplateError> {
    let shown = || text.to_owned();
    if !text.contains(['{', '}']) {
        return literal(text);
    }
    if !braces_are_balanced(text) {
        return Err(TemplateError::Braces { segment: shown() });
    }
    if text.matches('{').count() > 1 {
        return Err(TemplateError::SeveralParameters { segment: shown() });
    }
    match text.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) {
        None => Err(TemplateError::Mixed { segment: shown() }),
        Some("") => Err(TemplateError::EmptyParameter),
        Some(name) => {
            let (name, make): (_, fn(Box<str>) -> Segment) = match name.strip_suffix("...") {
                Some("") => return Err(TemplateError::EmptyParameter),
                Some(name) => (name, Segment::Rest),
                None => (name, Segment::Parameter),
            };
            let is_name = name.chars().all(is_name_character);
            if is_name { Ok(make(name.into())) } else { Err(TemplateError::ParameterName { name: name.to_owned() }) }
        }
    }
}

fn literal(text: &str) -> Result<Segment, TemplateError> {
    if matches!(text, "." | "..") {
        return Err(TemplateError::DotSegment { segment: text.to_owned() });
    }
    let misplaced = |character: &char| {
        matches!(character, '%' | '?' | '#' | '\\') || character.is_control() || character.is_whitespace()
    };
    match text.chars().find(misplaced) {
        Some(character) => Err(TemplateError::Character { character }),
        None => Ok(Segment::Literal(text.into())),
    }
}

/// Whether every `{` has its `}` before the next `{`.
fn braces_are_balanced(text: &str) -> bool {
    let mut open = false;
    for character in text.chars() {
        match character {
            '{' if open => return false,
            '}' if !open => return false,
            '{' => open = true,
            '}' => open = false,
            _ => {}
        }
    }
    !open
}

/// Prints it with its leading `/`.
impl fmt::Display for PathTemplate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.written.strip_prefix('/').unwrap_or(&self.written);
        write!(f, "/{path}")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn segments(text: &str) -> Vec<String> {
        let template: PathTemplate = text.parse().unwrap();
        let shown = |segment: &Segment| match segment {
            Segment::Literal(text) => text.to_string(),
            Segment::Parameter(name) => format!("<{name}>"),
            Segment::Rest(name) => format!("<{name}...>"),
        };
        template.segments().iter().map(shown).collect()
    }

    #[test]
    fn segments_are_literals_or_parameters() {
        assert_eq!(segments("/"), [""]);
        assert_eq!(segments(""), [""]);
        assert_eq!(segments("/greet/{name}"), ["greet", "<name>"]);
        assert_eq!(segments("greet/{name}"), ["greet", "<name>"]);
        assert_eq!(segments("/todos/"), ["todos", ""]);
        assert_eq!(segments("/{rest...}"), ["<rest...>"]);
        assert_eq!(segments("/files/{user}/{path...}"), ["files", "<user>", "<path...>"]);
        assert_eq!(segments("/café/{user-id}/x:y"), ["café", "<user-id>", "x:y"]);
    }

    #[test]
    fn malformed_templates_are_refused() {
        for (text, message) in [
            ("/a//b", "the path has an empty segment"),
            ("//", "the path has an empty segment"),
            ("/a/../b", "the segment `..` can never be requested, because clients resolve it"),
            ("/a b", "the path contains ' '"),
            ("/a%20b", "the path contains '%'"),
            ("/a?b=c", "the path contains '?'"),
            ("/{a", "the braces of `{a` are not balanced"),
            ("/a}", "the braces of `a}` are not balanced"),
            ("/{a{b}}", "the braces of `{a{b}}` are not balanced"),
            ("/}{", "the braces of `}{` are not balanced"),
            ("/get/{a}{b}", "the segment `{a}{b}` has more than one parameter"),
            ("/x{a}", "the segment `x{a}` mixes a parameter with text"),
            ("/{a}.json", "the segment `{a}.json` mixes a parameter with text"),
            ("/{}", "a parameter has no name"),
            ("/{a b}", "`a b` can't name a parameter"),
            ("/{*rest}", "`*rest` can't name a parameter"),
            ("/{...}", "a parameter has no name"),
            ("/{rest....}", "`rest.` can't name a parameter"),
            ("/x{rest...}", "the segment `x{rest...}` mixes a parameter with text"),
            ("/{rest...}/", "something follows `{rest...}`, which takes the rest of the path"),
            ("/{rest...}/a", "something follows `{rest...}`, which takes the rest of the path"),
            ("/{a}/{a...}", "the parameter `a` occurs twice"),
            ("/{a}/{a}", "the parameter `a` occurs twice"),
        ] {
            assert_eq!(text.parse::<PathTemplate>().unwrap_err().to_string(), message, "{text}");
        }
        assert_eq!("/a".repeat(33).parse::<PathTemplate>(), Err(TemplateError::TooManySegments));
        assert_eq!("a".repeat(1025).parse::<PathTemplate>(), Err(TemplateError::TooLong));
    }

    proptest! {
        #[test]
        fn any_text_is_a_template_or_an_error(text in "[a-z{}/.%*]{0,20}|\\PC{0,20}") {
            if let Ok(template) = text.parse::<PathTemplate>() {
                prop_assert_eq!(template.as_str(), &text);
                let printed: PathTemplate = template.to_string().parse().unwrap();
                prop_assert_eq!(printed.segments(), template.segments());
            }
        }
    }
}
