//! The versions of a stack.

use serde::Deserialize;

use super::super::OnStack;
use super::super::version_number::VersionNumber;
use crate::client::{Call, Limit, path};
use crate::failure::Failure;
use crate::output::{OutputArgs, short_time};
use crate::terminal::printable;

#[derive(Debug, Deserialize)]
struct VersionView {
    number: VersionNumber,
    #[serde(default)]
    declared: String,
    #[serde(default)]
    created_at: String,
    #[serde(default)]
    by: String,
    #[serde(default)]
    message: String,
    #[serde(default)]
    state: String,
    error: Option<String>,
    #[serde(default)]
    weight: u8,
}

#[derive(Debug, Deserialize)]
struct DiffView {
    text: String,
}

pub(super) fn list(stack: &OnStack, limit: Limit, output: OutputArgs) -> Result<(), Failure> {
    let (client, stack) = stack.connect()?;
    let versions = client.list(&path(&["stacks", &stack, "versions"]), &[], limit)?;
    let heading = ["VERSION", "DECLARED", "STATE", "SHARE", "CREATED", "BY", "MESSAGE"];
    output.output.list(&versions, heading, |version: VersionView| {
        let share = if version.weight > 0 { format!("{}%", version.weight) } else { "-".to_owned() };
        // Why it failed says more than what its author hoped for.
        let message =
            version.error.and_then(|error| error.lines().next().map(str::to_owned)).unwrap_or(version.message);
        let (number, created) = (version.number.to_string(), short_time(&version.created_at));
        [number, version.declared, version.state, share, created, version.by, message]
    })
}

pub(super) fn diff(stack: &OnStack, from: VersionNumber, to: VersionNumber, output: OutputArgs) -> Result<(), Failure> {
    let (client, stack) = stack.connect()?;
    let number = |version: VersionNumber| version.to_string().trim_start_matches('v').to_owned();
    let call = Call::get(path(&["stacks", &stack, "diff"]));
    let answer = client.ask(&call.query(&[("from", Some(&number(from))), ("to", Some(&number(to)))]))?;
    let text = crate::output::view::<DiffView>(&answer)?.text;
    let text: String = text.lines().map(|line| format!("{}\n", printable(line))).collect();
    output.output.text(&answer, &text)
}
