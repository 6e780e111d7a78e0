//! `/v2/fns`: fns that were made here, and the functions of the served version, which are only read.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::State;
use mu_stack::limits::NAME_BYTES_MAX;
use mu_stack::{Function, FunctionName, ImageRef, InvalidImage, NameError, StackId};
use serde::{Deserialize, Serialize};

use super::annotations::{self, INVOKE_ENDPOINT, OF_MU, SHAPE};
use super::input::{Body, Config, config_patch, given, variables};
use super::page::{List, ListQuery, cut};
use super::{absent, app, base_url, unless_denied};
use crate::access::Action;
use crate::api::Control;
use crate::api::error::ApiError;
use crate::api::front::Caller;
use crate::api::input::{At, Done, Output, Params};
use crate::api::v1::stacks;
use crate::catalog::fns::{FnError, FnPatch, FnRecord, FnRef, NewFn, ObjectId, Shape};
use crate::catalog::{Annotations, StackRecord, StoredVersion};

const MEMORY_MIB_DEFAULT: u64 = 128;
const MEMORY_MIB_MAX: u64 = 8 * 1024;
const TIMEOUT_S_DEFAULT: u32 = 30;
const TIMEOUT_S_MAX: u32 = 300;
const IDLE_TIMEOUT_S_DEFAULT: u32 = 30;
const IDLE_TIMEOUT_S_MAX: u32 = 3_600;

/// A fn.
#[derive(Debug, Serialize)]
pub(super) struct FnView {
    id: String,
    name: String,
    app_id: String,
    image: String,
    memory: u64,
    timeout: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    idle_timeout: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    shape: Option<&'static str>,
    config: BTreeMap<String, String>,
    annotations: Annotations,
    created_at: String,
    updated_at: String,
}

/// A fn as clients send it. They send times as well, which are passed over.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct FnInput {
    id: Option<String>,
    name: Option<String>,
    app_id: Option<String>,
    image: Option<String>,
    memory: Option<u64>,
    timeout: Option<i32>,
    idle_timeout: Option<i32>,
    shape: Option<String>,
    config: Option<Config>,
    annotations: annotations::Given,
}

/// What a fn's id leads to.
pub(super) enum Found {
    /// A fn that was made here.
    Made(FnRecord),
    /// A function of the served version.
    Deployed(Box<StoredVersion>, Box<Function>),
}

/// Lists the fns of an app.
pub(super) async fn list(
    State(control): State<Arc<Control>>,
    caller: Caller,
    Params(query): Params<ListQuery>,
) -> Result<Output<List<FnView>>, ApiError> {
    let app = of_app(&control, &caller, query.app_id(), Action::ReadStack).await?;
    let after = query.after()?;
    let served = stacks::served(&control, &app.id).await?;
    let deployed = served.iter().flat_map(|version| version.stack.functions());
    let mut fns: BTreeMap<FunctionName, Listed<'_>> =
        deployed.map(|function| (function.name.clone(), Listed::Deployed(function))).collect();
    // One that was made here hides a function that was deployed later: else it could not be found by its name, which is
    // how clients find what they change and delete.
    let made = control.catalog.fn_names(&app.id).await?;
    fns.extend(made.into_iter().map(|(name, id)| (name, Listed::Made(id))));
    let wanted = fns.into_iter().filter(|(name, _)| {
        query.name().is_none_or(|wanted| wanted == name.as_str())
            && after.as_deref().is_none_or(|after| after < name.as_str())
    });
    let (page, next) = cut(wanted, query.per_page(), |(name, _)| name.to_string());
    let (mut items, base) = (Vec::with_capacity(page.len()), base_url(&caller));
    for (_, listed) in page {
        match (listed, &served) {
            (Listed::Deployed(function), Some(version)) => items.push(FnView::deployed(version, function, &base)),
            (Listed::Deployed(_), None) => {}
            (Listed::Made(id), _) => match control.catalog.made_fn(id).await {
                Ok(record) => items.push(FnView::made(&record, &base)),
                // It was deleted meanwhile.
                Err(FnError::UnknownFn) => {}
                Err(error) => return Err(error.into()),
            },
        }
    }
    Ok(Output(List::new(items, next)))
}

enum Listed<'v> {
    Made(ObjectId),
    Deployed(&'v Function),
}

/// Makes a fn.
pub(super) async fn create(
    State(control): State<Arc<Control>>,
    caller: Caller,
    Body(input): Body<FnInput>,
) -> Result<Output<FnView>, ApiError> {
    let app = of_app(&control, &caller, given(input.app_id.as_ref()), Action::ChangeFns).await?;
    if given(input.id.as_ref()).is_some() {
        return Err(ApiError::invalid("ID cannot be provided for Fn creation"));
    }
    let name: FunctionName =
        given(input.name.as_ref()).unwrap_or_default().parse().map_err(|error| wrong_name(&error))?;
    caller.to(name.as_str());
    let image = image(&input)?.ok_or_else(|| ApiError::invalid("Missing image on Fn"))?;
    let limits = Limits::of(&input)?;
    let app_shape = app.annotations.get(SHAPE).and_then(|shape| shape.as_str()?.parse::<Shape>().ok());
    let new = NewFn {
        image,
        memory_mib: limits.memory_mib.unwrap_or(MEMORY_MIB_DEFAULT),
        timeout_s: limits.timeout_s.unwrap_or(TIMEOUT_S_DEFAULT),
        idle_timeout_s: limits.idle_timeout_s.unwrap_or(IDLE_TIMEOUT_S_DEFAULT),
        shape: super::apps::shape(input.shape.as_ref(), "Invalid Fn shape")?.or(app_shape),
        config: variables(input.config)?,
        annotations: annotations::new(input.annotations)?,
        name,
    };
    let served = stacks::served(&control, &app.id).await?;
    if served.is_some_and(|version| version.stack.function(new.name.as_str()).is_some()) {
        return Err(FnError::FnExists.into());
    }
    let record = control.catalog.create_fn(&app.id, new).await?;
    Ok(Output(FnView::made(&record, &base_url(&caller))))
}

/// Shows a fn.
pub(super) async fn show(
    State(control): State<Arc<Control>>,
    caller: Caller,
    At(id): At<String>,
) -> Result<Output<FnView>, ApiError> {
    let base = base_url(&caller);
    Ok(Output(match find(&control, &caller, &id, Action::ReadStack).await? {
        Found::Made(record) => FnView::made(&record, &base),
        Found::Deployed(version, function) => FnView::deployed(&version, &function, &base),
    }))
}

/// Changes a fn. What is not given stays.
pub(super) async fn change(
    State(control): State<Arc<Control>>,
    caller: Caller,
    At(id): At<String>,
    Body(input): Body<FnInput>,
) -> Result<Output<FnView>, ApiError> {
    let old = made(find(&control, &caller, &id, Action::ChangeFns).await?)?;
    caller.to(old.name.as_str());
    if given(input.id.as_ref()).is_some_and(|given| given != id) {
        return Err(ApiError::invalid("Fn ID in path does not match that in body"));
    }
    let is_other = |given: Option<&str>, own: &str| given.is_some_and(|given| given != own);
    if is_other(given(input.name.as_ref()), old.name.as_str())
        || is_other(given(input.app_id.as_ref()), &old.stack.to_string())
        || is_other(given(input.shape.as_ref()), old.shape.map_or("", Shape::as_str))
    {
        return Err(ApiError::invalid("Fn names, shapes and IDs cannot be modified"));
    }
    let limits = Limits::of(&input)?;
    let patch = FnPatch {
        image: image(&input)?,
        memory_mib: limits.memory_mib,
        timeout_s: limits.timeout_s,
        idle_timeout_s: limits.idle_timeout_s,
        config: config_patch(input.config, &old.config),
        annotations: annotations::change(input.annotations, &old.annotations)?,
    };
    let record = control.catalog.change_fn(old.id, &patch).await?;
    Ok(Output(FnView::made(&record, &base_url(&caller))))
}

/// Deletes a fn with its triggers.
pub(super) async fn delete(
    State(control): State<Arc<Control>>,
    caller: Caller,
    At(id): At<String>,
) -> Result<Done, ApiError> {
    let record = made(find(&control, &caller, &id, Action::ChangeFns).await?)?;
    caller.to(record.name.as_str());
    control.catalog.delete_fn(record.id).await?;
    Ok(Done)
}

/// The fn with this id, for a caller who may do this to its app.
pub(super) async fn find(control: &Control, caller: &Caller, id: &str, action: Action) -> Result<Found, ApiError> {
    let unknown = || ApiError::from(FnError::UnknownFn);
    let Ok(reference) = id.parse::<FnRef>() else { return Err(absent(control, caller, action, unknown()).await) };
    match reference {
        FnRef::Made(id) => {
            let record = match control.catalog.made_fn(id).await {
                Err(FnError::UnknownFn) => return Err(absent(control, caller, action, unknown()).await),
                found => found?,
            };
            let allowed = control.allow(caller, action, Some(record.stack)).await;
            allowed.map_err(|error| unless_denied(error, unknown()))?;
            Ok(Found::Made(record))
        }
        FnRef::Deployed(stack, name) => {
            let allowed = control.allow(caller, action, Some(stack)).await;
            allowed.map_err(|error| unless_denied(error, unknown()))?;
            deployed(control, &stack, &name).await?.ok_or_else(unknown)
        }
    }
}

/// The same for whoever was asked already.
pub(super) async fn called(control: &Control, reference: &FnRef) -> Result<Option<Found>, ApiError> {
    match reference {
        FnRef::Made(id) => match control.catalog.made_fn(*id).await {
            Err(FnError::UnknownFn) => Ok(None),
            found => Ok(Some(Found::Made(found?))),
        },
        FnRef::Deployed(stack, name) => deployed(control, stack, name).await,
    }
}

async fn deployed(control: &Control, stack: &StackId, name: &FunctionName) -> Result<Option<Found>, ApiError> {
    let Some(version) = stacks::served(control, stack).await? else { return Ok(None) };
    let function = version.stack.function(name.as_str()).cloned();
    Ok(function.map(|function| Found::Deployed(Box::new(version), Box::new(function))))
}

/// The app that a list or a new fn belongs to.
async fn of_app(control: &Control, caller: &Caller, id: Option<&str>, action: Action) -> Result<StackRecord, ApiError> {
    match id {
        Some(id) => app(control, caller, id, action).await,
        None => Err(absent(control, caller, action, ApiError::invalid("Missing AppID on Fn")).await),
    }
}

/// Only what was made here can be changed here.
fn made(found: Found) -> Result<FnRecord, ApiError> {
    match found {
        Found::Made(record) => Ok(record),
        Found::Deployed(version, function) => {
            let (name, version) = (&function.name, version.record.number);
            let message = format!(
                "Fn `{name}` is a function of the deployed version {version} and only read here: change it with `mu deploy`"
            );
            Err(ApiError::invalid(message).code("read_only"))
        }
    }
}

fn wrong_name(error: &NameError) -> ApiError {
    ApiError::invalid(match error {
        NameError::Empty { .. } => "Missing Fn name".to_owned(),
        NameError::TooLong { .. } => format!("Fn name must be {NAME_BYTES_MAX} characters or less"),
        NameError::Character { .. } => "name must be a valid string".to_owned(),
    })
}

/// The image that was given.
fn image(input: &FnInput) -> Result<Option<ImageRef>, ApiError> {
    let image = given(input.image.as_ref()).map(str::parse).transpose();
    image.map_err(|InvalidImage| ApiError::invalid("Invalid Fn image"))
}

/// What a fn may use. Zero is not given.
struct Limits {
    memory_mib: Option<u64>,
    timeout_s: Option<u32>,
    idle_timeout_s: Option<u32>,
}

impl Limits {
    fn of(input: &FnInput) -> Result<Self, ApiError> {
        let seconds = |what: &str, given: Option<i32>, max: u32| {
            let wrong = || ApiError::invalid(format!("{what} value is out of range, must be between 0 and {max}"));
            let seconds = u32::try_from(given.unwrap_or(0)).ok().filter(|seconds| *seconds <= max).ok_or_else(wrong)?;
            Ok::<_, ApiError>(Some(seconds).filter(|seconds| *seconds > 0))
        };
        let (timeout_s, idle_timeout_s) = (
            seconds("timeout", input.timeout, TIMEOUT_S_MAX)?,
            seconds("idle_timeout", input.idle_timeout, IDLE_TIMEOUT_S_MAX)?,
        );
        if input.memory.is_some_and(|memory| memory > MEMORY_MIB_MAX) {
            let rule = format!("It should be between 0 and {MEMORY_MIB_MAX}");
            return Err(ApiError::invalid(format!("memory value is out of range. {rule}")));
        }
        Ok(Self { memory_mib: input.memory.filter(|memory| *memory > 0), timeout_s, idle_timeout_s })
    }
}

impl FnView {
    fn made(record: &FnRecord, base: &str) -> Self {
        let mut annotations = annotations::shown(&record.annotations);
        annotations.insert(INVOKE_ENDPOINT.to_owned(), format!("{base}/invoke/{}", record.id).into());
        Self {
            id: record.id.to_string(),
            name: record.name.to_string(),
            app_id: record.stack.to_string(),
            image: record.image.to_string(),
            memory: record.memory_mib,
            timeout: record.timeout_s.into(),
            idle_timeout: Some(record.idle_timeout_s),
            shape: record.shape.map(Shape::as_str),
            config: record.config.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
            annotations,
            created_at: record.created.to_string(),
            updated_at: record.updated.to_string(),
        }
    }

    /// A deployed function, which runs no image: its annotations say what it is.
    fn deployed(version: &StoredVersion, function: &Function, base: &str) -> Self {
        let id = FnRef::Deployed(version.stack_id, function.name.clone()).to_string();
        let number = version.record.number.get();
        let annotations = [
            (INVOKE_ENDPOINT.to_owned(), format!("{base}/invoke/{id}").into()),
            (format!("{OF_MU}read-only"), "deployed with `mu deploy`".into()),
            (format!("{OF_MU}runtime"), function.runtime.as_str().into()),
            (format!("{OF_MU}version"), number.into()),
        ];
        let created_at = version.record.created.to_string();
        Self {
            id,
            name: function.name.to_string(),
            app_id: version.stack_id.to_string(),
            image: String::new(),
            memory: function.limits.memory.bytes().div_ceil(1 << 20),
            timeout: function.limits.timeout.as_millis().div_ceil(1_000).try_into().unwrap_or(u64::MAX),
            idle_timeout: None,
            shape: None,
            config: function.env.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
            annotations: annotations.into(),
            updated_at: created_at.clone(),
            created_at,
        }
    }
}
