//! What the suite found, case by case, and what it comes to.

use std::collections::BTreeMap;
use std::fmt;

use serde_json::Value;

use crate::failure::{Doing, Failure, Outcome};

/// How many cases ended in which way, and the names of those that failed.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Outcomes {
    /// By chapter of the suite, then by behaviour.
    chapters: BTreeMap<u32, BTreeMap<String, usize>>,
    failed: Vec<String>,
}

/// Reads the suite's `index.json`.
pub(super) fn read(text: &str, agent: &str) -> Outcome<Outcomes> {
    let index: Value = serde_json::from_str(text).doing("reading the suite's report")?;
    let cases = index[agent].as_object().filter(|cases| !cases.is_empty());
    let cases = cases.ok_or_else(|| Failure::new("the suite's report has no cases"))?;
    let mut outcomes = Outcomes { chapters: BTreeMap::new(), failed: Vec::new() };
    for (name, case) in cases {
        let said = |what: &str| case[what].as_str().unwrap_or("MISSING");
        let chapter = name.split('.').next().and_then(|chapter| chapter.parse().ok()).unwrap_or(0);
        *outcomes.chapters.entry(chapter).or_default().entry(said("behavior").to_owned()).or_default() += 1;
        // The way a connection is closed is judged apart from what happened on it.
        for what in ["behavior", "behaviorClose"] {
            if !matches!(said(what), "OK" | "NON-STRICT" | "INFORMATIONAL" | "UNIMPLEMENTED") {
                outcomes.failed.push(format!("{name}: {what} {}", said(what)));
            }
        }
    }
    Ok(outcomes)
}

impl Outcomes {
    /// Fails, naming the cases, when any failed.
    pub(super) fn verdict(&self) -> Outcome {
        if self.failed.is_empty() {
            return Ok(());
        }
        Err(Failure::new(format!("the suite found mistakes:\n{}", self.failed.join("\n"))))
    }
}

impl fmt::Display for Outcomes {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut totals: BTreeMap<&str, usize> = BTreeMap::new();
        for (chapter, behaviours) in &self.chapters {
            let parts: Vec<_> = behaviours.iter().map(|(behaviour, count)| format!("{count} {behaviour}")).collect();
            writeln!(out, "chapter {chapter:>2}: {}", parts.join(", "))?;
            for (behaviour, count) in behaviours {
                *totals.entry(behaviour).or_default() += count;
            }
        }
        let parts: Vec<_> = totals.iter().map(|(behaviour, count)| format!("{count} {behaviour}")).collect();
        writeln!(out, "together:   {}", parts.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cases_are_counted_by_chapter_and_mistakes_are_named() {
        let case =
            |behaviour: &str, close: &str| format!(r#"{{"behavior": "{behaviour}", "behaviorClose": "{close}"}}"#);
        let text = format!(
            r#"{{"mu": {{"1.1": {}, "1.2": {}, "10.1": {}, "6.4.1": {}}}}}"#,
            case("OK", "OK"),
            case("FAILED", "OK"),
            case("OK", "WRONG CODE"),
            case("NON-STRICT", "INFORMATIONAL"),
        );
        let outcomes = read(&text, "mu").unwrap();
        let expected = "chapter  1: 1 FAILED, 1 OK\nchapter  6: 1 NON-STRICT\nchapter 10: 1 OK\n\
                        together:   1 FAILED, 1 NON-STRICT, 2 OK\n";
        assert_eq!(outcomes.to_string(), expected);
        let failure = outcomes.verdict().unwrap_err().to_string();
        assert_eq!(failure, "error: the suite found mistakes:\n1.2: behavior FAILED\n10.1: behaviorClose WRONG CODE");
    }

    #[test]
    fn a_report_without_cases_is_no_success() {
        for text in ["", "{}", r#"{"mu": {}}"#, r#"{"other": {"1.1": {}}}"#] {
            assert!(read(text, "mu").is_err(), "{text}");
        }
    }
}
