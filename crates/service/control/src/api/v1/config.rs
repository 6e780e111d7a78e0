//! The environment that a stack's functions get beside that of their manifest.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::{StackPath, found};
use crate::access::Action;
use crate::api::Control;
use crate::api::error::ApiError;
use crate::api::front::Caller;
use crate::api::input::{At, Input, Output};
use crate::catalog::{CatalogError, StackPatch, StackRecord};

pub(super) fn router() -> OpenApiRouter<Arc<Control>> {
    OpenApiRouter::new().routes(routes!(show, change))
}

/// Environment variables that all functions of a stack get, unless their own `env` sets them.
#[derive(Debug, Serialize, ToSchema)]
struct ConfigView {
    /// The variables.
    config: BTreeMap<String, String>,
}

/// Changes of the variables.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ChangeConfig {
    /// What each variable is to be; null removes it. Others stay.
    #[schema(value_type = BTreeMap<String, Option<String>>)]
    config: BTreeMap<String, Option<String>>,
}

/// Show the configuration
#[utoipa::path(get, path = "/v1/stacks/{stack}/config", tag = "config", params(StackPath), responses((status = 200, body = ConfigView)))]
async fn show(
    State(control): State<Arc<Control>>,
    caller: Caller,
    At(path): At<StackPath>,
) -> Result<Output<ConfigView>, ApiError> {
    let stack = found(&control, &caller, &path.stack, Action::ReadStack).await?;
    Ok(Output(view(&stack.config)))
}

/// Change the configuration; calls from now on see it
#[utoipa::path(patch, path = "/v1/stacks/{stack}/config", tag = "config", params(StackPath), request_body = ChangeConfig, responses((status = 200, body = ConfigView)))]
async fn change(
    State(control): State<Arc<Control>>,
    caller: Caller,
    At(path): At<StackPath>,
    Input(input): Input<ChangeConfig>,
) -> Result<Output<ConfigView>, ApiError> {
    let stack = found(&control, &caller, &path.stack, Action::SetConfig).await?;
    caller.to(input.config.keys().map(String::as_str).collect::<Vec<_>>().join(" "));
    let patch = StackPatch { config: input.config, ..StackPatch::default() };
    Ok(Output(view(&set(&control, &stack, &patch).await?.config)))
}

/// Changes a stack in its configuration, and what is served with it.
pub(in crate::api) async fn set(
    control: &Control,
    stack: &StackRecord,
    patch: &StackPatch,
) -> Result<StackRecord, ApiError> {
    for version in control.routed_versions(&stack.id).await? {
        // Together they must not be more than a function can be given.
        let config = stack.config_with(patch).map_err(CatalogError::Config)?;
        version.stack.with_environment(&config).map_err(|e| {
            ApiError::invalid(format!("with the variables that version {} declares: {e}", version.record.number))
        })?;
    }
    let stack = control.catalog.change(&stack.id, patch).await?;
    control.reload(&stack.id).await?;
    Ok(stack)
}

fn view(config: &mu_stack::Env) -> ConfigView {
    ConfigView { config: config.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect() }
}
