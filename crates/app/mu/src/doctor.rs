//! `mu doctor`: what this machine has, what it lacks, and how to get it.

mod checks;

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use serde::Serialize;

use crate::doctor::checks::checks;
use crate::failure::{Cause, Failure};
use crate::project::Project;
use crate::terminal::{self, DIM, GREEN, RED, YELLOW};

/// Check this machine, and say how to get what is missing
///
/// Exits with 1 when something is missing that the project at hand needs. Nothing is installed or changed.
#[derive(Args, Debug)]
pub(crate) struct Arguments {
    /// The project: a directory with mu.yaml, app.yaml or func.yaml, or one below it
    #[arg(default_value = ".")]
    dir: PathBuf,
    /// How to print the result on standard output
    #[arg(long, value_enum, default_value_t = Output::Text)]
    output: Output,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Output {
    /// One line per check
    Text,
    /// A JSON array of checks
    Json,
}

/// What one check found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct Finding {
    /// What was looked at.
    name: &'static str,
    state: State,
    /// What is there, or why it is not.
    found: String,
    /// How to get it; absent when all is well.
    #[serde(skip_serializing_if = "Option::is_none")]
    remedy: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum State {
    /// All is well.
    Ok,
    /// Not there, and nothing at hand needs it.
    Optional,
    /// Not there, and needed.
    Missing,
}

impl Finding {
    fn ok(name: &'static str, found: impl Into<String>) -> Self {
        Self { name, state: State::Ok, found: found.into(), remedy: None }
    }

    fn lacking(name: &'static str, need: Need, found: impl Into<String>, remedy: impl Into<String>) -> Self {
        let state = if need == Need::Required { State::Missing } else { State::Optional };
        Self { name, state, found: found.into(), remedy: Some(remedy.into()) }
    }
}

/// Whether the project at hand can do without.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Need {
    Required,
    Useful,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let findings = checks(Project::find(&arguments.dir).ok().as_ref());
    let printed = match arguments.output {
        Output::Text => terminal::print_styled(&findings.iter().map(line).collect::<String>()),
        Output::Json => terminal::print(format!("{:#}\n", serde_json::json!(findings))),
    };
    printed.map_err(|e| Failure::from_error(Cause::Failed, "writing the result", &e))?;
    match findings.iter().filter(|finding| finding.state == State::Missing).count() {
        0 => Ok(()),
        1 => Err(Failure::new(Cause::Failed, "1 thing is missing")),
        many => Err(Failure::new(Cause::Failed, format!("{many} things are missing"))),
    }
}

fn line(finding: &Finding) -> String {
    let (mark, style) = match finding.state {
        State::Ok => ("ok      ", GREEN),
        State::Optional => ("optional", YELLOW),
        State::Missing => ("missing ", RED),
    };
    let remedy = finding.remedy.iter().map(|remedy| format!("          {DIM}{remedy}{DIM:#}\n")).collect::<String>();
    format!("{style}{mark}{style:#}  {:<16}  {}\n{remedy}", finding.name, finding.found)
}
