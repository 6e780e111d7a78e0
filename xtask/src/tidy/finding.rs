//! One broken rule at one place.

use std::fmt;

/// Which rule; exceptions are granted by rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rule {
    Edge,
    Vendor,
    UnusedDependency,
    Lints,
    CrateDoc,
    FileLength,
    ModFile,
    AllowAttribute,
    UnfinishedCode,
    UnsafePlace,
    UnsafeReason,
    ServiceEffects,
    MachinePath,
    OpenEnd,
    Link,
    StaleException,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Severity {
    Error,
    Warning,
}

#[derive(Debug)]
pub(super) struct Finding {
    pub(super) rule: Rule,
    pub(super) severity: Severity,
    /// Relative to the root, with `/`.
    pub(super) path: String,
    /// From 1.
    pub(super) line: usize,
    message: String,
    hint: String,
}

impl Finding {
    pub(super) fn new(
        rule: Rule,
        path: &str,
        line: usize,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) -> Self {
        let severity = Severity::Error;
        Self { rule, severity, path: path.to_owned(), line, message: message.into(), hint: hint.into() }
    }

    pub(super) fn warning(mut self) -> Self {
        self.severity = Severity::Warning;
        self
    }

    #[cfg(test)]
    pub(super) fn place(&self) -> String {
        format!("{}:{}", self.path, self.line)
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let severity = if self.severity == Severity::Warning { "warning: " } else { "" };
        write!(out, "{}:{}: {severity}{}\n    hint: {}", self.path, self.line, self.message, self.hint)
    }
}
