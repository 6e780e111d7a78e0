//! Which versions of a stack are served.

use clap::Args;
use http::Method;
use serde::Deserialize;
use serde_json::{Value, json};

use super::super::OnStack;
use super::super::rollout::RolloutArgs;
use super::super::version_number::{VersionNumber, Weight, Weights, shares};
use crate::client::{Call, path};
use crate::failure::Failure;
use crate::output::{OutputArgs, short_time};

/// Former routings that are shown.
const HISTORY_SHOWN: usize = 10;

/// Choose which versions are served, or show it
///
/// With --auto the version gets its requests in steps (10, 50 and 100 percent, a minute each), and they go back to the
/// one before as soon as it fails more often or is slower.
#[derive(Args, Debug)]
pub(crate) struct RouteArguments {
    /// The shares of versions, in percent, like v3=90,v4=10
    #[arg(long, value_name = "SHARES", conflicts_with = "to")]
    weight: Option<Weights>,
    /// The one version to serve
    #[arg(long, value_name = "VERSION")]
    to: Option<VersionNumber>,
    /// Go there in steps
    #[arg(long, requires = "to")]
    auto: bool,
    #[command(flatten)]
    rollout: RolloutArgs,
    /// Only if the routing has this revision still
    #[arg(long, value_name = "N")]
    revision: Option<u64>,
    #[command(flatten)]
    stack: OnStack,
    #[command(flatten)]
    output: OutputArgs,
}

#[derive(Debug, Deserialize)]
struct RoutingView {
    #[serde(default)]
    revision: u64,
    weights: Vec<Weight>,
    rollout: Option<RolloutView>,
    #[serde(default)]
    history: Vec<FormerView>,
}

#[derive(Debug, Deserialize)]
struct RolloutView {
    version: VersionNumber,
    percent: u8,
}

#[derive(Debug, Deserialize)]
struct FormerView {
    #[serde(default)]
    revision: u64,
    weights: Vec<Weight>,
    #[serde(default)]
    since: String,
    #[serde(default)]
    by: String,
    #[serde(default)]
    why: String,
}

pub(super) fn run(arguments: &RouteArguments) -> Result<(), Failure> {
    let (client, stack) = arguments.stack.connect()?;
    let at = path(&["stacks", &stack, "routing"]);
    let routing = match arguments.order() {
        Some(order) => client.ask(&Call::order(Method::PUT, at, &order))?,
        None => client.get(at)?,
    };
    print(&stack, &routing, arguments.output)
}

impl RouteArguments {
    /// What the node is told; nothing when it is only asked.
    fn order(&self) -> Option<Value> {
        let weights = self.weight.clone().or(self.to.map(Weights::all_to))?;
        let mut order = json!({"weights": weights.0});
        if let Some(revision) = self.revision {
            order["revision"] = json!(revision);
        }
        if self.auto {
            order["auto"] = self.rollout.order();
        }
        Some(order)
    }
}

pub(super) fn print(stack: &str, routing: &Value, output: OutputArgs) -> Result<(), Failure> {
    output.output.record(routing, |routing: RoutingView| {
        let mut fields = vec![
            ("stack", stack.to_owned()),
            ("served", shares(&routing.weights)),
            ("revision", routing.revision.to_string()),
        ];
        if let Some(rollout) = routing.rollout {
            fields.push(("rollout", format!("to {}, which has {}% now", rollout.version, rollout.percent)));
        }
        let before = routing.history.iter().filter(|former| former.revision != routing.revision).take(HISTORY_SHOWN);
        let before = before.map(|former| {
            format!("{}  {}  {} by {}", short_time(&former.since), shares(&former.weights), former.why, former.by)
        });
        fields.push(("before", before.collect::<Vec<_>>().join("\n")));
        fields
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(arguments: &[&str]) -> Result<Option<Value>, clap::error::ErrorKind> {
        #[derive(clap::Parser)]
        struct Only {
            #[command(flatten)]
            arguments: RouteArguments,
        }
        let parsed = <Only as clap::Parser>::try_parse_from([&["route"], arguments].concat());
        parsed.map(|only| only.arguments.order()).map_err(|e| e.kind())
    }

    #[test]
    fn shares_become_an_order() {
        use clap::error::ErrorKind;
        let weights = |pairs: &[(u64, u8)]| -> Value {
            pairs.iter().map(|(version, weight)| json!({"version": version, "weight": weight})).collect()
        };
        for (arguments, expected) in [
            (&[][..], Ok(None)),
            (&["--weight", "v3=90,v4=10"], Ok(Some(json!({"weights": weights(&[(3, 90), (4, 10)])})))),
            (&["--to", "4", "--revision", "7"], Ok(Some(json!({"weights": weights(&[(4, 100)]), "revision": 7})))),
            (&["--to", "v4", "--auto"], Ok(Some(json!({"weights": weights(&[(4, 100)]), "auto": {}})))),
            (
                &["--to", "v4", "--auto", "--steps", "5,100", "--interval", "2m", "--min-requests", "9"],
                Ok(Some(json!({
                    "weights": weights(&[(4, 100)]),
                    "auto": {"steps": [5, 100], "interval_s": 120, "min_requests": 9},
                }))),
            ),
            (
                &["--to", "v4", "--auto", "--error-margin", "0.5", "--p95-factor", "2"],
                Ok(Some(json!({
                    "weights": weights(&[(4, 100)]),
                    "auto": {"error_margin_percent": 0.5, "p95_factor": 2.0},
                }))),
            ),
            (&["--to", "v4", "--auto", "--p95-factor", "nan"], Err(ErrorKind::ValueValidation)),
            (&["--auto"], Err(ErrorKind::MissingRequiredArgument)),
            (&["--to", "v4", "--steps", "5,100"], Err(ErrorKind::MissingRequiredArgument)),
            (&["--to", "v4", "--weight", "v4=100"], Err(ErrorKind::ArgumentConflict)),
            (&["--weight", "v4=99"], Err(ErrorKind::ValueValidation)),
        ] {
            assert_eq!(order(arguments), expected, "{arguments:?}");
        }
    }
}
