//! Sends a module in pieces, and goes on where an interruption left it.

use http::{HeaderName, HeaderValue, Method};
use serde::Deserialize;
use serde_json::json;

use super::Module;
use crate::client::{Call, CallError, Client, path};
use crate::failure::{Cause, Failure};
use crate::terminal::{Bar, printable};

/// Bytes of a piece.
const PIECE_BYTES: usize = 4 << 20;
/// A node that takes less than this at once is misconfigured.
const PIECE_BYTES_MIN: usize = 64 << 10;
/// How often the node may send back to another place before it is given up.
const SURPRISES_MAX: u32 = 8;

const UPLOAD_OFFSET: HeaderName = HeaderName::from_static("upload-offset");

/// An upload, as the node sees it.
#[derive(Debug, Deserialize)]
struct UploadView {
    id: String,
    #[serde(default)]
    offset: u64,
    #[serde(default)]
    complete: bool,
}

/// Uploads a module, or what the node lacks of it.
pub(super) fn upload(client: &Client, module: &Module) -> Result<(), Failure> {
    let size = module.bytes.len() as u64;
    let bar = Bar::start(format!("Uploading {}", module.function), size);
    let (mut piece_bytes, mut surprises) = (PIECE_BYTES, 0);
    let mut state = begin(client, module)?;
    while !state.complete {
        bar.at(state.offset);
        let error = match send_piece(client, module, &state, piece_bytes) {
            Ok(next) => {
                state = next;
                continue;
            }
            Err(error) => error,
        };
        surprises += 1;
        if surprises > SURPRISES_MAX {
            return Err(error.into());
        }
        let refusal = error.refusal().map(|refusal| (refusal.status, refusal.code.as_str(), &refusal.details));
        match refusal {
            // A piece had arrived, and its answer had not.
            Some((409, "wrong_offset", details)) if details["offset"].as_u64().is_some_and(|offset| offset <= size) => {
                state.offset = details["offset"].as_u64().unwrap_or_default();
            }
            // It had been ended, or was given up in between.
            Some((404, ..)) => state = begin(client, module)?,
            Some((413, ..)) if piece_bytes > PIECE_BYTES_MIN => piece_bytes /= 2,
            Some((400, "hash_mismatch", _)) => {
                let message = format!("uploading {}: other bytes arrived than were sent", printable(&module.function));
                return Err(Failure::new(Cause::Failed, message).hint("try again; was the module replaced meanwhile?"));
            }
            _ => return Err(error.into()),
        }
    }
    Ok(())
}

/// Begins an upload, or finds the one that was begun.
fn begin(client: &Client, module: &Module) -> Result<UploadView, CallError> {
    let order = json!({"hash": module.hash.to_string(), "bytes": module.bytes.len()});
    // Without a key: asked again later, it is to say how far the upload has come by then.
    client.ask(&Call::order(Method::POST, "/v1/uploads", &order).without_key())
}

/// Sends the next bytes. It needs no key: the offset says whether they are there already.
fn send_piece(client: &Client, module: &Module, state: &UploadView, bytes_max: usize) -> Result<UploadView, CallError> {
    let start = usize::try_from(state.offset).unwrap_or(usize::MAX).min(module.bytes.len());
    let end = start.saturating_add(bytes_max).min(module.bytes.len());
    let offset = HeaderValue::from(start as u64);
    let call = Call::bytes(Method::PATCH, path(&["uploads", &state.id]), &module.bytes[start..end]);
    client.ask(&call.header(UPLOAD_OFFSET, offset).patience(std::time::Duration::from_secs(300)))
}
