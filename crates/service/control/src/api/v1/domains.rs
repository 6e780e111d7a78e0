//! Hosts that a stack is reached at.

use std::sync::Arc;

use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::{StackPath, found};
use crate::access::Action;
use crate::api::Control;
use crate::api::error::{ApiError, shown};
use crate::api::front::Caller;
use crate::api::input::{At, Created, Done, Input, Output, Params};
use crate::api::page::{Page, PageQuery};
use crate::domains::{Domain, DomainState, HostName};

pub(super) fn router() -> OpenApiRouter<Arc<Control>> {
    OpenApiRouter::new().routes(routes!(list, claim)).routes(routes!(verify)).routes(routes!(release))
}

/// A host that a stack has claimed.
#[derive(Debug, Serialize, ToSchema)]
struct DomainView {
    /// The host: `api.example.com`.
    host: String,
    /// The gateway that it leads to; null stands for the only one of the stack.
    gateway: Option<String>,
    /// Whether it leads there already.
    state: DomainStateView,
    /// Since when it is in this state.
    #[schema(format = DateTime)]
    since: String,
    /// How to prove that one owns the host, unless that is done.
    challenge: Option<ChallengeView>,
}

/// `pending` until it is proven that the client owns the host, then `verified`.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum DomainStateView {
    Pending,
    Verified,
}

/// Two ways to prove that one owns a host; either will do.
#[derive(Debug, Serialize, ToSchema)]
struct ChallengeView {
    /// Answer this URL
    http_url: String,
    /// with this body.
    http_body: String,
    /// Or make a TXT record of this name
    dns_name: String,
    /// with this value.
    dns_value: String,
}

/// A host to claim.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Claim {
    /// The host, without scheme and port.
    #[schema(min_length = 1, max_length = 253)]
    host: String,
    /// The gateway that it is to lead to; without it, the only one of the stack.
    #[schema(min_length = 1, max_length = 255)]
    gateway: Option<String>,
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
struct DomainPath {
    /// The stack's id or name.
    #[param(min_length = 1, max_length = 255, pattern = "^[A-Za-z0-9_-]+$")]
    stack: String,
    /// The host.
    #[param(min_length = 1, max_length = 253)]
    host: String,
}

/// List the hosts of a stack
#[utoipa::path(get, path = "/v1/stacks/{stack}/domains", tag = "domains", params(StackPath, PageQuery), responses((status = 200, body = Page<DomainView>)))]
async fn list(
    State(control): State<Arc<Control>>,
    caller: Caller,
    At(path): At<StackPath>,
    Params(query): Params<PageQuery>,
) -> Result<Output<Page<DomainView>>, ApiError> {
    let stack = found(&control, &caller, &path.stack, Action::ReadDomains).await?;
    let (after, limit): (Option<String>, _) = (query.after()?, query.limit()?);
    let domains = control.domains.list(&stack.id).await?;
    let mut rest = domains.iter().filter(|domain| after.as_deref().is_none_or(|after| domain.host.as_str() > after));
    let items: Vec<_> = rest.by_ref().take(limit).map(DomainView::new).collect();
    let next = rest.next().and_then(|_| items.last()).map(|last| last.host.clone());
    Ok(Output(Page::new(items, next)?))
}

/// Claim a host
#[utoipa::path(post, path = "/v1/stacks/{stack}/domains", tag = "domains", params(StackPath), request_body = Claim, responses((status = 201, body = DomainView)))]
async fn claim(
    State(control): State<Arc<Control>>,
    caller: Caller,
    At(path): At<StackPath>,
    Input(input): Input<Claim>,
) -> Result<Created<DomainView>, ApiError> {
    let stack = found(&control, &caller, &path.stack, Action::ManageDomains).await?;
    let host = parse(&input.host)?;
    caller.to(host.to_string());
    let gateway = input.gateway.map(|name| name.parse()).transpose();
    let gateway = gateway.map_err(|e| ApiError::invalid(format!("`gateway`: {e}")))?;
    let domain = control.domains.claim(&stack.id, &host, gateway, &caller.principal()).await?;
    Ok(Created(DomainView::new(&domain)))
}

/// Have the proof looked at; from then on the host leads to the stack
#[utoipa::path(post, path = "/v1/stacks/{stack}/domains/{host}/verify", tag = "domains", params(DomainPath), responses((status = 200, body = DomainView)))]
async fn verify(
    State(control): State<Arc<Control>>,
    caller: Caller,
    At(path): At<DomainPath>,
) -> Result<Output<DomainView>, ApiError> {
    let stack = found(&control, &caller, &path.stack, Action::ManageDomains).await?;
    let host = parse(&path.host)?;
    caller.to(host.to_string());
    let domain = control.domains.verify(&stack.id, &host).await?;
    Ok(Output(DomainView::new(&domain)))
}

/// Give a host up
#[utoipa::path(delete, path = "/v1/stacks/{stack}/domains/{host}", tag = "domains", params(DomainPath), responses((status = 204)))]
async fn release(
    State(control): State<Arc<Control>>,
    caller: Caller,
    At(path): At<DomainPath>,
) -> Result<Done, ApiError> {
    let stack = found(&control, &caller, &path.stack, Action::ManageDomains).await?;
    let host = parse(&path.host)?;
    caller.to(host.to_string());
    control.domains.release(&stack.id, &host).await?;
    Ok(Done)
}

fn parse(host: &str) -> Result<HostName, ApiError> {
    host.parse().map_err(|e| ApiError::invalid(format!("`{}`: {e}", shown(host))))
}

impl DomainView {
    fn new(domain: &Domain) -> Self {
        let (state, since) = match domain.state() {
            DomainState::Pending { since, .. } => (DomainStateView::Pending, since),
            DomainState::Verified { since } => (DomainStateView::Verified, since),
        };
        let challenge = domain.challenge().map(|challenge| ChallengeView {
            http_url: challenge.url(),
            http_body: challenge.proof(),
            dns_name: challenge.record_name(),
            dns_value: challenge.proof(),
        });
        Self {
            host: domain.host.to_string(),
            gateway: domain.gateway().map(ToString::to_string),
            state,
            since: since.to_string(),
            challenge,
        }
    }
}
