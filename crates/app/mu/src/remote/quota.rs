//! `mu quota`: how much a stack, or a client with all of its stacks, may use.

use clap::{Args, Subcommand};
use http::Method;
use mu_control::access::Principal;
use mu_stack::{ByteSize, Instructions};
use serde_json::{Value, json};

use super::{OnStack, Remote};
use crate::client::{Call, Client, path};
use crate::failure::{Cause, Failure};
use crate::output::{Output, OutputArgs};

/// What is answered beside the limits that were set: those that apply.
const SET: &str = "set";
const EFFECTIVE: &str = "effective";

/// Show or set how much a stack, or a client with all of its stacks, may use
#[derive(Args, Debug)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// Show what was set, and what applies with the node's defaults
    Show {
        #[command(flatten)]
        of: Of,
        #[command(flatten)]
        output: OutputArgs,
    },
    /// Set limits, for operators; others stay
    ///
    /// Each is a number, or `none`: the node's default applies then.
    Set {
        #[command(flatten)]
        of: Of,
        #[command(flatten)]
        limits: Box<Limits>,
        #[command(flatten)]
        output: OutputArgs,
    },
}

/// Whose quota.
#[derive(Args, Debug)]
struct Of {
    /// Of which stack: its name or id [default: the name in mu.yaml here or above]
    stack: Option<String>,
    /// Of a client instead of a stack: k_… for a key, oidc:ISSUER:SUBJECT for a user of an issuer
    #[arg(long, value_name = "PRINCIPAL", conflicts_with = "stack")]
    client: Option<Principal>,
    #[command(flatten)]
    remote: Remote,
}

/// The limits to change.
#[derive(Args, Debug)]
struct Limits {
    /// Calls per second
    #[arg(long, value_name = "N", value_parser = whole)]
    invocations_per_second: Option<Limit>,
    /// Calls at the same time
    #[arg(long, value_name = "N", value_parser = whole)]
    concurrent_invocations: Option<Limit>,
    /// Instructions per day (UTC), like 500G
    #[arg(long, value_name = "N", value_parser = instructions)]
    instructions_per_day: Option<Limit>,
    /// Size of all tables, like 1GiB
    #[arg(long, value_name = "SIZE", value_parser = size)]
    table_bytes: Option<Limit>,
    /// Size of all boxes, like 10GiB
    #[arg(long, value_name = "SIZE", value_parser = size)]
    box_bytes: Option<Limit>,
    /// Requests of a client to the management API per second
    #[arg(long, value_name = "N", value_parser = whole, requires = "client")]
    requests_per_second: Option<Limit>,
}

/// A number, or nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Limit {
    None,
    AtMost(u64),
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    match &arguments.command {
        Command::Show { of, output } => {
            let (client, at) = of.connect()?;
            print(&client.get(at)?, *output)
        }
        Command::Set { of, limits, output } => {
            let changes = limits.given();
            if changes.is_empty() {
                return Err(Failure::new(Cause::Failed, "no limit is given").hint("`mu quota set --help` shows them"));
            }
            let (client, at) = of.connect()?;
            let order = changed(&client.get(at.as_str())?, &changes);
            print(&client.ask(&Call::order(Method::PUT, at, &order))?, *output)
        }
    }
}

impl Of {
    /// What asks the node, and the path of the quota.
    fn connect(&self) -> Result<(Client, String), Failure> {
        if let Some(client) = &self.client {
            return Ok((self.remote.connect()?, path(&["members", &client.to_string(), "quota"])));
        }
        let stack = OnStack { stack: self.stack.clone(), remote: self.remote.clone() };
        let (client, stack) = stack.connect()?;
        Ok((client, path(&["stacks", &stack, "quota"])))
    }
}

impl Limits {
    fn given(&self) -> Vec<(&'static str, Limit)> {
        let all = [
            ("invocations_per_second", self.invocations_per_second),
            ("concurrent_invocations", self.concurrent_invocations),
            ("instructions_per_day", self.instructions_per_day),
            ("table_bytes", self.table_bytes),
            ("box_bytes", self.box_bytes),
            ("requests_per_second", self.requests_per_second),
        ];
        all.into_iter().filter_map(|(name, limit)| Some((name, limit?))).collect()
    }
}

/// The quota with some of its limits changed: the node takes all of them at once.
fn changed(quota: &Value, changes: &[(&str, Limit)]) -> Value {
    let mut quota = quota[SET].as_object().cloned().unwrap_or_default();
    for (name, limit) in changes {
        let limit = match limit {
            Limit::None => Value::Null,
            Limit::AtMost(number) => json!(number),
        };
        quota.insert((*name).to_owned(), limit);
    }
    Value::Object(quota)
}

fn print(quota: &Value, output: OutputArgs) -> Result<(), Failure> {
    if output.output == Output::Json {
        return output.output.text(quota, "");
    }
    output.output.list(&rows(quota), ["LIMIT", "SET", "APPLIES"], |row: [String; 3]| row)
}

fn rows(quota: &Value) -> Vec<Value> {
    let shown = |limit: &Value, nothing: &str| if limit.is_null() { nothing.to_owned() } else { limit.to_string() };
    let limits = quota[SET].as_object().into_iter().flatten();
    let row = |(name, limit): (&String, &Value)| {
        json!([name, shown(limit, "none"), shown(&quota[EFFECTIVE][name], "unlimited")])
    };
    limits.map(row).collect()
}

fn limit(text: &str, read: impl FnOnce(&str) -> Result<u64, String>) -> Result<Limit, String> {
    if text == "none" { Ok(Limit::None) } else { read(text).map(Limit::AtMost) }
}

fn whole(text: &str) -> Result<Limit, String> {
    limit(text, |text| text.parse().map_err(|_| "write a whole number, or `none`".to_owned()))
}

fn instructions(text: &str) -> Result<Limit, String> {
    limit(text, |text| text.parse::<Instructions>().map(Instructions::count).map_err(|e| e.to_string()))
}

fn size(text: &str) -> Result<Limit, String> {
    limit(text, |text| text.parse::<ByteSize>().map(ByteSize::bytes).map_err(|e| e.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_numbers_or_none() {
        for (read, expected) in [
            (whole("10"), Ok(Limit::AtMost(10))),
            (whole("none"), Ok(Limit::None)),
            (size("1GiB"), Ok(Limit::AtMost(1 << 30))),
            (instructions("500G"), Ok(Limit::AtMost(500_000_000_000))),
        ] {
            assert_eq!(read, expected);
        }
        assert!(whole("-1").is_err() && size("big").is_err());
    }

    #[test]
    fn what_is_not_given_stays() {
        let before = json!({"set": {"table_bytes": 5, "box_bytes": 6, "of_later": 7}, "effective": {"table_bytes": 5}});
        let after = changed(&before, &[("table_bytes", Limit::None), ("invocations_per_second", Limit::AtMost(3))]);
        assert_eq!(after, json!({"table_bytes": null, "box_bytes": 6, "of_later": 7, "invocations_per_second": 3}));
    }

    #[test]
    fn what_was_set_stands_beside_what_applies() {
        let quota = json!({
            "set": {"box_bytes": null, "invocations_per_second": null, "table_bytes": 5},
            "effective": {"box_bytes": 6, "invocations_per_second": null, "table_bytes": 5},
        });
        let expected = [
            json!(["box_bytes", "none", "6"]),
            json!(["invocations_per_second", "none", "unlimited"]),
            json!(["table_bytes", "5", "5"]),
        ];
        assert_eq!(rows(&quota), expected);
    }
}
