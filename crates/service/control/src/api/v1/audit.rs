//! What was done, by whom, and with what outcome.

use std::sync::Arc;

use axum::extract::State;
use mu_db::Order;
use mu_env::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::members::parse;
use super::{StackPath, found};
use crate::access::Action;
use crate::api::Control;
use crate::api::error::ApiError;
use crate::api::front::Caller;
use crate::api::input::{At, Output, Params};
use crate::api::page::{Page, PageQuery};
use crate::api::time::parse_time;
use crate::audit::{AuditFilter, AuditId, AuditOutcome, AuditRecord, Credentials};

pub(super) fn router() -> OpenApiRouter<Arc<Control>> {
    OpenApiRouter::new().routes(routes!(of_node)).routes(routes!(of_stack))
}

/// One thing that somebody did, or was refused.
#[derive(Debug, Serialize, ToSchema)]
struct AuditView {
    /// The record's id.
    id: String,
    /// When.
    #[schema(format = DateTime)]
    time: String,
    /// Who.
    principal: String,
    /// By which credentials: `signature`, `token ID`, `oidc`, `bootstrap`, `none`.
    how: String,
    /// What: `stack.deploy`.
    action: String,
    /// On which stack.
    stack: Option<String>,
    /// To what of it.
    target: Option<String>,
    /// From which address.
    from: Option<String>,
    /// In which request.
    request_id: Option<String>,
    /// What became of it: `done`, `refused: CODE`, `failed: CODE`, or `begun` when the node ended in between.
    outcome: String,
}

#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct AuditQuery {
    /// What this principal did.
    #[param(max_length = 1024, pattern = "^(k_[1-9A-HJ-NP-Za-km-z]{32,44}|oidc:[^:]+:.+|anonymous)$")]
    principal: Option<String>,
    /// From this time on: RFC 3339, or so long ago, as `15m`.
    #[param(max_length = 64)]
    since: Option<String>,
    /// Before this time.
    #[param(max_length = 64)]
    until: Option<String>,
    /// Items of a page.
    #[param(minimum = 1, maximum = 100, default = 50)]
    limit: Option<u32>,
    /// Where the page begins: `next_cursor` of the one before.
    #[param(max_length = 2048)]
    cursor: Option<String>,
}

/// Read what was done on the node, newest first
#[utoipa::path(get, path = "/v1/audit", tag = "audit", params(AuditQuery), responses((status = 200, body = Page<AuditView>)))]
async fn of_node(
    State(control): State<Arc<Control>>,
    caller: Caller,
    Params(query): Params<AuditQuery>,
) -> Result<Output<Page<AuditView>>, ApiError> {
    control.allow(&caller, Action::ReadNodeAudit, None).await?;
    read(&control, query, AuditFilter::default()).await
}

/// Read what was done to a stack, newest first
#[utoipa::path(get, path = "/v1/stacks/{stack}/audit", tag = "audit", params(StackPath, AuditQuery), responses((status = 200, body = Page<AuditView>)))]
async fn of_stack(
    State(control): State<Arc<Control>>,
    caller: Caller,
    At(path): At<StackPath>,
    Params(query): Params<AuditQuery>,
) -> Result<Output<Page<AuditView>>, ApiError> {
    let stack = found(&control, &caller, &path.stack, Action::ReadStackAudit).await?;
    read(&control, query, AuditFilter { stack: Some(stack.id), ..AuditFilter::default() }).await
}

async fn read(control: &Control, query: AuditQuery, filter: AuditFilter) -> Result<Output<Page<AuditView>>, ApiError> {
    let now: Timestamp = control.env.now();
    let time = |text: &Option<String>| text.as_deref().map(|text| parse_time(text, now)).transpose();
    let filter = AuditFilter {
        who: query.principal.as_deref().map(parse).transpose()?,
        from: time(&query.since)?,
        until: time(&query.until)?,
        ..filter
    };
    let page = PageQuery { limit: query.limit, cursor: query.cursor };
    let after: Option<String> = page.after()?;
    let after: Option<AuditId> =
        after.map(|text| text.parse()).transpose().map_err(|_| ApiError::invalid("`cursor`"))?;
    let read = control.audit.read(&filter, Order::Descending, after, page.limit()?).await?;
    let items = read.items.iter().map(AuditView::new).collect();
    Ok(Output(Page::new(items, read.next.map(|next| next.to_string()))?))
}

impl AuditView {
    fn new(record: &AuditRecord) -> Self {
        let how = match record.how {
            Credentials::Signature => "signature".to_owned(),
            Credentials::Token(id) => format!("token {id}"),
            Credentials::Oidc => "oidc".to_owned(),
            Credentials::Bootstrap => "bootstrap".to_owned(),
            Credentials::None => "none".to_owned(),
        };
        let outcome = match &record.outcome {
            AuditOutcome::Begun => "begun".to_owned(),
            AuditOutcome::Done => "done".to_owned(),
            AuditOutcome::Refused(code) => format!("refused: {code}"),
            AuditOutcome::Failed(code) => format!("failed: {code}"),
        };
        Self {
            id: record.id.to_string(),
            time: record.at().to_string(),
            principal: record.who.to_string(),
            how,
            action: record.action.clone(),
            stack: record.stack.map(|stack| stack.to_string()),
            target: record.target.clone(),
            from: record.from.clone(),
            request_id: record.request_id.clone(),
            outcome,
        }
    }
}
