//! How much a stack, or a client with all of its stacks, may use.

use std::sync::Arc;

use axum::extract::State;
use mu_stack::StackId;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::members::{PrincipalPath, parse};
use super::{StackPath, found};
use crate::access::Action;
use crate::api::Control;
use crate::api::error::ApiError;
use crate::api::front::Caller;
use crate::api::input::{At, Input, Output};
use crate::quota::{Quota, Subject};

pub(super) fn router() -> OpenApiRouter<Arc<Control>> {
    OpenApiRouter::new().routes(routes!(of_stack, set_stack)).routes(routes!(of_client, set_client))
}

/// Limits of a stack. Where one is null, that of the node's configuration applies.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
struct StackQuota {
    /// Invocations per second, with a burst of as many.
    #[schema(maximum = 4_294_967_295_u64)]
    invocations_per_second: Option<u32>,
    /// Invocations at the same time.
    #[schema(maximum = 4_294_967_295_u64)]
    concurrent_invocations: Option<u32>,
    /// Instructions in a day (UTC).
    instructions_per_day: Option<u64>,
    /// Bytes in tables.
    table_bytes: Option<u64>,
    /// Bytes in boxes.
    box_bytes: Option<u64>,
}

/// Limits of a client. Where one is null, that of the node's configuration applies.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
struct ClientQuota {
    /// Invocations of all of its stacks per second, with a burst of as many.
    #[schema(maximum = 4_294_967_295_u64)]
    invocations_per_second: Option<u32>,
    /// Invocations of all of its stacks at the same time.
    #[schema(maximum = 4_294_967_295_u64)]
    concurrent_invocations: Option<u32>,
    /// Instructions of all of its stacks in a day (UTC).
    instructions_per_day: Option<u64>,
    /// Bytes in tables of all of its stacks.
    table_bytes: Option<u64>,
    /// Bytes in boxes of all of its stacks.
    box_bytes: Option<u64>,
    /// Requests to the management API per second, with a burst of as many.
    #[schema(minimum = 1, maximum = 4_294_967_295_u64)]
    requests_per_second: Option<u32>,
}

/// The quota of a stack.
#[derive(Debug, Serialize, ToSchema)]
struct StackQuotaView {
    /// What was set.
    set: StackQuota,
    /// What applies, with the defaults of the node's configuration; null is unlimited.
    effective: StackQuota,
}

/// The quota of a client.
#[derive(Debug, Serialize, ToSchema)]
struct ClientQuotaView {
    /// What was set.
    set: ClientQuota,
    /// What applies, with the defaults of the node's configuration; null is unlimited.
    effective: ClientQuota,
}

/// Show the quota of a stack
#[utoipa::path(get, path = "/v1/stacks/{stack}/quota", tag = "quotas", params(StackPath), responses((status = 200, body = StackQuotaView)))]
async fn of_stack(
    State(control): State<Arc<Control>>,
    caller: Caller,
    At(path): At<StackPath>,
) -> Result<Output<StackQuotaView>, ApiError> {
    let stack = found(&control, &caller, &path.stack, Action::ReadQuota).await?;
    Ok(Output(StackQuotaView::of(&control, stack.id)))
}

/// Set the quota of a stack, all limits at once
#[utoipa::path(put, path = "/v1/stacks/{stack}/quota", tag = "quotas", params(StackPath), request_body = StackQuota, responses((status = 200, body = StackQuotaView)))]
async fn set_stack(
    State(control): State<Arc<Control>>,
    caller: Caller,
    At(path): At<StackPath>,
    Input(quota): Input<StackQuota>,
) -> Result<Output<StackQuotaView>, ApiError> {
    let stack = found(&control, &caller, &path.stack, Action::SetQuota).await?;
    control.quotas.set(&Subject::Stack(stack.id), quota.into()).await?;
    Ok(Output(StackQuotaView::of(&control, stack.id)))
}

/// Show the quota of a client
#[utoipa::path(get, path = "/v1/members/{principal}/quota", tag = "quotas", params(PrincipalPath), responses((status = 200, body = ClientQuotaView)))]
async fn of_client(
    State(control): State<Arc<Control>>,
    caller: Caller,
    At(path): At<PrincipalPath>,
) -> Result<Output<ClientQuotaView>, ApiError> {
    control.allow(&caller, Action::ReadMembers, None).await?;
    Ok(Output(ClientQuotaView::of(&control, &client(&path)?)))
}

/// Set the quota of a client, all limits at once
#[utoipa::path(put, path = "/v1/members/{principal}/quota", tag = "quotas", params(PrincipalPath), request_body = ClientQuota, responses((status = 200, body = ClientQuotaView)))]
async fn set_client(
    State(control): State<Arc<Control>>,
    caller: Caller,
    At(path): At<PrincipalPath>,
    Input(quota): Input<ClientQuota>,
) -> Result<Output<ClientQuotaView>, ApiError> {
    caller.to(path.principal.as_str());
    control.allow(&caller, Action::SetQuota, None).await?;
    if quota.requests_per_second == Some(0) {
        let message =
            "`requests_per_second` is 1 at least: an operator could not take it back; remove the member instead";
        return Err(ApiError::invalid(message));
    }
    let client = client(&path)?;
    control.quotas.set(&client, quota.into()).await?;
    Ok(Output(ClientQuotaView::of(&control, &client)))
}

/// A client, by the text of its principal; it need not be a member.
fn client(path: &PrincipalPath) -> Result<Subject, ApiError> {
    Ok(Subject::Client(parse(&path.principal)?.to_string().into()))
}

impl StackQuotaView {
    fn of(control: &Control, stack: StackId) -> Self {
        let (book, stack) = (control.quotas.book(), Subject::Stack(stack));
        Self { set: book.own(&stack).unwrap_or_default().into(), effective: book.effective(&stack).into() }
    }
}

impl ClientQuotaView {
    fn of(control: &Control, client: &Subject) -> Self {
        let book = control.quotas.book();
        Self { set: book.own(client).unwrap_or_default().into(), effective: book.effective(client).into() }
    }
}

impl From<Quota> for StackQuota {
    fn from(quota: Quota) -> Self {
        Self {
            invocations_per_second: quota.invocations_per_second,
            concurrent_invocations: quota.concurrent_invocations,
            instructions_per_day: quota.instructions_per_day,
            table_bytes: quota.table_bytes,
            box_bytes: quota.box_bytes,
        }
    }
}

impl From<StackQuota> for Quota {
    fn from(quota: StackQuota) -> Self {
        Self {
            invocations_per_second: quota.invocations_per_second,
            concurrent_invocations: quota.concurrent_invocations,
            instructions_per_day: quota.instructions_per_day,
            table_bytes: quota.table_bytes,
            box_bytes: quota.box_bytes,
            requests_per_second: None,
        }
    }
}

impl From<Quota> for ClientQuota {
    fn from(quota: Quota) -> Self {
        Self {
            invocations_per_second: quota.invocations_per_second,
            concurrent_invocations: quota.concurrent_invocations,
            instructions_per_day: quota.instructions_per_day,
            table_bytes: quota.table_bytes,
            box_bytes: quota.box_bytes,
            requests_per_second: quota.requests_per_second,
        }
    }
}

impl From<ClientQuota> for Quota {
    fn from(quota: ClientQuota) -> Self {
        Self {
            invocations_per_second: quota.invocations_per_second,
            concurrent_invocations: quota.concurrent_invocations,
            instructions_per_day: quota.instructions_per_day,
            table_bytes: quota.table_bytes,
            box_bytes: quota.box_bytes,
            requests_per_second: quota.requests_per_second,
        }
    }
}
