//! `mu quota`: how much a stack or a member may use.

use clap::{Args, Subcommand};
use http::Method;
use mu_control::access::Principal;
use mu_stack::{ByteSize, Instructions};
use serde_json::{Map, Value, json};

use super::OnStack;
use crate::client::{Call, Client, path};
use crate::failure::{Cause, Failure};
use crate::output::{Output, OutputArgs};

/// Show or set how much a stack, or a member, may use
#[derive(Args, Debug)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// Show the quotas
    Show {
        #[command(flatten)]
        of: Of,
        #[command(flatten)]
        output: OutputArgs,
    },
    /// Set quotas, for operators; others stay
    ///
    /// Each is a number, or `none` for no limit.
    Set {
        /// Calls per second
        #[arg(long, value_name = "N", value_parser = whole)]
        invocations_per_second: Option<Quota>,
        /// Calls at the same time
        #[arg(long, value_name = "N", value_parser = whole)]
        concurrent_invocations: Option<Quota>,
        /// Instructions per day (UTC), like 500G
        #[arg(long, value_name = "N", value_parser = instructions)]
        instructions_per_day: Option<Quota>,
        /// Size of all tables, like 1GiB
        #[arg(long, value_name = "SIZE", value_parser = size)]
        table_bytes: Option<Quota>,
        /// Size of all boxes, like 10GiB
        #[arg(long, value_name = "SIZE", value_parser = size)]
        box_bytes: Option<Quota>,
        /// Requests to the management API per second, of a member
        #[arg(long, value_name = "N", value_parser = whole, requires = "member")]
        requests_per_second: Option<Quota>,
        #[command(flatten)]
        of: Of,
        #[command(flatten)]
        output: OutputArgs,
    },
}

/// Whose quotas.
#[derive(Args, Debug)]
struct Of {
    /// Those of a member instead of a stack: k_… for a key, oidc:ISSUER:SUBJECT for a user of an issuer
    #[arg(long, value_name = "PRINCIPAL", conflicts_with = "stack")]
    member: Option<Principal>,
    #[command(flatten)]
    stack: OnStack,
}

/// A quota: a number, or no limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Quota {
    None,
    AtMost(u64),
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    match &arguments.command {
        Command::Show { of, output } => {
            let (client, at) = of.connect()?;
            print(&client.get(at)?, *output)
        }
        Command::Set {
            invocations_per_second,
            concurrent_invocations,
            instructions_per_day,
            table_bytes,
            box_bytes,
            requests_per_second,
            of,
            output,
        } => {
            let given = [
                ("invocations_per_second", invocations_per_second),
                ("concurrent_invocations", concurrent_invocations),
                ("instructions_per_day", instructions_per_day),
                ("table_bytes", table_bytes),
                ("box_bytes", box_bytes),
                ("requests_per_second", requests_per_second),
            ];
            let changes: Vec<(&str, Quota)> =
                given.into_iter().filter_map(|(name, quota)| quota.map(|quota| (name, quota))).collect();
            if changes.is_empty() {
                return Err(Failure::new(Cause::Failed, "no quota is given").hint("`mu quota set --help` shows them"));
            }
            let (client, at) = of.connect()?;
            let order = changed(client.get(at.as_str())?, &changes);
            print(&client.ask(&Call::order(Method::PUT, at, &order))?, *output)
        }
    }
}

impl Of {
    /// What asks the node, and the path of the quotas.
    fn connect(&self) -> Result<(Client, String), Failure> {
        match &self.member {
            Some(member) => Ok((self.stack.remote.connect()?, path(&["members", &member.to_string(), "quota"]))),
            None => {
                let (client, stack) = self.stack.connect()?;
                Ok((client, path(&["stacks", &stack, "quota"])))
            }
        }
    }
}

/// The quotas with some of them changed: the node takes all of them at once.
fn changed(quotas: Value, changes: &[(&str, Quota)]) -> Value {
    let mut quotas = if let Value::Object(quotas) = quotas { quotas } else { Map::new() };
    for (name, quota) in changes {
        let quota = match quota {
            Quota::None => Value::Null,
            Quota::AtMost(number) => json!(number),
        };
        quotas.insert((*name).to_owned(), quota);
    }
    Value::Object(quotas)
}

fn print(quotas: &Value, output: OutputArgs) -> Result<(), Failure> {
    if output.output == Output::Json {
        return output.output.text(quotas, "");
    }
    let quotas = quotas.as_object().cloned().unwrap_or_default();
    let rows: Vec<Value> = quotas.into_iter().map(|(name, quota)| json!([name, quota])).collect();
    output.output.list(&rows, ["QUOTA", "AT MOST"], |(name, quota): (String, Value)| {
        [name, if quota.is_null() { "none".to_owned() } else { quota.to_string() }]
    })
}

fn quota(text: &str, read: impl FnOnce(&str) -> Result<u64, String>) -> Result<Quota, String> {
    if text == "none" { Ok(Quota::None) } else { read(text).map(Quota::AtMost) }
}

fn whole(text: &str) -> Result<Quota, String> {
    quota(text, |text| text.parse().map_err(|_| "write a whole number, or `none`".to_owned()))
}

fn instructions(text: &str) -> Result<Quota, String> {
    quota(text, |text| text.parse::<Instructions>().map(Instructions::count).map_err(|e| e.to_string()))
}

fn size(text: &str) -> Result<Quota, String> {
    quota(text, |text| text.parse::<ByteSize>().map(ByteSize::bytes).map_err(|e| e.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotas_are_numbers_or_none() {
        for (read, expected) in [
            (whole("10"), Ok(Quota::AtMost(10))),
            (whole("none"), Ok(Quota::None)),
            (size("1GiB"), Ok(Quota::AtMost(1 << 30))),
            (instructions("500G"), Ok(Quota::AtMost(500_000_000_000))),
        ] {
            assert_eq!(read, expected);
        }
        assert!(whole("-1").is_err() && size("big").is_err());
    }

    #[test]
    fn what_is_not_given_stays() {
        let before = json!({"table_bytes": 5, "box_bytes": 6, "of_later": 7});
        let after = changed(before, &[("table_bytes", Quota::None), ("invocations_per_second", Quota::AtMost(3))]);
        assert_eq!(after, json!({"table_bytes": null, "box_bytes": 6, "of_later": 7, "invocations_per_second": 3}));
    }
}
