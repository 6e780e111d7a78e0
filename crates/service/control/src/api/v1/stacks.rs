//! Stacks: made, listed, shown and deleted.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::extract::State;
use mu_stack::StackId;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::{StackPath, found};
use crate::access::{Action, NodeRole, Principal};
use crate::api::Control;
use crate::api::error::ApiError;
use crate::api::front::Caller;
use crate::api::input::{At, Created, Input, Output, Params};
use crate::api::page::{Page, PageQuery};
use crate::catalog::{
    CatalogError, DataFate, EntryState, NewStack, RoutingRecord, StackEntry, StackListParams, StackRecord, StackState,
    StoredVersion, VersionNumber,
};

/// Grants that are looked at for the list of one client.
const GRANTS_PAGE: usize = 1_000;

pub(super) fn router() -> OpenApiRouter<Arc<Control>> {
    OpenApiRouter::new().routes(routes!(list, create)).routes(routes!(show, delete))
}

/// A stack.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct StackView {
    /// Its id, which never changes: `s_` and base58.
    id: String,
    /// Its name, which no other stack of the node has.
    name: String,
    /// Who made it.
    owner: String,
    /// When it was made, RFC 3339.
    #[schema(format = DateTime)]
    created_at: String,
    /// Whether it is there.
    state: StateView,
    /// Which versions are served, with their shares of the requests.
    routing: Vec<WeightView>,
}

/// Whether a stack is there: `active`; `deleting`; or `kept`, which is gone but for its tables and boxes.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum StateView {
    Active,
    Deleting,
    Kept,
}

/// A version's share of a stack's requests.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct WeightView {
    /// The version's number.
    #[schema(minimum = 1)]
    pub(crate) version: u64,
    /// Its share in percent.
    #[schema(minimum = 1, maximum = 100)]
    pub(crate) weight: u8,
}

/// A stack with what its served version consists of.
#[derive(Debug, Serialize, ToSchema)]
struct StackDetail {
    /// The stack.
    stack: StackView,
    /// The number of its newest version.
    latest_version: Option<u64>,
    /// Its gateways, with where they are reached.
    gateways: Vec<GatewayView>,
    /// The names of its functions.
    functions: Vec<String>,
}

/// Where a gateway is reached.
#[derive(Debug, Serialize, ToSchema)]
struct GatewayView {
    /// The gateway's name.
    name: String,
    /// Its base URL.
    url: String,
}

/// What to make.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct CreateStack {
    /// Its name, 1 to 255 characters of `A-Z a-z 0-9 _ -`.
    #[schema(min_length = 1, max_length = 255, pattern = "^[A-Za-z0-9_-]+$")]
    name: String,
}

#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct ListQuery {
    /// What the names begin with.
    #[param(max_length = 255)]
    prefix: Option<String>,
    /// Items of a page.
    #[param(minimum = 1, maximum = 100, default = 50)]
    limit: Option<u32>,
    /// Where the page begins: `next_cursor` of the one before.
    #[param(max_length = 2048)]
    cursor: Option<String>,
}

#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct DeleteQuery {
    /// Whether tables and boxes stay.
    #[serde(default)]
    keep_data: bool,
}

/// List the stacks that one may see
#[utoipa::path(get, path = "/v1/stacks", tag = "stacks", params(ListQuery), responses((status = 200, body = Page<StackView>)))]
async fn list(
    State(control): State<Arc<Control>>,
    caller: Caller,
    Params(query): Params<ListQuery>,
) -> Result<Output<Page<StackView>>, ApiError> {
    control.allow(&caller, Action::ListStacks, None).await?;
    let seen = visible(&control, &caller).await?;
    let page = PageQuery { limit: query.limit, cursor: query.cursor };
    let after: Option<String> = page.after()?;
    let params = StackListParams {
        prefix: query.prefix.as_deref().unwrap_or_default(),
        after: after.as_deref(),
        limit: page.limit()?,
    };
    let listed =
        control.catalog.list(params, |entry| seen.as_ref().is_none_or(|seen| seen.contains(&entry.id))).await?;
    let ids: Vec<StackId> = listed.stacks.iter().map(|entry| entry.id).collect();
    let routings = control.catalog.routings(&ids).await?;
    let items =
        listed.stacks.iter().zip(&routings).map(|(entry, routing)| StackView::of_entry(entry, routing.as_ref()));
    Ok(Output(Page::new(items.collect(), listed.next)?))
}

/// Make a stack, empty, whose admin is whoever makes it
#[utoipa::path(post, path = "/v1/stacks", tag = "stacks", request_body = CreateStack, responses((status = 201, body = StackView)))]
async fn create(
    State(control): State<Arc<Control>>,
    caller: Caller,
    Input(input): Input<CreateStack>,
) -> Result<Created<StackView>, ApiError> {
    control.allow(&caller, Action::CreateStack, None).await?;
    let name = input.name.parse().map_err(|e| ApiError::invalid(format!("`name`: {e}")))?;
    let record = make(&control, &caller, NewStack::named(name, caller.principal())).await?;
    Ok(Created(StackView::of_record(&record, None)))
}

/// Makes a stack whose admin is whoever makes it.
pub(in crate::api) async fn make(
    control: &Control,
    caller: &Caller,
    new: NewStack,
) -> Result<StackRecord, CatalogError> {
    let grants = control.access.grants();
    let principal = &caller.who.subject.principal;
    let record = control
        .catalog
        .create_with(new, |batch, id| match principal {
            // An operator by configuration needs no grant, and nobody in particular can have none.
            Principal::Anonymous => Ok(()),
            principal => grants.write_first_admin(batch, id, principal).map_err(|e| e.to_string()),
        })
        .await?;
    caller.does(Action::CreateStack, Some(record.id));
    caller.to(record.name.as_str());
    Ok(record)
}

/// What a stack is made of while it is served: of several routed versions the oldest, which was there before the others.
pub(in crate::api) async fn served(control: &Control, id: &StackId) -> Result<Option<StoredVersion>, ApiError> {
    let routing = control.catalog.routing(id).await?;
    match routing.as_ref().and_then(|routing| routing.routing.weights().last().copied()) {
        Some(weight) => Ok(Some(control.catalog.version(id, weight.version).await?)),
        None => Ok(None),
    }
}

/// Show a stack
#[utoipa::path(get, path = "/v1/stacks/{stack}", tag = "stacks", params(StackPath), responses((status = 200, body = StackDetail)))]
async fn show(
    State(control): State<Arc<Control>>,
    caller: Caller,
    At(path): At<StackPath>,
) -> Result<Output<StackDetail>, ApiError> {
    let record = found(&control, &caller, &path.stack, Action::ReadStack).await?;
    let routing = control.catalog.routing(&record.id).await?;
    let newest = control.catalog.versions(&record.id, None, 1).await?.versions;
    let served = served(&control, &record.id).await?;
    let base = control.settings.gateway_url.trim_end_matches('/');
    let gateways = served.iter().flat_map(|version| version.stack.gateways()).map(|gateway| GatewayView {
        name: gateway.name.to_string(),
        url: format!("{base}/{}/{}", record.name, gateway.name),
    });
    let functions =
        served.iter().flat_map(|version| version.stack.functions()).map(|function| function.name.to_string());
    Ok(Output(StackDetail {
        gateways: gateways.collect(),
        functions: functions.collect(),
        latest_version: newest.first().map(|version| version.number.get()),
        stack: StackView::of_record(&record, routing.as_ref()),
    }))
}

/// Delete a stack, and unless they are to be kept its tables and boxes
#[utoipa::path(delete, path = "/v1/stacks/{stack}", tag = "stacks", params(StackPath, DeleteQuery), responses((status = 200, body = StackView)))]
async fn delete(
    State(control): State<Arc<Control>>,
    caller: Caller,
    At(path): At<StackPath>,
    Params(query): Params<DeleteQuery>,
) -> Result<Output<StackView>, ApiError> {
    let record = found(&control, &caller, &path.stack, Action::DeleteStack).await?;
    let data = if query.keep_data { DataFate::Keep } else { DataFate::Remove };
    let record = control.catalog.delete(&record.id, data, &caller.principal()).await?;
    control.finish_deletion(&record, data).await?;
    caller.to(record.name.as_str());
    Ok(Output(StackView::of_record(&record, None)))
}

/// The stacks that a client may see; `None` for all.
pub(in crate::api) async fn visible(control: &Control, caller: &Caller) -> Result<Option<BTreeSet<StackId>>, ApiError> {
    let subject = &caller.who.subject;
    let scope = subject.bounds().cloned();
    if subject.node == Some(NodeRole::Operator) {
        return Ok(scope);
    }
    let (mut seen, mut after) = (BTreeSet::new(), None);
    loop {
        let page = control.access.grants().stacks_of(&subject.principal, after.as_ref(), GRANTS_PAGE).await?;
        seen.extend(page.items.iter().map(|(stack, _)| *stack));
        match page.next {
            Some(next) => after = Some(next),
            None => break,
        }
    }
    if let Some(scope) = scope {
        seen.retain(|stack| scope.contains(stack));
    }
    Ok(Some(seen))
}

impl StackView {
    fn of_entry(entry: &StackEntry, routing: Option<&RoutingRecord>) -> Self {
        let state = match entry.state {
            EntryState::Active => StateView::Active,
            EntryState::Deleting => StateView::Deleting,
            EntryState::Kept => StateView::Kept,
        };
        Self {
            id: entry.id.to_string(),
            name: entry.name.to_string(),
            owner: entry.owner.clone(),
            created_at: entry.created.to_string(),
            state,
            routing: weights(routing),
        }
    }

    pub(super) fn of_record(record: &StackRecord, routing: Option<&RoutingRecord>) -> Self {
        let state = match record.state {
            StackState::Active => StateView::Active,
            StackState::Deleting { .. } => StateView::Deleting,
            StackState::Kept { .. } => StateView::Kept,
        };
        Self {
            id: record.id.to_string(),
            name: record.name.to_string(),
            owner: record.owner.clone(),
            created_at: record.created.to_string(),
            state,
            routing: weights(routing),
        }
    }
}

/// The shares that a routing gives.
pub(super) fn weights(routing: Option<&RoutingRecord>) -> Vec<WeightView> {
    let weights = routing.iter().flat_map(|routing| routing.routing.weights());
    weights.map(|weight| WeightView { version: weight.version.get(), weight: weight.percent }).collect()
}

/// The number of a version, as a client gives it.
pub(super) fn version_number(number: u64) -> Result<VersionNumber, ApiError> {
    number.try_into().map_err(|_| ApiError::invalid("the number of a version is 1 or more"))
}
