//! Members and operators of the node.

use std::sync::Arc;

use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::access::{Action, Member, NodeRole, Principal};
use crate::api::Control;
use crate::api::error::ApiError;
use crate::api::front::Caller;
use crate::api::input::{At, Done, Input, Output, Params};
use crate::api::page::{Page, PageQuery};

pub(super) fn router() -> OpenApiRouter<Arc<Control>> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(set, remove))
}

/// A client with a role on the node.
#[derive(Debug, Serialize, ToSchema)]
struct MemberView {
    /// Who: `k_…` for a key, `oidc:ISSUER:SUBJECT` for a user of an issuer.
    principal: String,
    /// Their role.
    role: NodeRoleView,
    /// Since when; null for operators of the node's configuration.
    #[schema(format = DateTime)]
    since: Option<String>,
    /// Who gave it; null for operators of the node's configuration.
    by: Option<String>,
}

/// A role on the node: `member` may make stacks, `operator` may do everything.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum NodeRoleView {
    Member,
    Operator,
}

/// The role to give.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct SetMember {
    /// The role.
    role: NodeRoleView,
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(super) struct PrincipalPath {
    /// Who: `k_…` for a key, `oidc:ISSUER:SUBJECT` for a user of an issuer.
    #[param(min_length = 1, max_length = 1024, pattern = "^(k_[1-9A-HJ-NP-Za-km-z]{32,44}|oidc:[^:]+:.+|anonymous)$")]
    pub(super) principal: String,
}

/// List members and operators
#[utoipa::path(get, path = "/v1/members", tag = "members", params(PageQuery), responses((status = 200, body = Page<MemberView>)))]
async fn list(
    State(control): State<Arc<Control>>,
    caller: Caller,
    Params(query): Params<PageQuery>,
) -> Result<Output<Page<MemberView>>, ApiError> {
    control.allow(&caller, Action::ReadMembers, None).await?;
    let after: Option<String> = query.after()?;
    let is_first = after.is_none();
    let after = after.as_deref().map(parse).transpose()?;
    let members = control.access.members();
    let page = members.list(after.as_ref(), query.limit()?).await?;
    let configured = members.configured_operators().iter().filter(|_| is_first).map(|principal| MemberView {
        principal: principal.to_string(),
        role: NodeRoleView::Operator,
        since: None,
        by: None,
    });
    let items = configured.chain(page.items.iter().map(MemberView::new)).collect();
    Ok(Output(Page::new(items, page.next.map(|next| next.to_string()))?))
}

/// Give somebody a role on the node
#[utoipa::path(put, path = "/v1/members/{principal}", tag = "members", params(PrincipalPath), request_body = SetMember, responses((status = 204)))]
async fn set(
    State(control): State<Arc<Control>>,
    caller: Caller,
    At(path): At<PrincipalPath>,
    Input(input): Input<SetMember>,
) -> Result<Done, ApiError> {
    caller.to(path.principal.as_str());
    control.allow(&caller, Action::ManageMembers, None).await?;
    let who = parse(&path.principal)?;
    control.access.members().set(&who, input.role.into(), &caller.who.subject.principal).await?;
    Ok(Done)
}

/// Take somebody's role on the node away
#[utoipa::path(delete, path = "/v1/members/{principal}", tag = "members", params(PrincipalPath), responses((status = 204)))]
async fn remove(
    State(control): State<Arc<Control>>,
    caller: Caller,
    At(path): At<PrincipalPath>,
) -> Result<Done, ApiError> {
    caller.to(path.principal.as_str());
    control.allow(&caller, Action::ManageMembers, None).await?;
    control.access.members().remove(&parse(&path.principal)?).await?;
    Ok(Done)
}

/// A principal, as a client writes it.
pub(super) fn parse(text: &str) -> Result<Principal, ApiError> {
    text.parse().map_err(|e| ApiError::invalid(format!("`{}`: {e}", super::super::shown(text))))
}

impl MemberView {
    fn new(member: &Member) -> Self {
        Self {
            principal: member.who.to_string(),
            role: member.role.into(),
            since: Some(member.at.to_string()),
            by: Some(member.by.to_string()),
        }
    }
}

impl From<NodeRole> for NodeRoleView {
    fn from(role: NodeRole) -> Self {
        match role {
            NodeRole::Member => Self::Member,
            NodeRole::Operator => Self::Operator,
        }
    }
}

impl From<NodeRoleView> for NodeRole {
    fn from(role: NodeRoleView) -> Self {
        match role {
            NodeRoleView::Member => Self::Member,
            NodeRoleView::Operator => Self::Operator,
        }
    }
}
