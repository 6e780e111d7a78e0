//! Artifacts: the code of functions, uploaded in pieces that can be continued after an interruption.

use std::convert::Infallible;
use std::sync::Arc;

use axum::extract::State;
use bytes::Bytes;
use http::{HeaderMap, HeaderName};
use mu_telemetry::Limit;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::{StackPath, found};
use crate::access::Action;
use crate::api::Control;
use crate::api::error::ApiError;
use crate::api::front::Caller;
use crate::api::input::{At, Created, Done, Input, Output};
use crate::catalog::limits::{ASKED_ARTIFACTS_MAX, PIECE_BYTES_MAX};
use crate::catalog::{ArtifactError, ArtifactHash, Upload};

// The description of the API takes numbers only as they are written.
const _: () = assert!(ASKED_ARTIFACTS_MAX == 256, "`Wanted` describes another limit");

const UPLOAD_OFFSET: HeaderName = HeaderName::from_static("upload-offset");

pub(super) fn router() -> OpenApiRouter<Arc<Control>> {
    OpenApiRouter::new().routes(routes!(missing)).routes(routes!(create)).routes(routes!(show, append, cancel))
}

/// Artifacts that a version is to be made of.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Wanted {
    /// Their hashes (BLAKE3, hexadecimal), at most 256.
    #[schema(max_items = 256, value_type = Vec<Blake3>)]
    hashes: Vec<String>,
}

/// A BLAKE3 hash: 64 hexadecimal digits.
#[derive(ToSchema)]
#[schema(pattern = "^[0-9a-f]{64}$")]
#[expect(dead_code, reason = "it describes")]
struct Blake3(String);

/// Artifacts that have to be uploaded.
#[derive(Debug, Serialize, ToSchema)]
struct Missing {
    /// Their hashes.
    missing: Vec<String>,
}

/// An artifact that is about to be uploaded.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct CreateUpload {
    /// Its hash (BLAKE3, 64 hexadecimal digits).
    #[schema(pattern = "^[0-9a-f]{64}$")]
    hash: String,
    /// Its size in bytes.
    #[schema(minimum = 1)]
    bytes: u64,
}

/// An upload.
#[derive(Debug, Serialize, ToSchema)]
struct UploadView {
    /// Its id.
    id: String,
    /// The hash that its bytes have to have.
    hash: String,
    /// How many bytes have arrived: where to continue.
    offset: u64,
    /// How many there are to be.
    bytes: Option<u64>,
    /// How many bytes one request may bring.
    piece_bytes_max: usize,
    /// Whether all have arrived and are what they have to be. The upload is over then.
    complete: bool,
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
struct UploadPath {
    /// The stack's id or name.
    #[param(min_length = 1, max_length = 255, pattern = "^[A-Za-z0-9_-]+$")]
    stack: String,
    /// The upload's id.
    #[param(min_length = 1, max_length = 64)]
    id: String,
}

/// Ask which artifacts have to be uploaded
///
/// An artifact counts as there when the stack uses it already or whoever asks has uploaded it.
#[utoipa::path(post, path = "/v1/stacks/{stack}/artifacts/missing", tag = "artifacts", params(StackPath), request_body = Wanted, responses((status = 200, body = Missing)))]
async fn missing(
    State(control): State<Arc<Control>>,
    caller: Caller,
    At(path): At<StackPath>,
    Input(input): Input<Wanted>,
) -> Result<Output<Missing>, ApiError> {
    let stack = found(&control, &caller, &path.stack, Action::DeployStack).await?;
    let hashes = input.hashes.iter().map(|hash| parse_hash(hash)).collect::<Result<Vec<_>, _>>()?;
    let missing = control.artifacts.missing(&caller.principal(), Some(&stack.id), &hashes).await?;
    Ok(Output(Missing { missing: missing.iter().map(ToString::to_string).collect() }))
}

/// Begin an upload, or find the one of the same artifact that was begun
#[utoipa::path(post, path = "/v1/stacks/{stack}/uploads", tag = "artifacts", params(StackPath), request_body = CreateUpload, responses((status = 201, body = UploadView)))]
async fn create(
    State(control): State<Arc<Control>>,
    caller: Caller,
    At(path): At<StackPath>,
    Input(input): Input<CreateUpload>,
) -> Result<Created<UploadView>, ApiError> {
    found(&control, &caller, &path.stack, Action::DeployStack).await?;
    if input.bytes == 0 {
        return Err(ApiError::invalid("`bytes`: there is nothing to upload"));
    }
    let hash = parse_hash(&input.hash)?;
    caller.to(input.hash);
    let upload = control.artifacts.create_upload(&caller.principal(), hash, Some(input.bytes)).await;
    let upload = upload.inspect_err(|error| count(&control, error))?;
    Ok(Created(UploadView::open(&upload)))
}

/// Ask how far an upload has come
#[utoipa::path(get, path = "/v1/stacks/{stack}/uploads/{id}", tag = "artifacts", params(UploadPath), responses((status = 200, body = UploadView)))]
async fn show(
    State(control): State<Arc<Control>>,
    caller: Caller,
    At(path): At<UploadPath>,
) -> Result<Output<UploadView>, ApiError> {
    found(&control, &caller, &path.stack, Action::DeployStack).await?;
    let upload = control.artifacts.upload(&caller.principal(), parse_id(&path.id)?).await?;
    Ok(Output(UploadView::open(&upload)))
}

/// Send the next bytes of an upload
///
/// The header `upload-offset` says where they belong, which is where the bytes before them end; otherwise the answer is
/// 409 with the right offset in `details`. With its last byte the artifact is checked against its hash.
#[utoipa::path(patch, path = "/v1/stacks/{stack}/uploads/{id}", tag = "artifacts", params(UploadPath, ("upload-offset" = u64, Header, description = "Where the bytes belong")), request_body(content = Vec<u8>, content_type = "application/octet-stream"), responses((status = 200, body = UploadView)))]
async fn append(
    State(control): State<Arc<Control>>,
    caller: Caller,
    At(path): At<UploadPath>,
    headers: HeaderMap,
    content: Bytes,
) -> Result<Output<UploadView>, ApiError> {
    found(&control, &caller, &path.stack, Action::DeployStack).await?;
    let (principal, id) = (caller.principal(), parse_id(&path.id)?);
    let offset = headers.get(UPLOAD_OFFSET).and_then(|value| value.to_str().ok()?.parse().ok());
    let offset = offset.ok_or_else(|| ApiError::invalid("the header `upload-offset` says where the bytes belong"))?;
    let upload = control.artifacts.upload(&principal, id).await?;
    caller.to(upload.hash.to_string());
    let content = futures_util::stream::once(async { Ok::<_, Infallible>(content) });
    let length = control.artifacts.append(&principal, id, offset, content).await;
    let length = length.inspect_err(|error| count(&control, error))?;
    let upload = Upload { length, ..upload };
    if upload.size_bytes != Some(length) {
        return Ok(Output(UploadView::open(&upload)));
    }
    control.artifacts.finish_upload(&principal, id).await?;
    Ok(Output(UploadView { complete: true, ..UploadView::open(&upload) }))
}

/// Give an upload up
#[utoipa::path(delete, path = "/v1/stacks/{stack}/uploads/{id}", tag = "artifacts", params(UploadPath), responses((status = 204)))]
async fn cancel(
    State(control): State<Arc<Control>>,
    caller: Caller,
    At(path): At<UploadPath>,
) -> Result<Done, ApiError> {
    found(&control, &caller, &path.stack, Action::DeployStack).await?;
    caller.to(path.id.as_str());
    control.artifacts.cancel_upload(&caller.principal(), parse_id(&path.id)?).await?;
    Ok(Done)
}

fn count(control: &Control, error: &ArtifactError) {
    if matches!(error, ArtifactError::TooLarge { .. }) {
        control.metrics.limit_hit(Limit::ApiUploadBytes);
    }
}

fn parse_hash(text: &str) -> Result<ArtifactHash, ApiError> {
    text.parse().map_err(|e| ApiError::invalid(format!("`{}`: {e}", super::super::shown(text))))
}

fn parse_id(text: &str) -> Result<mu_storage::UploadId, ApiError> {
    text.parse()
        .map_err(|_| ApiError::not_found("there is no such upload: begin one with POST /v1/stacks/{stack}/uploads"))
}

impl UploadView {
    fn open(upload: &Upload) -> Self {
        let (id, hash) = (upload.id.to_string(), upload.hash.to_string());
        Self {
            id,
            hash,
            offset: upload.length,
            bytes: upload.size_bytes,
            piece_bytes_max: PIECE_BYTES_MAX,
            complete: false,
        }
    }
}
