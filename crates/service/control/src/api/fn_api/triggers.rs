//! `/v2/triggers`: paths of an app that lead to its fns.

use std::sync::Arc;

use axum::extract::State;
use serde::{Deserialize, Serialize};

use super::annotations::{self, HTTP_ENDPOINT};
use super::fns::{Found, called};
use super::input::{Body, given, has_time, parsed};
use super::page::{List, ListQuery, cut};
use super::{absent, app, app_by_id, base_url, unless_denied};
use crate::access::Action;
use crate::api::Control;
use crate::api::error::ApiError;
use crate::api::front::Caller;
use crate::api::input::{At, Done, Output, Params};
use crate::catalog::fns::{
    FnError, FnRef, InvalidSource, InvalidTriggerName, NewTrigger, TriggerEntry, TriggerPatch, TriggerRecord,
};
use crate::catalog::{Annotations, StackRecord};

/// The only type there is.
const HTTP: &str = "http";

/// Between the parts of a cursor; in no name.
const SEPARATOR: char = '/';

/// A trigger.
#[derive(Debug, Serialize)]
pub(super) struct TriggerView {
    id: String,
    name: String,
    app_id: String,
    fn_id: String,
    #[serde(rename = "type")]
    kind: &'static str,
    source: String,
    annotations: Annotations,
    created_at: String,
    updated_at: String,
}

/// A trigger as clients send it.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct TriggerInput {
    id: Option<String>,
    name: Option<String>,
    app_id: Option<String>,
    fn_id: Option<String>,
    #[serde(rename = "type")]
    kind: Option<String>,
    source: Option<String>,
    annotations: annotations::Given,
    created_at: Option<String>,
    updated_at: Option<String>,
}

/// Lists the triggers of an app, or of one of its fns.
pub(super) async fn list(
    State(control): State<Arc<Control>>,
    caller: Caller,
    Params(query): Params<ListQuery>,
) -> Result<Output<List<TriggerView>>, ApiError> {
    let app = of_app(&control, &caller, query.app_id(), Action::ReadStack).await?;
    let after = query.after()?;
    let entries = match query.fn_id().map(str::parse::<FnRef>) {
        None => control.catalog.trigger_entries(&app.id, None).await?,
        Some(Ok(of)) => control.catalog.trigger_entries(&app.id, Some(&of)).await?,
        Some(Err(_)) => Vec::new(),
    };
    // Triggers of several fns may have one name, which alone would not say where a page ended.
    let place = |entry: &TriggerEntry| format!("{}{SEPARATOR}{}", entry.name, entry.id);
    let is_after = |entry: &TriggerEntry| {
        let after = after.as_deref().map(|after| after.split_once(SEPARATOR).unwrap_or((after, "~")));
        after.is_none_or(|after| after < (entry.name.as_str(), entry.id.to_string().as_str()))
    };
    let is_wanted = |entry: &TriggerEntry| query.name().is_none_or(|name| name == entry.name.as_str());
    let wanted = entries.into_iter().filter(|entry| is_wanted(entry) && is_after(entry));
    let (page, next) = cut(wanted, query.per_page(), place);
    let (mut items, base) = (Vec::with_capacity(page.len()), base_url(&caller));
    for entry in page {
        match control.catalog.trigger(entry.id).await {
            Ok(record) => items.push(TriggerView::of(&record, &app, &base)),
            // It was deleted meanwhile.
            Err(FnError::UnknownTrigger) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(Output(List::new(items, next)))
}

/// Makes a trigger.
pub(super) async fn create(
    State(control): State<Arc<Control>>,
    caller: Caller,
    Body(input): Body<TriggerInput>,
) -> Result<Output<TriggerView>, ApiError> {
    let app = of_app(&control, &caller, given(input.app_id.as_ref()), Action::ChangeFns).await?;
    for (is_given, problem) in [
        (given(input.id.as_ref()).is_some(), "ID cannot be provided for Trigger creation"),
        (has_time(input.created_at.as_ref()), "Trigger Created At Provided for Create"),
        (has_time(input.updated_at.as_ref()), "Trigger Updated At Provided for Create"),
    ] {
        if is_given {
            return Err(ApiError::invalid(problem));
        }
    }
    let missing = |error: &dyn std::fmt::Display| ApiError::invalid(error.to_string());
    let name = parsed(input.name.as_ref())?.ok_or_else(|| missing(&InvalidTriggerName::Missing))?;
    let Some(fn_id) = given(input.fn_id.as_ref()) else {
        return Err(ApiError::invalid("Missing Fn ID on Trigger"));
    };
    check_kind(Some(given(input.kind.as_ref()).unwrap_or_default()))?;
    let source = parsed(input.source.as_ref())?.ok_or_else(|| missing(&InvalidSource::Missing))?;
    let annotations = annotations::new(input.annotations)?;
    let calls: FnRef = fn_id.parse().map_err(|_| ApiError::from(FnError::UnknownFn))?;
    let owner = match called(&control, &calls).await? {
        Some(Found::Made(record)) => record.stack,
        Some(Found::Deployed(version, _)) => version.stack_id,
        None => return Err(FnError::UnknownFn.into()),
    };
    if owner != app.id {
        return Err(ApiError::invalid("Invalid Fn ID - not owned by specified app"));
    }
    let record = control.catalog.create_trigger(&app.id, NewTrigger { name, calls, source, annotations }).await?;
    caller.to(record.name.as_str());
    Ok(Output(TriggerView::of(&record, &app, &base_url(&caller))))
}

/// Shows a trigger.
pub(super) async fn show(
    State(control): State<Arc<Control>>,
    caller: Caller,
    At(id): At<String>,
) -> Result<Output<TriggerView>, ApiError> {
    let (record, app) = find(&control, &caller, &id, Action::ReadStack).await?;
    Ok(Output(TriggerView::of(&record, &app, &base_url(&caller))))
}

/// Changes a trigger. What is not given stays.
pub(super) async fn change(
    State(control): State<Arc<Control>>,
    caller: Caller,
    At(id): At<String>,
    Body(input): Body<TriggerInput>,
) -> Result<Output<TriggerView>, ApiError> {
    let (old, app) = find(&control, &caller, &id, Action::ChangeFns).await?;
    caller.to(old.name.as_str());
    if given(input.id.as_ref()).is_some_and(|given| given != id) {
        return Err(ApiError::invalid("ID in path does not match ID in body"));
    }
    let is_other = |given: Option<&str>, own: String| given.is_some_and(|given| given != own);
    if is_other(given(input.app_id.as_ref()), old.stack.to_string())
        || is_other(given(input.fn_id.as_ref()), old.calls.to_string())
    {
        return Err(ApiError::invalid("The app and the Fn of a Trigger cannot be modified"));
    }
    check_kind(given(input.kind.as_ref()))?;
    let patch = TriggerPatch {
        name: parsed(input.name.as_ref())?,
        source: parsed(input.source.as_ref())?,
        annotations: annotations::change(input.annotations, &old.annotations)?,
    };
    let record = control.catalog.change_trigger(old.id, &patch).await?;
    Ok(Output(TriggerView::of(&record, &app, &base_url(&caller))))
}

/// Deletes a trigger.
pub(super) async fn delete(
    State(control): State<Arc<Control>>,
    caller: Caller,
    At(id): At<String>,
) -> Result<Done, ApiError> {
    let (record, _) = find(&control, &caller, &id, Action::ChangeFns).await?;
    caller.to(record.name.as_str());
    control.catalog.delete_trigger(record.id).await?;
    Ok(Done)
}

/// The trigger with this id and its app, for a caller who may do this to it.
async fn find(
    control: &Control,
    caller: &Caller,
    id: &str,
    action: Action,
) -> Result<(TriggerRecord, StackRecord), ApiError> {
    let unknown = || ApiError::from(FnError::UnknownTrigger);
    let found = match id.parse() {
        Ok(id) => control.catalog.trigger(id).await,
        Err(_) => Err(FnError::UnknownTrigger),
    };
    let record = match found {
        Err(FnError::UnknownTrigger) => return Err(absent(control, caller, action, unknown()).await),
        found => found?,
    };
    let app = app_by_id(control, caller, &record.stack, action).await;
    Ok((record, app.map_err(|error| unless_denied(error, unknown()))?))
}

/// The app that a list or a new trigger belongs to.
async fn of_app(control: &Control, caller: &Caller, id: Option<&str>, action: Action) -> Result<StackRecord, ApiError> {
    match id {
        Some(id) => app(control, caller, id, action).await,
        None => Err(absent(control, caller, action, ApiError::invalid("Missing App ID on Trigger")).await),
    }
}

fn check_kind(kind: Option<&str>) -> Result<(), ApiError> {
    if kind.is_none_or(|kind| kind == HTTP) { Ok(()) } else { Err(ApiError::invalid("Trigger Type Not Supported")) }
}

impl TriggerView {
    fn of(record: &TriggerRecord, app: &StackRecord, base: &str) -> Self {
        let mut annotations = annotations::shown(&record.annotations);
        annotations.insert(HTTP_ENDPOINT.to_owned(), format!("{base}/t/{}{}", app.name, record.source).into());
        Self {
            id: record.id.to_string(),
            name: record.name.to_string(),
            app_id: record.stack.to_string(),
            fn_id: record.calls.to_string(),
            kind: HTTP,
            source: record.source.to_string(),
            annotations,
            created_at: record.created.to_string(),
            updated_at: record.updated.to_string(),
        }
    }
}
