//! One measurement: what, ours, the peer's, and whether the goal is met.
//!
//! `mu-bench` prints rows as lines of JSON, for example
//! `{"measure": "durable puts, 64 writers", "unit": "/s", "ours": 14900, "peer": 15200, "goal": "ratio >= 0.8"}`.
//! `peer` and `goal` may be absent. A goal is about `ours` or about `ratio`, which is ours divided by the peer's.

use std::fmt::Write as _;

use serde_json::Value;

use crate::failure::{Doing, Failure, Outcome};

#[derive(Debug, PartialEq)]
pub(super) struct Row {
    measure: String,
    unit: String,
    ours: f64,
    peer: Option<f64>,
    goal: Option<Goal>,
}

impl Row {
    pub(super) fn new(measure: &str, unit: &str, ours: f64) -> Self {
        Self { measure: measure.to_owned(), unit: unit.to_owned(), ours, peer: None, goal: None }
    }

    pub(super) fn peer(mut self, peer: f64) -> Self {
        self.peer = Some(peer);
        self
    }

    /// Sets a goal written as in the module's documentation; one that is not understood is no goal.
    pub(super) fn goal(mut self, goal: &str) -> Self {
        self.goal = Goal::parse(goal);
        self
    }

    /// Reads one line of `mu-bench`.
    pub(super) fn parse(line: &str) -> Outcome<Self> {
        let value: Value = serde_json::from_str(line).doing(format_args!("reading the row `{line}`"))?;
        let missing = |field: &str| Failure::new(format!("the row `{line}` has no `{field}`"));
        let goal = match value["goal"].as_str() {
            None => None,
            Some(text) => {
                Some(Goal::parse(text).ok_or_else(|| Failure::new(format!("the goal `{text}` is not understood")))?)
            }
        };
        Ok(Self {
            measure: value["measure"].as_str().ok_or_else(|| missing("measure"))?.to_owned(),
            unit: value["unit"].as_str().unwrap_or_default().to_owned(),
            ours: value["ours"].as_f64().ok_or_else(|| missing("ours"))?,
            peer: value["peer"].as_f64(),
            goal,
        })
    }

    fn ratio(&self) -> Option<f64> {
        self.peer.map(|peer| self.ours / peer)
    }

    fn met(&self) -> Option<bool> {
        let goal = self.goal.as_ref()?;
        let value = match goal.subject {
            Subject::Ours => self.ours,
            Subject::Ratio => self.ratio()?,
        };
        Some(if goal.at_most { value <= goal.bound } else { value >= goal.bound })
    }
}

#[derive(Debug, PartialEq)]
struct Goal {
    subject: Subject,
    /// Otherwise at least.
    at_most: bool,
    bound: f64,
}

#[derive(Debug, PartialEq)]
enum Subject {
    Ours,
    Ratio,
}

impl Goal {
    fn parse(text: &str) -> Option<Self> {
        let mut words = text.split_whitespace();
        let subject = match words.next()? {
            "ours" => Subject::Ours,
            "ratio" => Subject::Ratio,
            _ => return None,
        };
        let at_most = match words.next()? {
            "<=" => true,
            ">=" => false,
            _ => return None,
        };
        let bound = words.next()?.parse().ok()?;
        words.next().is_none().then_some(Self { subject, at_most, bound })
    }

    fn show(&self) -> String {
        let subject = if self.subject == Subject::Ours { "ours" } else { "ratio" };
        format!("{subject} {} {}", if self.at_most { "<=" } else { ">=" }, number(self.bound))
    }
}

/// All rows under one heading, columns aligned.
pub(super) fn table(rows: &[Row]) -> String {
    let heading = ["measure", "ours", "peer", "ratio", "goal", "met?"].map(str::to_owned);
    let lines: Vec<[String; 6]> = std::iter::once(heading).chain(rows.iter().map(cells)).collect();
    let widths: Vec<usize> =
        (0..6).map(|column| lines.iter().map(|line| line[column].chars().count()).max().unwrap_or(0)).collect();
    let mut text = String::new();
    for line in &lines {
        let mut shown = format!("{:<1$}", line[0], widths[0]);
        for column in 1..6 {
            // Writing into a string cannot fail.
            let _ = write!(shown, "  {:>1$}", line[column], widths[column]);
        }
        text.push_str(shown.trim_end());
        text.push('\n');
    }
    text
}

fn cells(row: &Row) -> [String; 6] {
    let with_unit = |value: f64| format!("{} {}", number(value), row.unit).trim_end().to_owned();
    [
        row.measure.clone(),
        with_unit(row.ours),
        row.peer.map(with_unit).unwrap_or_default(),
        row.ratio().map(|ratio| format!("{ratio:.2}")).unwrap_or_default(),
        row.goal.as_ref().map(Goal::show).unwrap_or_default(),
        row.met().map(|met| if met { "yes" } else { "no" }.to_owned()).unwrap_or_default(),
    ]
}

/// About three significant digits, and never an exponent.
fn number(value: f64) -> String {
    let digits = match value.abs() {
        large if large >= 100.0 => 0,
        middle if middle >= 10.0 => 1,
        _ => 2,
    };
    let shown = format!("{value:.digits$}");
    if shown.contains('.') { shown.trim_end_matches('0').trim_end_matches('.').to_owned() } else { shown }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_mu_bench_prints() {
        let line = r#"{"measure": "gets", "unit": "/s", "ours": 10, "peer": 20, "goal": "ratio >= 0.5"}"#;
        let expected = Row::new("gets", "/s", 10.0).peer(20.0).goal("ratio >= 0.5");
        assert_eq!(Row::parse(line), Ok(expected));
        for wrong in [r#"{"ours": 1}"#, r#"{"measure": "x"}"#, r#"{"measure": "x", "ours": 1, "goal": "soon"}"#, "{"] {
            assert!(Row::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_goal_is_about_ours_or_the_ratio() {
        for (goal, met) in [
            ("ratio <= 0.65", Some(true)),
            ("ratio >= 0.65", Some(false)),
            ("ours <= 5", Some(false)),
            ("ours >= 10", Some(true)),
            ("ours < 10", None),
        ] {
            assert_eq!(Row::new("x", "us", 10.0).peer(20.0).goal(goal).met(), met, "{goal}");
        }
        assert_eq!(Row::new("x", "us", 10.0).goal("ratio <= 1").met(), None, "without a peer there is no ratio");
    }

    #[test]
    fn the_table_is_aligned() {
        let rows = [Row::new("memory", "MiB", 41.26).goal("ours <= 60"), Row::new("cpu", "us", 20.0).peer(50.0)];
        let expected = "\
measure      ours   peer  ratio        goal  met?
memory   41.3 MiB                ours <= 60   yes
cpu         20 us  50 us   0.40
";
        assert_eq!(table(&rows), expected);
    }
}
