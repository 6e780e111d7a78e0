//! Versions of functions, which are the tags of their images.

use std::fmt;
use std::str::FromStr;

use crate::limits::VERSION_BYTES_MAX;

/// A semantic version: `0.0.1`, `1.2.0-rc.1`. Without build metadata, which the tag of an image can't have.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct FuncVersion {
    major: u64,
    minor: u64,
    patch: u64,
    /// What comes before that release. An empty one is no such thing, and later.
    before: Before,
}

/// Orders releases behind what comes before them; the order of two pre-releases is that of their text.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Before {
    Pre(Box<str>),
    Release,
}

/// Which part of a version grows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Part {
    /// The third.
    #[default]
    Patch,
    /// The second; the third is 0 then.
    Minor,
    /// The first; the others are 0 then.
    Major,
}

/// A text is not a version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a version is MAJOR.MINOR.PATCH, like 0.0.1, and perhaps `-` and what comes before it")]
pub struct InvalidVersion;

impl FuncVersion {
    /// The next version.
    #[must_use]
    pub fn bumped(&self, part: Part) -> Self {
        let (major, minor, patch) = match part {
            Part::Major => (self.major.saturating_add(1), 0, 0),
            Part::Minor => (self.major, self.minor.saturating_add(1), 0),
            Part::Patch => match self.before {
                // 1.0.0-rc.1 comes before 1.0.0.
                Before::Pre(_) => (self.major, self.minor, self.patch),
                Before::Release => (self.major, self.minor, self.patch.saturating_add(1)),
            },
        };
        Self { major, minor, patch, before: Before::Release }
    }
}

/// 0.0.1
impl Default for FuncVersion {
    fn default() -> Self {
        Self { major: 0, minor: 0, patch: 1, before: Before::Release }
    }
}

impl FromStr for FuncVersion {
    type Err = InvalidVersion;

    fn from_str(text: &str) -> Result<Self, InvalidVersion> {
        if text.len() > VERSION_BYTES_MAX {
            return Err(InvalidVersion);
        }
        let (numbers, before) = match text.split_once('-') {
            None => (text, Before::Release),
            Some((numbers, pre)) => {
                let is_word = |word: &str| {
                    !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
                };
                if !pre.split('.').all(is_word) {
                    return Err(InvalidVersion);
                }
                (numbers, Before::Pre(pre.into()))
            }
        };
        let number = |text: &str| {
            let is_plain = text.bytes().all(|byte| byte.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
            if is_plain { text.parse().map_err(|_| InvalidVersion) } else { Err(InvalidVersion) }
        };
        match numbers.split('.').collect::<Vec<_>>()[..] {
            [major, minor, patch] => {
                Ok(Self { major: number(major)?, minor: number(minor)?, patch: number(patch)?, before })
            }
            _ => Err(InvalidVersion),
        }
    }
}

impl fmt::Display for FuncVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.patch)?;
        match &self.before {
            Before::Pre(pre) => write!(f, "-{pre}"),
            Before::Release => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions() {
        for good in ["0.0.1", "10.20.30", "1.0.0-rc.1", "1.0.0-a-b"] {
            assert_eq!(good.parse::<FuncVersion>().unwrap().to_string(), good);
        }
        for bad in ["", "1", "1.0", "1.0.0.0", "v1.0.0", "01.0.0", "1.0.-1", "1.0.0-", "1.0.0-a..b", "1.0.0+x", "1..0"]
        {
            assert_eq!(bad.parse::<FuncVersion>(), Err(InvalidVersion), "{bad}");
        }
        assert!("99999999999999999999.0.0".parse::<FuncVersion>().is_err());
    }

    #[test]
    fn parts_grow() {
        for (from, part, to) in [
            ("0.0.1", Part::Patch, "0.0.2"),
            ("0.0.9", Part::Patch, "0.0.10"),
            ("1.2.3", Part::Minor, "1.3.0"),
            ("1.2.3", Part::Major, "2.0.0"),
            ("1.0.0-rc.1", Part::Patch, "1.0.0"),
            ("1.0.0-rc.1", Part::Minor, "1.1.0"),
        ] {
            let bumped = from.parse::<FuncVersion>().unwrap().bumped(part);
            assert_eq!(bumped, to.parse().unwrap(), "{from}");
            assert!(bumped > from.parse().unwrap(), "{from}");
        }
    }
}
