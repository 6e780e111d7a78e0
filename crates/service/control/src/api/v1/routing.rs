//! Which versions are served, with which shares.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::stacks::{WeightView, version_number, weights};
use super::{StackPath, found};
use crate::access::Action;
use crate::api::Control;
use crate::api::error::ApiError;
use crate::api::front::Caller;
use crate::api::input::{At, Input, Output};
use crate::catalog::{Routing, RoutingChange, RoutingRecord, VersionNumber, Weight};
use crate::rollout::{Rollout, RolloutConfig};

pub(super) fn router() -> OpenApiRouter<Arc<Control>> {
    OpenApiRouter::new().routes(routes!(show, change)).routes(routes!(roll_back))
}

/// The routing of a stack.
#[derive(Debug, Serialize, ToSchema)]
struct RoutingView {
    /// Counts the changes; 0 before the first one.
    revision: u64,
    /// The versions that are served.
    weights: Vec<WeightView>,
    /// How the shares go on changing by themselves.
    rollout: Option<RolloutView>,
    /// The last routings, newest first, this one included.
    history: Vec<FormerView>,
}

/// A rollout under way.
#[derive(Debug, Serialize, ToSchema)]
struct RolloutView {
    /// The version that gets more and more.
    version: u64,
    /// Its share at present.
    percent: u8,
}

/// A routing, present or former.
#[derive(Debug, Serialize, ToSchema)]
struct FormerView {
    /// Its revision.
    revision: u64,
    /// The versions that were served.
    weights: Vec<WeightView>,
    /// Since when.
    #[schema(format = DateTime)]
    since: String,
    /// Who set it.
    by: String,
    /// Why.
    why: String,
}

/// How to serve from now on.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ChangeRouting {
    /// The versions with their shares, which add up to 100. With `auto`, the one version that is to get all in the end.
    #[schema(min_items = 1, max_items = 4)]
    weights: Vec<WeightView>,
    /// The revision that this is to replace; when it is another one meanwhile, the answer is 409.
    revision: Option<u64>,
    /// Give the version its share in steps, and take it back when it does worse than the one before.
    auto: Option<AutoView>,
}

/// How a version gets its share by itself.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
struct AutoView {
    /// Shares, in percent, rising to 100.
    #[schema(max_items = 20)]
    steps: Option<Vec<u8>>,
    /// How long each step lasts at least, in seconds.
    interval_s: Option<u64>,
    /// How many requests the version has to have answered in a step.
    min_requests: Option<u64>,
    /// By how many percentage points more of its requests may fail than of the old version's.
    #[schema(minimum = 0, maximum = 100)]
    error_margin_percent: Option<f64>,
    /// How many times the old version's 95th percentile of latency its own may be; 10 ms more are always fine.
    #[schema(minimum = 1, maximum = 100)]
    p95_factor: Option<f64>,
}

/// Where to go back to.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
struct RollBack {
    /// The version; without it, the one that was served before.
    #[schema(minimum = 1)]
    to: Option<u64>,
}

/// Show which versions are served
#[utoipa::path(get, path = "/v1/stacks/{stack}/routing", tag = "routing", params(StackPath), responses((status = 200, body = RoutingView)))]
async fn show(
    State(control): State<Arc<Control>>,
    caller: Caller,
    At(path): At<StackPath>,
) -> Result<Output<RoutingView>, ApiError> {
    let stack = found(&control, &caller, &path.stack, Action::ReadStack).await?;
    view(&control, &stack.id).await
}

/// Change which versions are served
#[utoipa::path(put, path = "/v1/stacks/{stack}/routing", tag = "routing", params(StackPath), request_body = ChangeRouting, responses((status = 200, body = RoutingView)))]
async fn change(
    State(control): State<Arc<Control>>,
    caller: Caller,
    At(path): At<StackPath>,
    Input(input): Input<ChangeRouting>,
) -> Result<Output<RoutingView>, ApiError> {
    let stack = found(&control, &caller, &path.stack, Action::RouteStack).await?;
    let target = routing(&input.weights)?;
    caller.to(target.to_string());
    let present = control.catalog.routing(&stack.id).await?;
    let (routing, rollout) = match &input.auto {
        None => (target, None),
        Some(auto) => {
            let (routing, rollout) = begin_rollout(&control, auto, &target, present.as_ref())?;
            (routing, Some(rollout))
        }
    };
    let expected_revision = match (&rollout, input.revision) {
        (_, Some(revision)) => Some(revision),
        // A rollout begins at the routing that it was worked out from.
        (Some(_), None) => present.map(|present| present.revision),
        (None, None) => None,
    };
    let (by, why) = (caller.principal(), "routed".to_owned());
    let change = RoutingChange { routing, expected_revision, rollout, by, why };
    control.prepare(&stack.id, &change.routing).await?;
    control.route(&stack.id, &change).await?;
    control.serve(&stack.id).await?;
    view(&control, &stack.id).await
}

/// Go back to the version that was served before, or to another one
#[utoipa::path(post, path = "/v1/stacks/{stack}/rollback", tag = "routing", params(StackPath), request_body = RollBack, responses((status = 200, body = RoutingView)))]
async fn roll_back(
    State(control): State<Arc<Control>>,
    caller: Caller,
    At(path): At<StackPath>,
    Input(input): Input<RollBack>,
) -> Result<Output<RoutingView>, ApiError> {
    let stack = found(&control, &caller, &path.stack, Action::RouteStack).await?;
    let (by, why) = (caller.principal(), "rolled back");
    let record = match input.to {
        Some(number) => {
            let number = version_number(number)?;
            control.prepare(&stack.id, &Routing::only(number)).await?;
            control.catalog.activate(&stack.id, number, None, &by, why).await?
        }
        None => {
            let former = control.catalog.former_version(&stack.id).await?;
            control.prepare(&stack.id, &Routing::only(former)).await?;
            control.catalog.roll_back(&stack.id, &by, why).await?
        }
    };
    caller.to(record.routing.to_string());
    control.serve(&stack.id).await?;
    view(&control, &stack.id).await
}

async fn view(control: &Control, stack: &mu_stack::StackId) -> Result<Output<RoutingView>, ApiError> {
    let present = control.catalog.routing(stack).await?;
    let history = control.catalog.routing_history(stack).await?;
    let rollout = present.as_ref().and_then(|present| present.rollout.as_ref());
    Ok(Output(RoutingView {
        revision: present.as_ref().map_or(0, |present| present.revision),
        weights: weights(present.as_ref()),
        rollout: rollout.map(|rollout| RolloutView { version: rollout.new.get(), percent: rollout.percent() }),
        history: history.iter().map(FormerView::new).collect(),
    }))
}

fn routing(views: &[WeightView]) -> Result<Routing, ApiError> {
    let weight = |view: &WeightView| Ok(Weight { version: version_number(view.version)?, percent: view.weight });
    let weights = views.iter().map(weight).collect::<Result<Vec<_>, ApiError>>()?;
    Routing::new(weights).map_err(|e| ApiError::invalid(format!("`weights`: {e}")))
}

/// The first step from the version that is served to another one.
fn begin_rollout(
    control: &Control,
    auto: &AutoView,
    target: &Routing,
    present: Option<&RoutingRecord>,
) -> Result<(Routing, Rollout), ApiError> {
    let to = target.sole_version().ok_or_else(|| ApiError::invalid("with `auto`, one version gets all in the end"))?;
    let from: Option<VersionNumber> = present.and_then(|present| present.routing.sole_version());
    let from = from.filter(|from| *from != to).ok_or_else(|| {
        ApiError::conflict("a rollout begins when one other version gets all requests: route to one first")
    })?;
    let config = config(auto).map_err(|e| ApiError::invalid(format!("`auto`: {e}")))?;
    let (rollout, _) = Rollout::start(config, from, to, control.env.now());
    let routing = Routing::split(to, rollout.percent(), from);
    Ok((routing, rollout))
}

fn config(auto: &AutoView) -> Result<RolloutConfig, crate::rollout::InvalidRollout> {
    let mut config = RolloutConfig::new();
    if let Some(steps) = &auto.steps {
        config = config.with_steps(steps.clone())?;
    }
    if let Some(seconds) = auto.interval_s {
        config = config.with_interval(Duration::from_secs(seconds))?;
    }
    if let Some(requests) = auto.min_requests {
        config = config.with_requests_min(requests);
    }
    if let Some(percent) = auto.error_margin_percent {
        config = config.with_failures_margin_permille(scaled(percent, 10.0))?;
    }
    if let Some(factor) = auto.p95_factor {
        config = config.with_latency_factor_percent(scaled(factor, 100.0))?;
    }
    Ok(config)
}

/// A number of a client in smaller units; what is no number, or out of all bounds, is refused by its range.
fn scaled(number: f64, units: f64) -> u32 {
    let scaled = (number * units).round();
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "within the range of the type")]
    if scaled >= 0.0 && scaled <= f64::from(u32::MAX) { scaled as u32 } else { u32::MAX }
}

impl FormerView {
    fn new(record: &RoutingRecord) -> Self {
        Self {
            revision: record.revision,
            weights: weights(Some(record)),
            since: record.since.to_string(),
            by: record.by.clone(),
            why: record.why.clone(),
        }
    }
}
