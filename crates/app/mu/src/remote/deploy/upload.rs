//! Sends a module in pieces, and goes on where an interruption left it.

use std::time::Duration;

use http::{HeaderName, HeaderValue, Method};
use serde::Deserialize;
use serde_json::json;

use super::Module;
use crate::client::{Call, CallError, Client, path};
use crate::failure::{Cause, Failure};
use crate::terminal::{Bar, printable};

/// Bytes of a piece, unless the node says how much it takes at once.
const PIECE_BYTES: usize = 1 << 20;
/// More than this is lost too often on the way.
const PIECE_BYTES_MAX: usize = 4 << 20;
/// A node that takes less than this at once is misconfigured.
const PIECE_BYTES_MIN: usize = 64 << 10;
/// How often something may go wrong before a byte more has arrived.
const SURPRISES_MAX: u32 = 8;

/// How long a piece may take, over a slow line.
const PATIENCE: Duration = Duration::from_secs(300);

const UPLOAD_OFFSET: HeaderName = HeaderName::from_static("upload-offset");

/// An upload, as the node sees it.
#[derive(Debug, Deserialize)]
struct UploadView {
    id: String,
    #[serde(default)]
    offset: u64,
    #[serde(default)]
    complete: bool,
    /// How many bytes the node takes at once, if it says so.
    piece_bytes_max: Option<usize>,
}

/// Uploads a module, or what the node lacks of it.
pub(super) fn upload(client: &Client, stack: &str, module: &Module) -> Result<(), Failure> {
    let size = module.bytes.len() as u64;
    let bar = Bar::start(format!("Uploading {}", module.function), size);
    let mut state = begin(client, stack, module)?;
    let mut piece_bytes = state.piece_bytes_max.unwrap_or(PIECE_BYTES).clamp(PIECE_BYTES_MIN, PIECE_BYTES_MAX);
    let (mut surprises, mut furthest) = (0, state.offset);
    while !state.complete {
        bar.at(state.offset);
        let error = match send_piece(
            client,
            &path(&["stacks", stack, "uploads", &state.id]),
            module,
            state.offset,
            piece_bytes,
        ) {
            Ok(next) => {
                if next.offset > furthest {
                    (surprises, furthest) = (0, next.offset);
                }
                state = next;
                continue;
            }
            Err(error) => error,
        };
        surprises += 1;
        if surprises > SURPRISES_MAX {
            return Err(error.into());
        }
        match surprise(&error, size) {
            Surprise::GoTo(offset) => state.offset = offset,
            Surprise::BeginAgain => state = begin(client, stack, module)?,
            Surprise::TooMuch => {
                piece_bytes = (piece_bytes / 2).max(PIECE_BYTES_MIN);
                state = begin(client, stack, module)?;
            }
            Surprise::OtherBytes => {
                let message = format!("uploading {}: other bytes arrived than were sent", printable(&module.function));
                return Err(Failure::new(Cause::Failed, message).hint("try again; was the module replaced meanwhile?"));
            }
            Surprise::No => return Err(error.into()),
        }
    }
    Ok(())
}

/// What to do when a piece is not taken.
enum Surprise {
    /// A piece had arrived, and its answer had not.
    GoTo(u64),
    /// The upload had been ended, or given up.
    BeginAgain,
    /// The piece is too large. A node may hang up on one before it is sent, so that its answer is lost.
    TooMuch,
    /// What arrived is not what was to arrive.
    OtherBytes,
    /// The node says no.
    No,
}

fn surprise(error: &CallError, size: u64) -> Surprise {
    if matches!(error, CallError::Lost { .. }) {
        return Surprise::TooMuch;
    }
    let Some(refusal) = error.refusal() else { return Surprise::No };
    match (refusal.status, refusal.code.as_str()) {
        (409, "wrong_offset") => {
            let offset = refusal.details.get("offset").and_then(serde_json::Value::as_u64);
            offset.filter(|offset| *offset <= size).map_or(Surprise::No, Surprise::GoTo)
        }
        (404, _) => Surprise::BeginAgain,
        (413, _) => Surprise::TooMuch,
        (400, "hash_mismatch") => Surprise::OtherBytes,
        _ => Surprise::No,
    }
}

/// Begins an upload, or finds the one that was begun.
fn begin(client: &Client, stack: &str, module: &Module) -> Result<UploadView, CallError> {
    let order = json!({"hash": module.hash.to_string(), "bytes": module.bytes.len()});
    // Without a key: asked again later, it is to say how far the upload has come by then.
    client.ask(&Call::order(Method::POST, path(&["stacks", stack, "uploads"]), &order).without_key())
}

/// Sends the next bytes. Whoever calls sees to what goes wrong, and asks again where to go on.
fn send_piece(
    client: &Client,
    upload: &str,
    module: &Module,
    offset: u64,
    bytes_max: usize,
) -> Result<UploadView, CallError> {
    let start = usize::try_from(offset).unwrap_or(usize::MAX).min(module.bytes.len());
    let end = start.saturating_add(bytes_max).min(module.bytes.len());
    let call = Call::bytes(Method::PATCH, upload, &module.bytes[start..end]);
    client.ask(&call.header(UPLOAD_OFFSET, HeaderValue::from(start as u64)).patience(PATIENCE).lost_at_once())
}
