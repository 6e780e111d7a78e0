//! What is wrong with a configuration: all of it at once.

use std::fmt;

use super::origin::Origin;

/// The most mistakes that are kept; the rest is counted.
const MISTAKES_MAX: usize = 100;

/// One mistake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// Where it is. A default can be a mistake only together with something else.
    pub origin: Origin,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
}

/// Every mistake of a configuration. Its `Display` is what a person reads:
///
/// ```text
/// mu-node.yaml:3:3: error: unknown key `adress` of `gateway`
///   hint: did you mean `address`?
/// MU_API__ADDRESS: error: `api.address`: an address has a port
///   hint: write an IP address and a port, like 127.0.0.1:12000
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistakes {
    /// The mistakes, by layer; one at least.
    pub list: Vec<Mistake>,
    /// How many more there are.
    pub omitted: usize,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.origin {
            Origin::Default => f.write_str("configuration")?,
            origin => write!(f, "{origin}")?,
        }
        write!(f, ": error: {}", self.message)?;
        match &self.hint {
            Some(hint) => write!(f, "\n  hint: {hint}"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Mistakes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, mistake) in self.list.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{mistake}")?;
        }
        match self.omitted {
            0 => Ok(()),
            more => write!(f, "\nand {more} more mistakes"),
        }
    }
}

impl std::error::Error for Mistakes {}

impl From<Mistake> for Mistakes {
    fn from(mistake: Mistake) -> Self {
        Self { list: vec![mistake], omitted: 0 }
    }
}

/// Collects mistakes while reading goes on.
#[derive(Debug, Default)]
pub(super) struct Collected {
    list: Vec<Mistake>,
    omitted: usize,
}

impl Collected {
    /// Notes a mistake, and what to do about it, if there is something.
    pub(super) fn add(&mut self, origin: Origin, message: impl Into<String>, hint: impl Into<Option<String>>) {
        if self.list.len() >= MISTAKES_MAX {
            self.omitted += 1;
        } else {
            self.list.push(Mistake { origin, message: message.into(), hint: hint.into() });
        }
    }

    /// The value, if nothing was noted.
    pub(super) fn result<T>(mut self, value: T) -> Result<T, Mistakes> {
        if self.list.is_empty() {
            return Ok(value);
        }
        self.list.sort_by_key(|mistake| mistake.origin.rank());
        Err(Mistakes { list: self.list, omitted: self.omitted })
    }
}
