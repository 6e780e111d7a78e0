//! Who may do what on a stack.

use std::sync::Arc;

use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::members::parse;
use super::{StackPath, found};
use crate::access::{Action, Grant, LastAdmin, NodeRole, Role};
use crate::api::Control;
use crate::api::error::ApiError;
use crate::api::front::Caller;
use crate::api::input::{At, Done, Input, Output, Params};
use crate::api::page::{Page, PageQuery};

pub(super) fn router() -> OpenApiRouter<Arc<Control>> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(set, remove))
}

/// A role on a stack. Each may do what those before it may: `viewer` reads, `invoker` also calls functions, `developer`
/// also deploys, `admin` also decides about others.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum RoleView {
    Viewer,
    Invoker,
    Developer,
    Admin,
}

/// Somebody's role on a stack.
#[derive(Debug, Serialize, ToSchema)]
struct GrantView {
    /// Who: `k_…` for a key, `oidc:ISSUER:SUBJECT` for a user of an issuer.
    principal: String,
    /// Their role.
    role: RoleView,
    /// Since when.
    #[schema(format = DateTime)]
    since: String,
    /// Who gave it.
    by: String,
}

/// The role to give.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct SetGrant {
    /// The role.
    role: RoleView,
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
struct GrantPath {
    /// The stack's id or name.
    #[param(min_length = 1, max_length = 255, pattern = "^[A-Za-z0-9_-]+$")]
    stack: String,
    /// Who: `k_…` for a key, `oidc:ISSUER:SUBJECT` for a user of an issuer.
    #[param(min_length = 1, max_length = 1024, pattern = "^(k_[1-9A-HJ-NP-Za-km-z]{32,44}|oidc:[^:]+:.+|anonymous)$")]
    principal: String,
}

/// List who may do what
#[utoipa::path(get, path = "/v1/stacks/{stack}/grants", tag = "grants", params(StackPath, PageQuery), responses((status = 200, body = Page<GrantView>)))]
async fn list(
    State(control): State<Arc<Control>>,
    caller: Caller,
    At(path): At<StackPath>,
    Params(query): Params<PageQuery>,
) -> Result<Output<Page<GrantView>>, ApiError> {
    let stack = found(&control, &caller, &path.stack, Action::ReadGrants).await?;
    let after: Option<String> = query.after()?;
    let after = after.as_deref().map(parse).transpose()?;
    let page = control.access.grants().list(stack.id, after.as_ref(), query.limit()?).await?;
    let items = page.items.iter().map(GrantView::new).collect();
    Ok(Output(Page::new(items, page.next.map(|next| next.to_string()))?))
}

/// Give somebody a role
#[utoipa::path(put, path = "/v1/stacks/{stack}/grants/{principal}", tag = "grants", params(GrantPath), request_body = SetGrant, responses((status = 204)))]
async fn set(
    State(control): State<Arc<Control>>,
    caller: Caller,
    At(path): At<GrantPath>,
    Input(input): Input<SetGrant>,
) -> Result<Done, ApiError> {
    let stack = found(&control, &caller, &path.stack, Action::ManageGrants).await?;
    caller.to(path.principal.as_str());
    let (who, by) = (parse(&path.principal)?, &caller.who.subject.principal);
    control.access.grants().grant(stack.id, &who, input.role.into(), by, last_admin(&caller)).await?;
    Ok(Done)
}

/// Take somebody's role away
#[utoipa::path(delete, path = "/v1/stacks/{stack}/grants/{principal}", tag = "grants", params(GrantPath), responses((status = 204)))]
async fn remove(
    State(control): State<Arc<Control>>,
    caller: Caller,
    At(path): At<GrantPath>,
) -> Result<Done, ApiError> {
    let stack = found(&control, &caller, &path.stack, Action::ManageGrants).await?;
    caller.to(path.principal.as_str());
    control.access.grants().revoke(stack.id, &parse(&path.principal)?, last_admin(&caller)).await?;
    Ok(Done)
}

/// Only an operator may leave a stack without an admin.
fn last_admin(caller: &Caller) -> LastAdmin {
    if caller.who.subject.node_role() == Some(NodeRole::Operator) { LastAdmin::MayGo } else { LastAdmin::Stays }
}

impl GrantView {
    fn new(grant: &Grant) -> Self {
        Self {
            principal: grant.who.to_string(),
            role: grant.role.into(),
            since: grant.at.to_string(),
            by: grant.by.to_string(),
        }
    }
}

impl From<Role> for RoleView {
    fn from(role: Role) -> Self {
        match role {
            Role::Viewer => Self::Viewer,
            Role::Invoker => Self::Invoker,
            Role::Developer => Self::Developer,
            Role::Admin => Self::Admin,
        }
    }
}

impl From<RoleView> for Role {
    fn from(role: RoleView) -> Self {
        match role {
            RoleView::Viewer => Self::Viewer,
            RoleView::Invoker => Self::Invoker,
            RoleView::Developer => Self::Developer,
            RoleView::Admin => Self::Admin,
        }
    }
}
