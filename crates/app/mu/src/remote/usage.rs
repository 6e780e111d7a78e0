//! `mu usage`: what a stack has used.

use std::collections::BTreeMap;

use clap::Args;
use serde::Deserialize;
use serde_json::{Value, json};

use super::OnStack;
use crate::client::{Call, path};
use crate::failure::Failure;
use crate::output::{Output, OutputArgs, view};
use crate::report::with_unit;

/// Show what a stack has used, by function
#[derive(Args, Debug)]
pub(crate) struct Arguments {
    /// From this day on (UTC), like 2026-11-01 [default: all that was ever used]
    #[arg(long, value_name = "DAY")]
    since: Option<String>,
    /// Up to and including this day [default: today]
    #[arg(long, value_name = "DAY", requires = "since")]
    until: Option<String>,
    #[command(flatten)]
    stack: OnStack,
    #[command(flatten)]
    output: OutputArgs,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct StackUsage {
    total: UsageView,
    functions: BTreeMap<String, UsageView>,
    gateway: Option<UsageView>,
}

/// Counters; one that the node does not have is 0.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct UsageView {
    invocations: u64,
    failures: u64,
    rejections: u64,
    instructions: u64,
    /// A number in decimal, as text: it may be larger than what JSON's readers keep.
    megabyte_instructions: Value,
    gateway_requests: u64,
    gateway_traffic_bytes: u64,
    db_reads: u64,
    db_writes: u64,
    storage_reads: u64,
    storage_writes: u64,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let (client, stack) = arguments.stack.connect()?;
    let query = [("since", arguments.since.as_deref()), ("until", arguments.until.as_deref())];
    let usage: Value = client.ask(&Call::get(path(&["stacks", &stack, "usage"])).query(&query))?;
    if arguments.output.output == Output::Json {
        return arguments.output.output.text(&usage, "");
    }
    let heading =
        ["FUNCTION", "CALLS", "FAILED", "REFUSED", "INSTR", "MB-INSTR", "REQUESTS", "TRAFFIC", "DB R/W", "STORAGE R/W"];
    let rows: Vec<Value> = rows(view(&usage)?).into_iter().map(|row| json!(row)).collect();
    arguments.output.output.list(&rows, heading, |row: [String; 10]| row)
}

/// A row per function, and the sum.
fn rows(usage: StackUsage) -> Vec<[String; 10]> {
    let functions = usage.functions.into_iter();
    let gateway = usage.gateway.map(|usage| ("(gateway)".to_owned(), usage));
    let all = functions.chain(gateway).chain([("(total)".to_owned(), usage.total)]);
    all.map(|(name, usage)| usage.row(name)).collect()
}

impl UsageView {
    fn row(&self, name: String) -> [String; 10] {
        [
            name,
            count(self.invocations),
            count(self.failures),
            count(self.rejections),
            count(self.instructions),
            decimal(&self.megabyte_instructions),
            count(self.gateway_requests),
            count(self.gateway_traffic_bytes),
            format!("{}/{}", count(self.db_reads), count(self.db_writes)),
            format!("{}/{}", count(self.storage_reads), count(self.storage_writes)),
        ]
    }
}

fn count(number: u64) -> String {
    #[expect(clippy::cast_precision_loss, reason = "shown with three digits")]
    with_unit(number as f64)
}

fn decimal(number: &Value) -> String {
    let read = number.as_str().map_or_else(|| number.as_f64(), |text| text.parse().ok());
    with_unit(read.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_come_first_and_the_sum_last() {
        let usage = json!({
            "functions": {"cart": {"invocations": 1_200, "megabyte_instructions": "3000000.5", "db_reads": 2}},
            "gateway": {"gateway_traffic_bytes": 5_000_000},
            "total": {"invocations": 1_200, "something_of_later": {}},
        });
        let rows: Vec<String> = rows(view(&usage).unwrap()).iter().map(|row| row.join(" ")).collect();
        assert_eq!(
            rows,
            [
                "cart 1.20k 0 0 0 3.00M 0 0 2/0 0/0",
                "(gateway) 0 0 0 0 0 0 5.00M 0/0 0/0",
                "(total) 1.20k 0 0 0 0 0 0 0/0 0/0",
            ]
        );
    }
}
