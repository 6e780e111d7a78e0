//! Secrets of a stack. Their values go in, and come out nowhere here.

use std::sync::Arc;

use axum::extract::State;
use mu_env::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::{StackPath, found};
use crate::access::Action;
use crate::api::Control;
use crate::api::error::{ApiError, shown};
use crate::api::front::Caller;
use crate::api::input::{At, Done, Input, Output};
use crate::api::page::Page;
use crate::secrets::{SecretInfo, SecretName, SecretValue};

pub(super) fn router() -> OpenApiRouter<Arc<Control>> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(set, delete)).routes(routes!(rotate))
}

/// A secret, without its value.
#[derive(Debug, Serialize, ToSchema)]
struct SecretView {
    /// Its name, which is that of a function's environment variable.
    name: String,
    /// The number of its value: 1, 2 and so on.
    version: u64,
    /// When it got this value.
    #[schema(format = DateTime)]
    created_at: String,
    /// Who gave it.
    by: String,
}

/// The value to give.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct SetSecret {
    /// The value: text of at most 64 KiB.
    #[schema(max_length = 65536)]
    value: String,
}

/// What was done.
#[derive(Debug, Serialize, ToSchema)]
struct Rotated {
    /// Versions of secrets that were encrypted anew.
    rotated: usize,
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
struct SecretPath {
    /// The stack's id or name.
    #[param(min_length = 1, max_length = 255, pattern = "^[A-Za-z0-9_-]+$")]
    stack: String,
    /// The secret's name: upper-case letters, digits and `_`.
    #[param(min_length = 1, max_length = 255, pattern = "^[A-Z_][A-Z0-9_]*$")]
    name: String,
}

/// List secrets
#[utoipa::path(get, path = "/v1/stacks/{stack}/secrets", tag = "secrets", params(StackPath), responses((status = 200, body = Page<SecretView>)))]
async fn list(
    State(control): State<Arc<Control>>,
    caller: Caller,
    At(path): At<StackPath>,
) -> Result<Output<Page<SecretView>>, ApiError> {
    let stack = found(&control, &caller, &path.stack, Action::ListSecrets).await?;
    let secrets = control.secrets.list(&stack.id).await?;
    Ok(Output(Page::new(secrets.iter().filter_map(SecretView::new).collect(), None::<()>)?))
}

/// Give a secret a value
///
/// Functions that declare the secret get the value with their next call.
#[utoipa::path(put, path = "/v1/stacks/{stack}/secrets/{name}", tag = "secrets", params(SecretPath), request_body = SetSecret, responses((status = 200, body = SecretView)))]
async fn set(
    State(control): State<Arc<Control>>,
    caller: Caller,
    At(path): At<SecretPath>,
    Input(input): Input<SetSecret>,
) -> Result<Output<SecretView>, ApiError> {
    let stack = found(&control, &caller, &path.stack, Action::SetSecret).await?;
    caller.to(path.name.as_str());
    let value = SecretValue::new(input.value.into_bytes())?;
    let name = parse(&path.name)?;
    control.secrets.set(&stack.id, &name, &value, &caller.principal()).await?;
    control.reload(&stack.id).await?;
    let secrets = control.secrets.list(&stack.id).await?;
    let secret = secrets.iter().find(|secret| secret.name == name).and_then(SecretView::new);
    Ok(Output(secret.ok_or_else(|| ApiError::conflict("the secret was deleted meanwhile"))?))
}

/// Delete a secret that no served version declares
#[utoipa::path(delete, path = "/v1/stacks/{stack}/secrets/{name}", tag = "secrets", params(SecretPath), responses((status = 204)))]
async fn delete(
    State(control): State<Arc<Control>>,
    caller: Caller,
    At(path): At<SecretPath>,
) -> Result<Done, ApiError> {
    let stack = found(&control, &caller, &path.stack, Action::SetSecret).await?;
    caller.to(path.name.as_str());
    let name = parse(&path.name)?;
    for version in control.routed_versions(&stack.id).await? {
        let mut declared = version.stack.functions().flat_map(|function| &function.secrets);
        if declared.any(|declared| declared.as_str() == name.as_str()) {
            let message = format!(
                "version {} is served and declares the secret `{name}`: route to a version that does without it first",
                version.record.number
            );
            return Err(ApiError::conflict(message).code("in_use").detail("version", version.record.number.get()));
        }
    }
    control.secrets.delete(&stack.id, &name).await?;
    Ok(Done)
}

/// Encrypt all values anew, under fresh keys
#[utoipa::path(post, path = "/v1/stacks/{stack}/secrets/rotate", tag = "secrets", params(StackPath), responses((status = 200, body = Rotated)))]
async fn rotate(
    State(control): State<Arc<Control>>,
    caller: Caller,
    At(path): At<StackPath>,
) -> Result<Output<Rotated>, ApiError> {
    let stack = found(&control, &caller, &path.stack, Action::SetSecret).await?;
    Ok(Output(Rotated { rotated: control.secrets.rotate(&stack.id).await? }))
}

fn parse(text: &str) -> Result<SecretName, ApiError> {
    text.parse().map_err(|e| ApiError::invalid(format!("`{}`: {e}", shown(text))))
}

impl SecretView {
    fn new(secret: &SecretInfo) -> Option<Self> {
        let current = secret.versions.last()?;
        Some(Self {
            name: secret.name.to_string(),
            version: current.version,
            created_at: Timestamp::from_micros(current.created_micros).to_string(),
            by: current.created_by.clone(),
        })
    }
}
