//! The languages that func files know.

use std::fmt;
use std::str::FromStr;

use crate::suggest::closest;

/// `runtime` of a func file: a language, perhaps with its version, as `python3.11`, `java17` or `node:20`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FuncRuntime {
    /// The language.
    pub language: FuncLanguage,
    /// Its version.
    pub version: Option<String>,
}

/// A language of Project Fn, or `docker`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FuncLanguage {
    /// `python`
    Python,
    /// `node`
    Node,
    /// `go`
    Go,
    /// `java`
    Java,
    /// `ruby`
    Ruby,
    /// `kotlin`
    Kotlin,
    /// `dotnet`
    Dotnet,
    /// `docker`: whatever the folder's own `Dockerfile` makes.
    Docker,
}

/// A text is not a runtime.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown `runtime`: `{text}`")]
pub struct UnknownRuntime {
    /// The start of the text.
    text: String,
    /// What was perhaps meant.
    meant: Option<&'static str>,
}

impl FuncLanguage {
    /// All of them.
    pub const ALL: [Self; 8] =
        [Self::Python, Self::Node, Self::Go, Self::Java, Self::Ruby, Self::Kotlin, Self::Dotnet, Self::Docker];

    /// As func files write it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Python => "python",
            Self::Node => "node",
            Self::Go => "go",
            Self::Java => "java",
            Self::Ruby => "ruby",
            Self::Kotlin => "kotlin",
            Self::Dotnet => "dotnet",
            Self::Docker => "docker",
        }
    }
}

impl UnknownRuntime {
    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> String {
        match self.meant {
            Some(meant) => format!("did you mean `{meant}`?"),
            None => {
                let names: Vec<_> = FuncLanguage::ALL.iter().map(|language| format!("`{language}`")).collect();
                format!("the runtimes are {}, with a version or without: `python3.11`", names.join(", "))
            }
        }
    }
}

impl FromStr for FuncRuntime {
    type Err = UnknownRuntime;

    fn from_str(text: &str) -> Result<Self, UnknownRuntime> {
        let end = text.find(|character: char| character == ':' || character.is_ascii_digit()).unwrap_or(text.len());
        let (word, rest) = text.split_at(end);
        let version = rest.strip_prefix(':').unwrap_or(rest);
        let language = FuncLanguage::ALL.into_iter().find(|language| language.as_str() == word);
        let is_version = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
        // The version becomes part of the tag of an image.
        let is_fine = version.is_empty() == rest.is_empty() && version.len() <= 32 && version.bytes().all(is_version);
        match language.filter(|_| is_fine) {
            Some(language) => Ok(Self { language, version: (!version.is_empty()).then(|| version.to_owned()) }),
            None => {
                let meant =
                    if language.is_none() { closest(word, FuncLanguage::ALL.map(FuncLanguage::as_str)) } else { None };
                Err(UnknownRuntime { text: text.chars().take(64).collect(), meant })
            }
        }
    }
}

impl fmt::Display for FuncLanguage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Display for FuncRuntime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.language, self.version.as_deref().unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runtimes_have_a_language_and_perhaps_a_version() {
        for (text, language, version) in [
            ("python", FuncLanguage::Python, None),
            ("python3.11", FuncLanguage::Python, Some("3.11")),
            ("python:3.11", FuncLanguage::Python, Some("3.11")),
            ("java17", FuncLanguage::Java, Some("17")),
            ("dotnet8.0", FuncLanguage::Dotnet, Some("8.0")),
            ("node:lts-slim", FuncLanguage::Node, Some("lts-slim")),
            ("docker", FuncLanguage::Docker, None),
        ] {
            let version = version.map(str::to_owned);
            assert_eq!(text.parse::<FuncRuntime>(), Ok(FuncRuntime { language, version }), "{text}");
        }
        for (text, hint) in [
            ("", "the runtimes are `python`, `node`,"),
            ("pyton3", "did you mean `python`?"),
            ("rust", "the runtimes are"),
            ("go:", "the runtimes are"),
            ("go:1 24", "the runtimes are"),
            ("go:1\nRUN x", "the runtimes are"),
        ] {
            let error = text.parse::<FuncRuntime>().unwrap_err();
            assert!(error.hint().starts_with(hint), "{text}: {}", error.hint());
        }
    }
}
