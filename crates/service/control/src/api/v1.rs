//! `/v1`: the management API.

mod artifacts;
mod audit;
pub(super) mod config;
mod domains;
mod grants;
pub(super) mod invoke;
mod logs;
mod members;
mod node;
mod quota;
mod routing;
mod secrets;
pub(super) mod stacks;
mod tokens;
mod usage;
mod versions;

use std::sync::Arc;

use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;

use super::Control;
use super::error::{ApiError, shown};
use super::front::Caller;
use crate::access::{AccessError, Action};
use crate::catalog::{StackRecord, StackRef};

/// All resources.
pub(super) fn router() -> OpenApiRouter<Arc<Control>> {
    [
        node::router(),
        members::router(),
        tokens::router(),
        stacks::router(),
        artifacts::router(),
        versions::router(),
        routing::router(),
        config::router(),
        grants::router(),
        secrets::router(),
        domains::router(),
        logs::router(),
        usage::router(),
        quota::router(),
        audit::router(),
        invoke::router(),
    ]
    .into_iter()
    .fold(OpenApiRouter::new(), OpenApiRouter::merge)
}

/// The stack in a path.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
struct StackPath {
    /// The stack's id or name.
    #[param(min_length = 1, max_length = 255, pattern = "^[A-Za-z0-9_-]+$")]
    stack: String,
}

/// The stack that a path names, for a caller who may do this to it. For others it is as unknown as one that does not
/// exist.
async fn found(control: &Control, caller: &Caller, stack: &str, action: Action) -> Result<StackRecord, ApiError> {
    let unknown = || {
        let message = format!("there is no stack `{}` that you may see: `mu stack list` shows them", shown(stack));
        ApiError::not_found(message).code("unknown_stack")
    };
    let record = match stack.parse::<StackRef>() {
        Ok(reference) => control.catalog.stack(&reference).await.map_err(ApiError::from),
        Err(_) => Err(unknown()),
    };
    let record = match record {
        Ok(record) => record,
        Err(error) if error.is_not_found() => {
            caller.does(action, None);
            // Nobody in particular is told the same of all stacks.
            return Err(if caller.who.subject.is_nobody() {
                AccessError::Unauthenticated { action }.into()
            } else {
                unknown()
            });
        }
        Err(error) => return Err(error),
    };
    match control.allow(caller, action, Some(record.id)).await {
        Err(error) if error.is_not_found() => Err(unknown()),
        Err(error) => Err(error),
        Ok(()) => Ok(record),
    }
}
