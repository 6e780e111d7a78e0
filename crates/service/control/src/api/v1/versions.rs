//! Versions of a stack: made of uploaded artifacts, listed, compared.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::State;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use mu_stack::Stack;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::stacks::version_number;
use super::{StackPath, found};
use crate::access::Action;
use crate::api::Control;
use crate::api::error::{ApiError, Kind};
use crate::api::front::Caller;
use crate::api::input::{At, Created, Input, Output, Params};
use crate::api::page::{Page, PageQuery};
use crate::catalog::{NewVersion, RoutingRecord, StackDiff, VersionNumber, VersionRecord, VersionState};
use crate::region::RegionError;

pub(super) fn router() -> OpenApiRouter<Arc<Control>> {
    OpenApiRouter::new().routes(routes!(list, create)).routes(routes!(show)).routes(routes!(diff))
}

/// A version of a stack.
#[derive(Debug, Serialize, ToSchema)]
struct VersionView {
    /// Its number within the stack, from 1 on.
    number: u64,
    /// What its author calls it: the `version` of the manifest.
    declared: String,
    /// When it was made.
    #[schema(format = DateTime)]
    created_at: String,
    /// Who made it.
    by: String,
    /// What they said about it.
    message: String,
    /// Whether it can be served.
    state: VersionStateView,
    /// Why it cannot.
    error: Option<String>,
    /// The artifact of each function, by the hash of its bytes (BLAKE3, hexadecimal).
    artifacts: BTreeMap<String, String>,
    /// Its share of the requests, in percent.
    weight: u8,
}

/// Whether a version can be served: `preparing`, `ready`, or `failed` for ever.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum VersionStateView {
    Preparing,
    Ready,
    Failed,
}

/// A version with what it consists of.
#[derive(Debug, Serialize, ToSchema)]
struct VersionDetail {
    /// The version.
    version: VersionView,
    /// The manifest it was made from, when that was given.
    manifest: Option<String>,
    /// The stack in its protobuf form, in base64.
    #[schema(format = Byte)]
    stack: String,
}

/// What to make a version of.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct CreateVersion {
    /// The stack in its protobuf form, in base64.
    #[schema(format = Byte)]
    stack: String,
    /// The artifact of each function, by the hash of its bytes (BLAKE3, hexadecimal). All of them were uploaded before.
    artifacts: BTreeMap<String, String>,
    /// The manifest, as its author wrote it.
    manifest: Option<String>,
    /// What to say about the version.
    #[schema(max_length = 4096)]
    message: Option<String>,
    /// Whether it gets all requests as soon as it is ready. When another deploy is activated meanwhile, this one is not.
    #[serde(default)]
    activate: bool,
}

/// One version in a path.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
struct VersionPath {
    /// The stack's id or name.
    #[param(min_length = 1, max_length = 255, pattern = "^[A-Za-z0-9_-]+$")]
    stack: String,
    /// The version's number.
    #[param(minimum = 1)]
    number: u64,
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct DiffQuery {
    /// The version to compare with.
    #[param(minimum = 1)]
    from: u64,
    /// The version that is compared.
    #[param(minimum = 1)]
    to: u64,
}

/// What differs between two versions.
#[derive(Debug, Serialize, ToSchema)]
struct DiffView {
    /// The version to compare with.
    from: u64,
    /// The version that is compared.
    to: u64,
    /// Every difference.
    changes: Vec<ChangeView>,
    /// The same for people.
    text: String,
}

/// One difference.
#[derive(Debug, Serialize, ToSchema)]
struct ChangeView {
    /// Where: `Function hello: limits.memory`, or a field of the stack itself.
    path: String,
    /// What it was; null when it was not there.
    from: Option<String>,
    /// What it is; null when it is no longer there.
    to: Option<String>,
}

/// List versions, newest first
#[utoipa::path(get, path = "/v1/stacks/{stack}/versions", tag = "versions", params(StackPath, PageQuery), responses((status = 200, body = Page<VersionView>)))]
async fn list(
    State(control): State<Arc<Control>>,
    caller: Caller,
    At(path): At<StackPath>,
    Params(query): Params<PageQuery>,
) -> Result<Output<Page<VersionView>>, ApiError> {
    let stack = found(&control, &caller, &path.stack, Action::ReadStack).await?;
    let before: Option<u64> = query.after()?;
    let before = before.map(version_number).transpose()?;
    let page = control.catalog.versions(&stack.id, before, query.limit()?).await?;
    let routing = control.catalog.routing(&stack.id).await?;
    let items = page.versions.into_iter().map(|version| VersionView::new(version, routing.as_ref()));
    Ok(Output(Page::new(items.collect(), page.next.map(VersionNumber::get))?))
}

/// Make a version, compile it and, if asked, serve it
///
/// A version whose functions cannot be loaded is kept as failed, is never served, and changes nothing.
#[utoipa::path(post, path = "/v1/stacks/{stack}/versions", tag = "versions", params(StackPath), request_body = CreateVersion, responses((status = 201, body = VersionView)))]
async fn create(
    State(control): State<Arc<Control>>,
    caller: Caller,
    At(path): At<StackPath>,
    Input(input): Input<CreateVersion>,
) -> Result<Created<VersionView>, ApiError> {
    let stack = found(&control, &caller, &path.stack, Action::DeployStack).await?;
    let new = new_version(input.stack.as_str(), &input, caller.principal())?;
    let begun = control.catalog.begin_version(&stack.id, new).await?;
    let number = begun.version.record.number;
    caller.to(number.to_string());
    let prepared = control.region.prepare(&stack.id, &begun.version).await;
    let record = match prepared {
        Ok(()) => control.catalog.version_prepared(&stack.id, number).await?,
        Err(RegionError::NotLoadable(reason)) => {
            control.catalog.version_failed(&stack.id, number, &reason).await?;
            let message = format!("version {number} cannot run: {reason}");
            return Err(ApiError::new(Kind::NotLoadable, message).detail("version", number.get()));
        }
        Err(error) => return Err(error.into()),
    };
    if !input.activate {
        return Ok(Created(VersionView::new(record, control.catalog.routing(&stack.id).await?.as_ref())));
    }
    let (by, why) = (caller.principal(), "deployed");
    let routing = control.catalog.activate(&stack.id, number, Some(begun.routing_revision), &by, why).await?;
    control.serve(&stack.id).await?;
    Ok(Created(VersionView::new(record, Some(&routing))))
}

/// Show a version
#[utoipa::path(get, path = "/v1/stacks/{stack}/versions/{number}", tag = "versions", params(VersionPath), responses((status = 200, body = VersionDetail)))]
async fn show(
    State(control): State<Arc<Control>>,
    caller: Caller,
    At(path): At<VersionPath>,
) -> Result<Output<VersionDetail>, ApiError> {
    let stack = found(&control, &caller, &path.stack, Action::ReadStack).await?;
    let number = version_number(path.number)?;
    let version = control.catalog.version(&stack.id, number).await?;
    let manifest = control.catalog.manifest(&stack.id, number).await?;
    let routing = control.catalog.routing(&stack.id).await?;
    let proto = version.stack.to_proto_bytes().map_err(|e| ApiError::internal(&e))?;
    let version = VersionView::new(version.record, routing.as_ref());
    Ok(Output(VersionDetail { version, manifest, stack: STANDARD.encode(proto) }))
}

/// Compare two versions
#[utoipa::path(get, path = "/v1/stacks/{stack}/diff", tag = "versions", params(StackPath, DiffQuery), responses((status = 200, body = DiffView)))]
async fn diff(
    State(control): State<Arc<Control>>,
    caller: Caller,
    At(path): At<StackPath>,
    Params(query): Params<DiffQuery>,
) -> Result<Output<DiffView>, ApiError> {
    let stack = found(&control, &caller, &path.stack, Action::ReadStack).await?;
    let old = control.catalog.version(&stack.id, version_number(query.from)?).await?;
    let new = control.catalog.version(&stack.id, version_number(query.to)?).await?;
    let diff = StackDiff::between(&old.stack, &new.stack);
    Ok(Output(DiffView { from: query.from, to: query.to, text: diff.to_string(), changes: changes(&diff) }))
}

fn new_version(stack: &str, input: &CreateVersion, by: String) -> Result<NewVersion, ApiError> {
    let bytes = STANDARD.decode(stack).map_err(|e| ApiError::invalid(format!("`stack` is not base64: {e}")))?;
    let stack = Stack::from_proto_bytes(&bytes).map_err(|e| ApiError::invalid(format!("`stack`: {e}")))?;
    let artifact = |(function, hash): (&String, &String)| {
        let name = function.parse().map_err(|e| ApiError::invalid(format!("`artifacts`: {e}")))?;
        let hash = hash.parse().map_err(|e| ApiError::invalid(format!("`artifacts`: `{function}`: {e}")))?;
        Ok((name, hash))
    };
    let artifacts = input.artifacts.iter().map(artifact).collect::<Result<_, ApiError>>()?;
    let message = input.message.clone().unwrap_or_default();
    Ok(NewVersion { stack, artifacts, manifest: input.manifest.clone(), message, by })
}

fn changes(diff: &StackDiff) -> Vec<ChangeView> {
    let own = diff.fields.iter().map(|field| ("".to_owned(), field));
    let services = diff.services.iter().flat_map(|service| {
        let prefix = format!("{} {}: ", service.kind, service.name);
        service.fields.iter().map(move |field| (prefix.clone(), field))
    });
    let view = |(prefix, field): (String, &crate::catalog::FieldChange)| ChangeView {
        path: format!("{prefix}{}", field.field),
        from: field.old.clone(),
        to: field.new.clone(),
    };
    own.chain(services).map(view).collect()
}

impl VersionView {
    fn new(record: VersionRecord, routing: Option<&RoutingRecord>) -> Self {
        let weights = routing.iter().flat_map(|routing| routing.routing.weights());
        let weight = weights.filter(|weight| weight.version == record.number).map(|weight| weight.percent).sum();
        let (state, error) = match record.state {
            VersionState::Unprepared => (VersionStateView::Preparing, None),
            VersionState::Ready => (VersionStateView::Ready, None),
            VersionState::Failed { failure } => (VersionStateView::Failed, Some(failure)),
        };
        Self {
            number: record.number.get(),
            declared: record.declared,
            created_at: record.created.to_string(),
            by: record.by,
            message: record.message,
            state,
            error,
            artifacts: record.artifacts.iter().map(|(name, hash)| (name.to_string(), hash.to_string())).collect(),
            weight,
        }
    }
}
