//! How a version gets its requests in steps (`--auto`).

use clap::Args;
use mu_stack::HumanDuration;
use serde_json::{Value, json};

/// Steps and margins of a rollout; the node knows what is not given.
#[derive(Args, Debug)]
pub(crate) struct RolloutArgs {
    /// The steps, in percent, rising to 100 [default: 10,50,100]
    #[arg(long, value_name = "PERCENT", value_delimiter = ',', requires = "auto", value_parser = clap::value_parser!(u8).range(1..=100))]
    steps: Option<Vec<u8>>,
    /// How long a step lasts at least [default: 1m]
    #[arg(long, value_name = "TIME", requires = "auto")]
    interval: Option<HumanDuration>,
    /// How many requests the version has to answer in a step [default: 50]
    #[arg(long, value_name = "N", requires = "auto")]
    min_requests: Option<u64>,
    /// By how many percentage points more of its requests may fail than of the old version's [default: 1]
    #[arg(long, value_name = "POINTS", requires = "auto", value_parser = number)]
    error_margin: Option<f64>,
    /// How many times the old version's 95th percentile of latency its own may be [default: 1.5]
    #[arg(long, value_name = "FACTOR", requires = "auto", value_parser = number)]
    p95_factor: Option<f64>,
}

impl RolloutArgs {
    /// What the node is told.
    pub(crate) fn order(&self) -> Value {
        let mut order = json!({});
        if let Some(steps) = &self.steps {
            order["steps"] = json!(steps);
        }
        if let Some(interval) = self.interval {
            order["interval_s"] = json!(interval.duration().as_secs().max(1));
        }
        if let Some(requests) = self.min_requests {
            order["min_requests"] = json!(requests);
        }
        if let Some(points) = self.error_margin {
            order["error_margin_percent"] = json!(points);
        }
        if let Some(factor) = self.p95_factor {
            order["p95_factor"] = json!(factor);
        }
        order
    }
}

/// A number that JSON has; the node says which ones it takes.
fn number(text: &str) -> Result<f64, &'static str> {
    text.parse().ok().filter(|number: &f64| number.is_finite()).ok_or("a number is written like 1.5")
}
