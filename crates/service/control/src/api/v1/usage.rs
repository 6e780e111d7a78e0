//! What a stack has used.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::{StackPath, found};
use crate::access::Action;
use crate::api::Control;
use crate::api::error::ApiError;
use crate::api::front::Caller;
use crate::api::input::{At, Output, Params};
use crate::usage::{Counts, Day};

pub(super) fn router() -> OpenApiRouter<Arc<Control>> {
    OpenApiRouter::new().routes(routes!(show))
}

/// What was used, in the units that are billed.
#[derive(Debug, Default, Serialize, ToSchema)]
struct UsageView {
    /// Calls that ran.
    invocations: u64,
    /// Those among them that ended without a response.
    failures: u64,
    /// Calls that found no room.
    rejections: u64,
    /// Instructions executed.
    instructions: u64,
    /// Megabyte-instructions, exactly: a decimal number as text.
    megabyte_instructions: String,
    /// Requests to gateways and public boxes.
    gateway_requests: u64,
    /// Their bytes, and those of their answers.
    gateway_traffic_bytes: u64,
    /// Rows read.
    db_reads: u64,
    /// Rows written; atomic writes count twice.
    db_writes: u64,
    /// Objects read.
    storage_reads: u64,
    /// Objects written.
    storage_writes: u64,
    /// Their bytes.
    storage_read_bytes: u64,
    /// Their bytes.
    storage_written_bytes: u64,
}

/// What a stack has used.
#[derive(Debug, Serialize, ToSchema)]
struct StackUsageView {
    /// The first day (UTC), when days were asked for.
    since: Option<String>,
    /// The last day (UTC), when days were asked for.
    until: Option<String>,
    /// All of it.
    total: UsageView,
    /// What its functions have used.
    functions: BTreeMap<String, UsageView>,
}

#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct UsageQuery {
    /// The first day (UTC), as `2026-11-01`; without any day, everything since the stack exists.
    #[param(min_length = 10, max_length = 10, pattern = "^[0-9]{4}-[0-9]{2}-[0-9]{2}$")]
    since: Option<String>,
    /// The last day (UTC); without it, today.
    #[param(min_length = 10, max_length = 10, pattern = "^[0-9]{4}-[0-9]{2}-[0-9]{2}$")]
    until: Option<String>,
}

/// Show what a stack has used, about a second ago
#[utoipa::path(get, path = "/v1/stacks/{stack}/usage", tag = "usage", params(StackPath, UsageQuery), responses((status = 200, body = StackUsageView)))]
async fn show(
    State(control): State<Arc<Control>>,
    caller: Caller,
    At(path): At<StackPath>,
    Params(query): Params<UsageQuery>,
) -> Result<Output<StackUsageView>, ApiError> {
    let stack = found(&control, &caller, &path.stack, Action::ReadUsage).await?;
    let day = |name: &str, text: &Option<String>| {
        let parsed = text.as_deref().map(str::parse::<Day>).transpose();
        parsed.map_err(|e| ApiError::invalid(format!("`{name}`: {e}")))
    };
    let (since, until) = (day("since", &query.since)?, day("until", &query.until)?);
    let until = until.or_else(|| since.map(|_| Day::of(control.env.now())));
    let used = match (since, until) {
        (Some(since), Some(until)) if since <= until => control.usage.of_days(&stack.id, since..=until).await?,
        (Some(_), _) => return Err(ApiError::invalid("`since` is later than `until`")),
        (None, Some(_)) => return Err(ApiError::invalid("`until` needs `since`")),
        (None, None) => control.usage.totals(&stack.id).await?,
    };
    Ok(Output(StackUsageView {
        since: since.map(|day| day.to_string()),
        until: until.map(|day| day.to_string()),
        total: UsageView::new(&used.total()),
        functions: used.functions.iter().map(|(name, counts)| (name.clone(), UsageView::new(counts))).collect(),
    }))
}

impl UsageView {
    fn new(counts: &Counts) -> Self {
        let used = &counts.usage;
        Self {
            invocations: counts.invocations,
            failures: counts.failures,
            rejections: counts.rejections,
            instructions: used.instructions,
            megabyte_instructions: used.megabyte_instructions().to_string(),
            gateway_requests: used.gateway_requests,
            gateway_traffic_bytes: used.gateway_traffic_bytes,
            db_reads: used.db_reads,
            db_writes: used.db_writes,
            storage_reads: used.storage_reads,
            storage_writes: used.storage_writes,
            storage_read_bytes: used.storage_read_bytes,
            storage_written_bytes: used.storage_written_bytes,
        }
    }
}
