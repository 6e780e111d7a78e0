//! What `mu invoke` and a `mu run` that holds the project's data say to each other over a socket in the data directory: a
//! line of JSON there, a JSON document back. The caller keeps its side open until it has the reply.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The socket's name in the data directory.
pub(crate) const SOCKET_FILE: &str = "run.sock";

/// The most bytes of either document.
pub(crate) const DOCUMENT_BYTES_MAX: u64 = 64 << 20;

/// What a handler is asked.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Question {
    /// The stack's id.
    pub(crate) stack: String,
    /// `function.handler`.
    pub(crate) handler: String,
    pub(crate) method: String,
    pub(crate) path_params: Vec<(String, String)>,
    pub(crate) query: Vec<(String, String)>,
    pub(crate) headers: Vec<(String, String)>,
    /// Base64.
    pub(crate) body: String,
}

/// What became of it.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Reply {
    pub(crate) result: Result<Answer, Refusal>,
    /// What the call used; absent when nothing ran.
    pub(crate) receipt: Option<Told>,
    /// What the function said, in its order.
    pub(crate) logs: Vec<Told>,
}

/// A record, for people and for programs.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Told {
    /// Lines.
    pub(crate) text: String,
    /// An object as `mu run --output json` prints it.
    pub(crate) json: Value,
}

/// The handler's answer.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    /// Base64.
    pub(crate) body: String,
}

/// Why there is none.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Refusal {
    /// The status that the gateway would have answered with.
    pub(crate) status: u16,
    pub(crate) code: String,
    pub(crate) message: String,
}
