//! What is wrong with a text, where, and what to do about it: all of it at once.

use std::fmt;

use crate::limits::PROBLEMS_MAX;

/// A place in a text; both numbers start at 1, and columns count characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
}

/// One mistake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Where it is; `None` when the input is not a text, or the problem is that something isn't there.
    pub position: Option<Position>,
    /// The service it is in, like ``function `todo` ``.
    pub context: Option<String>,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
}

/// Every mistake of one input, in the order of the text. Its `Display` is what a person reads:
///
/// ```text
/// mu.yaml:7:5: error: in function `todo`: unknown key `memory`
///   hint: did you mean `memory_limit`?
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// The input, as the caller named it.
    pub file: String,
    /// The mistakes; one at least, and no more than [`PROBLEMS_MAX`].
    pub problems: Vec<Problem>,
    /// How many more there are.
    pub omitted: usize,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.problems.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            f.write_str(&self.file)?;
            if let Some(Position { line, column }) = problem.position {
                write!(f, ":{line}:{column}")?;
            }
            write!(f, ": {problem}")?;
        }
        match self.omitted {
            0 => Ok(()),
            more => write!(f, "\n{}: and {more} more", self.file),
        }
    }
}

impl std::error::Error for Report {}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("error: ")?;
        if let Some(context) = &self.context {
            write!(f, "in {context}: ")?;
        }
        f.write_str(&self.message)?;
        match &self.hint {
            Some(hint) => write!(f, "\n  hint: {hint}"),
            None => Ok(()),
        }
    }
}

/// Collects problems while a reader goes on.
#[derive(Debug, Default)]
pub(crate) struct Problems {
    list: Vec<Problem>,
    omitted: usize,
    context: Option<String>,
}

impl Problems {
    /// Notes a problem without advice.
    pub(crate) fn add(&mut self, position: impl Into<Option<Position>>, message: impl Into<String>) {
        self.push(position.into(), message.into(), None);
    }

    /// Notes a problem and what to do about it, if there is something.
    pub(crate) fn hint(
        &mut self,
        position: impl Into<Option<Position>>,
        message: impl Into<String>,
        hint: impl Into<Option<String>>,
    ) {
        self.push(position.into(), message.into(), hint.into());
    }

    /// Whether further problems are only counted, so that advice for them is not worth working out.
    pub(crate) fn is_full(&self) -> bool {
        self.list.len() >= PROBLEMS_MAX
    }

    /// Names the service that the following problems are in.
    pub(crate) fn enter(&mut self, context: Option<String>) {
        self.context = context;
    }

    pub(crate) fn context(&self) -> Option<String> {
        self.context.clone()
    }

    /// What was noted, in the order in which it was found.
    pub(crate) fn into_list(self) -> Vec<Problem> {
        self.list
    }

    /// The value, if nothing was noted.
    pub(crate) fn result<T>(mut self, file: &str, value: Option<T>) -> Result<T, Report> {
        match value {
            Some(value) if self.list.is_empty() => Ok(value),
            _ => {
                // What has no place in the text stands last; otherwise a report reads from top to bottom.
                self.list.sort_by_key(|problem| (problem.position.is_none(), problem.position));
                Err(Report { file: file.to_owned(), problems: self.list, omitted: self.omitted })
            }
        }
    }

    fn push(&mut self, position: Option<Position>, message: String, hint: Option<String>) {
        if self.is_full() {
            self.omitted += 1;
        } else {
            self.list.push(Problem { position, context: self.context.clone(), message, hint });
        }
    }
}

/// What to say about a value outside of its limits.
pub(crate) fn outside<T: PartialOrd + fmt::Display>(what: &str, value: &T, min: &T, max: &T) -> Option<String> {
    if value > max {
        Some(format!("{what} is {value}, more than the most, {max}"))
    } else if value < min {
        Some(format!("{what} is {value}, less than the least, {min}"))
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_reads_from_top_to_bottom_and_is_bounded() {
        let mut problems = Problems::default();
        problems.add(None, "no place");
        for line in (1..=PROBLEMS_MAX).rev() {
            problems.add(Position { line, column: 1 }, "x");
        }
        let report = problems.result("f", Some(())).unwrap_err();
        assert_eq!(report.problems.len(), PROBLEMS_MAX);
        assert_eq!(report.omitted, 1);
        let text = report.to_string();
        assert!(text.starts_with("f:2:1: error: x\nf:3:1: "), "{text}");
        assert!(text.ends_with("f: error: no place\nf: and 1 more"), "{text}");
    }
}
