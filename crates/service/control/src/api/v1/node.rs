//! The node itself, and who one is on it.

use std::sync::Arc;

use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::members::{NodeRoleView, parse};
use crate::access::{Action, How};
use crate::api::Control;
use crate::api::error::ApiError;
use crate::api::front::{Caller, how};
use crate::api::input::{Created, Input, Output};

pub(super) fn router() -> OpenApiRouter<Arc<Control>> {
    OpenApiRouter::new().routes(routes!(show)).routes(routes!(me)).routes(routes!(register_operator))
}

/// What a node says to everybody.
#[derive(Debug, Serialize, ToSchema)]
struct NodeView {
    /// The version of mu.
    version: String,
    /// The version of this interface.
    api: String,
    /// The node's time, by which signatures are judged.
    #[schema(format = DateTime)]
    time: String,
    /// Where functions are served.
    gateway_url: String,
    /// Whether the node has an operator. Until then, its bootstrap token makes one.
    has_operator: bool,
}

/// Who one is.
#[derive(Debug, Serialize, ToSchema)]
struct MeView {
    /// For whom requests act.
    principal: String,
    /// By which credentials: `signature`, `token`, `oidc`, `anonymous`.
    how: String,
    /// The id of the token, if there is one.
    token: Option<String>,
    /// The role on the node.
    role: Option<NodeRoleView>,
}

/// Whom to make the first operator.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct RegisterOperator {
    /// Who: `k_…` for a key.
    #[schema(min_length = 1, max_length = 1024, pattern = "^(k_[1-9A-HJ-NP-Za-km-z]{32,44}|oidc:[^:]+:.+|anonymous)$")]
    principal: String,
}

/// The operator that was made.
#[derive(Debug, Serialize, ToSchema)]
struct OperatorView {
    /// Who.
    principal: String,
}

/// Look at the node; the one question that takes no credentials
#[utoipa::path(get, path = "/v1/node", tag = "node", security(()), responses((status = 200, body = NodeView)))]
async fn show(State(control): State<Arc<Control>>) -> Result<Output<NodeView>, ApiError> {
    Ok(Output(NodeView {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        api: "v1".to_owned(),
        time: control.env.now().to_string(),
        gateway_url: control.settings.gateway_url.clone(),
        has_operator: control.access.members().has_operator().await?,
    }))
}

/// Ask who one is
#[utoipa::path(get, path = "/v1/me", tag = "node", responses((status = 200, body = MeView)))]
async fn me(State(control): State<Arc<Control>>, caller: Caller) -> Result<Output<MeView>, ApiError> {
    control.allow(&caller, Action::ReadNode, None).await?;
    let token = if let How::Token(id) = caller.who.how { Some(id.to_string()) } else { None };
    let role = caller.who.subject.node_role().map(NodeRoleView::from);
    Ok(Output(MeView { principal: caller.principal(), how: how(&caller.who).to_owned(), token, role }))
}

/// Make the node's first operator, with its bootstrap token
///
/// The token stands in a file beside the node's data and is sent as a bearer token. It ends with this.
#[utoipa::path(post, path = "/v1/node/operator", tag = "node", request_body = RegisterOperator, responses((status = 201, body = OperatorView)))]
async fn register_operator(
    State(control): State<Arc<Control>>,
    caller: Caller,
    Input(input): Input<RegisterOperator>,
) -> Result<Created<OperatorView>, ApiError> {
    caller.to(input.principal.as_str());
    control.allow(&caller, Action::RegisterFirstOperator, None).await?;
    let who = parse(&input.principal)?;
    control.access.register_first_operator(&caller.head.borrow(), &who).await?;
    Ok(Created(OperatorView { principal: who.to_string() }))
}
