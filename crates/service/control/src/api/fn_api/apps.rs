//! `/v2/apps`: stacks, as Fn's clients see them.

use std::sync::Arc;

use axum::extract::State;
use mu_stack::limits::NAME_BYTES_MAX;
use mu_stack::{StackId, StackName};
use serde::{Deserialize, Serialize};

use super::annotations::{self, SHAPE};
use super::input::{Body, Config, config_patch, given, variables};
use super::page::{List, ListQuery};
use super::{app, no_app};
use crate::access::Action;
use crate::api::Control;
use crate::api::error::ApiError;
use crate::api::front::Caller;
use crate::api::input::{At, Done, Output, Params};
use crate::api::v1::{config, stacks};
use crate::catalog::fns::Shape;
use crate::catalog::{
    Annotations, CatalogError, DataFate, EntryState, NewStack, StackListParams, StackPatch, StackRecord, StackRef,
    StackState,
};

/// Where logs may be sent by Fn.
const SYSLOG_SCHEMES: [&str; 5] = ["tcp", "udp", "unix", "unixgram", "tcp+tls"];

/// An app.
#[derive(Debug, Serialize)]
pub(super) struct AppView {
    id: String,
    name: String,
    #[serde(skip_serializing_if = "serde_json::Map::is_empty")]
    config: serde_json::Map<String, serde_json::Value>,
    #[serde(skip_serializing_if = "Annotations::is_empty")]
    annotations: Annotations,
    #[serde(skip_serializing_if = "Option::is_none")]
    shape: Option<serde_json::Value>,
    created_at: String,
    updated_at: String,
}

/// An app as clients send it. They send times as well, which are passed over.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct AppInput {
    id: Option<String>,
    name: Option<String>,
    config: Option<Config>,
    annotations: annotations::Given,
    syslog_url: Option<String>,
    shape: Option<String>,
}

/// Lists the apps that the caller may see.
pub(super) async fn list(
    State(control): State<Arc<Control>>,
    caller: Caller,
    Params(query): Params<ListQuery>,
) -> Result<Output<List<AppView>>, ApiError> {
    control.allow(&caller, Action::ListStacks, None).await?;
    let after = query.after()?;
    let seen = stacks::visible(&control, &caller).await?;
    let is_seen = |id: &StackId| seen.as_ref().is_none_or(|seen| seen.contains(id));
    if let Some(name) = query.name() {
        let app = by_name(&control, name).await?.filter(|app| is_seen(&app.id));
        let app = app.filter(|app| after.as_deref().is_none_or(|after| after < app.name.as_str()));
        return Ok(Output(List::new(app.iter().map(AppView::of).collect(), None)));
    }
    let params = StackListParams { prefix: "", after: after.as_deref(), limit: query.per_page() };
    let page = control.catalog.list(params, |entry| entry.state == EntryState::Active && is_seen(&entry.id)).await?;
    let mut apps = Vec::with_capacity(page.stacks.len());
    for entry in page.stacks {
        match control.catalog.stack(&StackRef::Id(entry.id)).await {
            Ok(record) => apps.push(AppView::of(&record)),
            // It was deleted meanwhile.
            Err(CatalogError::UnknownStack { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(Output(List::new(apps, page.next)))
}

/// Makes a stack, whose admin is the caller.
pub(super) async fn create(
    State(control): State<Arc<Control>>,
    caller: Caller,
    Body(input): Body<AppInput>,
) -> Result<Output<AppView>, ApiError> {
    control.allow(&caller, Action::CreateStack, None).await?;
    if given(input.id.as_ref()).is_some() {
        return Err(ApiError::invalid("App ID cannot be supplied on create"));
    }
    let name = app_name(given(input.name.as_ref()).unwrap_or_default())?;
    let mut annotations = annotations::new(input.annotations)?;
    check_syslog(given(input.syslog_url.as_ref()))?;
    if let Some(shape) = shape(input.shape.as_ref(), "Invalid app shape")? {
        annotations.insert(SHAPE.to_owned(), shape.as_str().into());
    }
    let config = variables(input.config)?;
    let new = NewStack { config, annotations, ..NewStack::named(name, caller.principal()) };
    match stacks::make(&control, &caller, new).await {
        Ok(record) => Ok(Output(AppView::of(&record))),
        Err(CatalogError::NameTaken { .. }) => Err(ApiError::conflict("App already exists").code("name_taken")),
        Err(error) => Err(error.into()),
    }
}

/// Shows an app.
pub(super) async fn show(
    State(control): State<Arc<Control>>,
    caller: Caller,
    At(id): At<String>,
) -> Result<Output<AppView>, ApiError> {
    Ok(Output(AppView::of(&app(&control, &caller, &id, Action::ReadStack).await?)))
}

/// Changes the configuration and annotations of an app.
pub(super) async fn change(
    State(control): State<Arc<Control>>,
    caller: Caller,
    At(id): At<String>,
    Body(input): Body<AppInput>,
) -> Result<Output<AppView>, ApiError> {
    let record = app(&control, &caller, &id, Action::SetConfig).await?;
    caller.to(record.name.as_str());
    if given(input.id.as_ref()).is_some_and(|given| given != id) {
        return Err(ApiError::invalid("App ID in path does not match ID in body"));
    }
    if given(input.name.as_ref()).is_some_and(|given| given != record.name.as_str()) {
        return Err(ApiError::conflict("Could not update - name is immutable"));
    }
    check_syslog(given(input.syslog_url.as_ref()))?;
    let mut annotations = annotations::change(input.annotations, &record.annotations)?;
    let shape = shape(input.shape.as_ref(), "Invalid app shape")?.map(|shape| serde_json::Value::from(shape.as_str()));
    if shape.is_some() && record.annotations.get(SHAPE) != shape.as_ref() {
        annotations.insert(SHAPE.to_owned(), shape);
    }
    let patch = StackPatch { config: config_patch(input.config, &record.config), annotations, ..StackPatch::default() };
    // Functions see nothing of annotations, and are loaded again for the configuration alone.
    let record = match (patch.config.is_empty(), patch.annotations.is_empty()) {
        (true, true) => record,
        (true, false) => control.catalog.change(&record.id, &patch).await?,
        (false, _) => config::set(&control, &record, &patch).await?,
    };
    Ok(Output(AppView::of(&record)))
}

/// Deletes a stack, with all that belongs to it.
pub(super) async fn delete(
    State(control): State<Arc<Control>>,
    caller: Caller,
    At(id): At<String>,
) -> Result<Done, ApiError> {
    let record = app(&control, &caller, &id, Action::DeleteStack).await?;
    caller.to(record.name.as_str());
    let record = control.catalog.delete(&record.id, DataFate::Remove, &caller.principal()).await?;
    control.finish_deletion(&record, DataFate::Remove).await?;
    Ok(Done)
}

/// The stack of this name that is there.
pub(super) async fn by_name(control: &Control, name: &str) -> Result<Option<StackRecord>, ApiError> {
    let Ok(name) = name.parse::<StackName>() else { return Ok(None) };
    match control.catalog.stack(&StackRef::Name(name)).await {
        Ok(record) => Ok(Some(record).filter(|record| record.state == StackState::Active)),
        Err(CatalogError::UnknownStack { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// A shape that was given.
pub(super) fn shape(text: Option<&String>, problem: &str) -> Result<Option<Shape>, ApiError> {
    given(text).map(str::parse).transpose().map_err(|_| ApiError::invalid(problem))
}

/// The name of an app, by Fn's rules and by ours.
fn app_name(text: &str) -> Result<StackName, ApiError> {
    let is_fine = |character: char| character.is_alphanumeric() || matches!(character, '_' | '-');
    match text {
        "" => Err(ApiError::invalid("Missing Name")),
        text if text.len() > NAME_BYTES_MAX => {
            Err(ApiError::invalid(format!("App name must be {NAME_BYTES_MAX} characters or less")))
        }
        text if !text.chars().all(is_fine) => Err(ApiError::invalid("Invalid app name")),
        text => text.parse().map_err(|_| {
            let rule =
                "Fn takes letters of every script, but an app is a stack here, which has A-Z a-z 0-9 _ - in its name";
            ApiError::invalid(format!("Invalid app name: {rule}"))
        }),
    }
}

/// Refuses to send logs elsewhere, with Fn's words when Fn would refuse too.
fn check_syslog(url: Option<&str>) -> Result<(), ApiError> {
    let Some(url) = url else { return Ok(()) };
    let shown = crate::api::error::shown(url);
    let scheme = url.trim().split_once(':').map_or("", |(scheme, _)| scheme);
    if !SYSLOG_SCHEMES.contains(&scheme) {
        let rule = "invalid scheme, only [tcp, udp, unix, unixgram, tcp+tls] are supported";
        return Err(ApiError::invalid(format!("invalid syslog url: \"{shown}\" {rule}")));
    }
    let rule =
        "this node keeps the logs itself and sends them nowhere: leave syslog_url out, and read them with `mu logs`";
    Err(ApiError::invalid(format!("invalid syslog url: \"{shown}\" {rule}")))
}

impl AppView {
    fn of(record: &StackRecord) -> Self {
        Self {
            id: record.id.to_string(),
            name: record.name.to_string(),
            config: record.config.iter().map(|(name, value)| (name.to_owned(), value.into())).collect(),
            annotations: annotations::shown(&record.annotations),
            shape: record.annotations.get(SHAPE).cloned(),
            created_at: record.created.to_string(),
            updated_at: record.updated.to_string(),
        }
    }
}

/// The app of this name, for a caller who may do this to it.
pub(super) async fn named(
    control: &Control,
    caller: &Caller,
    name: &str,
    action: Action,
) -> Result<StackRecord, ApiError> {
    match by_name(control, name).await? {
        Some(record) => super::app_by_id(control, caller, &record.id, action).await,
        None => Err(super::absent(control, caller, action, no_app()).await),
    }
}
