//! The limits of what people write. One place; messages, the schema and the documentation quote these.

use std::time::Duration;

use crate::instructions::Instructions;
use crate::size::ByteSize;

/// Longest name of a stack or of a service, in bytes.
pub const NAME_BYTES_MAX: usize = 255;
/// Longest `version`, in bytes.
pub const VERSION_BYTES_MAX: usize = 64;
/// Largest `mu.yaml`, and largest encoded stack, in bytes.
pub const FILE_BYTES_MAX: usize = 1024 * 1024;
/// Most services in one stack.
pub const SERVICES_MAX: usize = 256;
/// Most paths in one gateway.
pub const ROUTES_MAX: usize = 1024;
/// Longest path template, in bytes.
pub const TEMPLATE_BYTES_MAX: usize = 1024;
/// Most segments in a path template.
pub const TEMPLATE_SEGMENTS_MAX: usize = 32;
/// Most bytes of all names and values of a function's environment together.
pub const ENV_BYTES_MAX: usize = 64 * 1024;
/// Most secrets of one function.
pub const SECRETS_MAX: usize = 64;
/// Most claims that a token may have to have.
pub const CLAIMS_MAX: usize = 16;
/// Longest audience, and longest name or value of a claim, in bytes.
pub const AUTH_TEXT_BYTES_MAX: usize = 1024;
/// Longest path of a file, or command, in a manifest, in bytes.
pub const PATH_BYTES_MAX: usize = 4096;
/// Most entries in one list of a gateway's `cors`.
pub const CORS_ENTRIES_MAX: usize = 64;

/// Least memory a function may ask for: one WebAssembly page.
pub const MEMORY_MIN: ByteSize = ByteSize::from_bytes(64 * 1024);
/// Memory of a function that doesn't say.
pub const MEMORY_DEFAULT: ByteSize = ByteSize::from_bytes(128 * 1024 * 1024);
/// Most memory a function may ask for.
pub const MEMORY_MAX: ByteSize = ByteSize::from_bytes(8 * 1024 * 1024 * 1024);

/// Shortest timeout a function may ask for.
pub const TIMEOUT_MIN: Duration = Duration::from_millis(1);
/// Wall-clock time one invocation may take when the function doesn't say.
pub const TIMEOUT_DEFAULT: Duration = Duration::from_secs(30);
/// Most wall-clock time a function may ask for.
pub const TIMEOUT_MAX: Duration = Duration::from_secs(300);

/// Instruction budget of one invocation when the function doesn't say: some tens of seconds of a busy core, so that the
/// timeout is what usually ends a runaway function, and a bill still has a ceiling.
pub const INSTRUCTIONS_DEFAULT: Instructions = Instructions::new(100_000_000_000);
/// Most instructions a function may ask for: no core executes as many within [`TIMEOUT_MAX`].
pub const INSTRUCTIONS_MAX: Instructions = Instructions::new(1_000_000_000_000_000);

/// Invocations of one function at once when it doesn't say.
pub const CONCURRENCY_DEFAULT: u32 = 128;
/// Most invocations of one function at once that a function may ask for: the instances a node has by default.
pub const CONCURRENCY_MAX: u32 = 1_000;

/// How long a container without calls is kept when the function doesn't say.
pub const IDLE_TIMEOUT_DEFAULT: Duration = Duration::from_secs(30);
/// Longest time that a function may ask a container without calls to be kept.
pub const IDLE_TIMEOUT_MAX: Duration = Duration::from_secs(3600);
/// Most bytes of all names and values of the `config` of a func file or an app file together.
pub const CONFIG_BYTES_MAX: usize = 4096;
/// Most triggers of one function.
pub const TRIGGERS_MAX: usize = 100;
/// Longest key of an annotation, in bytes.
pub const ANNOTATION_KEY_BYTES_MAX: usize = 128;
/// Longest value of an annotation, in bytes of JSON.
pub const ANNOTATION_VALUE_BYTES_MAX: usize = 512;
/// Most annotations of a function or of an app.
pub const ANNOTATIONS_MAX: usize = 100;

/// Longest artifact that names an image, in bytes; what is longer is an image itself.
pub const IMAGE_ARTIFACT_BYTES_MAX: usize = 4096;

/// Longest time a browser may be told to remember a preflight answer; browsers cap it at a day or less.
pub const CORS_MAX_AGE_MAX: Duration = Duration::from_secs(24 * 60 * 60);

/// Largest message of a WebSocket connection when the gateway doesn't say.
pub const WEBSOCKET_MESSAGE_DEFAULT: ByteSize = ByteSize::from_bytes(1024 * 1024);
/// Least size that a gateway may ask for: what a control frame carries, and a little more.
pub const WEBSOCKET_MESSAGE_MIN: ByteSize = ByteSize::from_bytes(128);
/// Largest size of a message that a gateway may ask for.
pub const WEBSOCKET_MESSAGE_MAX: ByteSize = ByteSize::from_bytes(16 * 1024 * 1024);
/// WebSocket connections of a gateway, on one node, when it doesn't say.
pub const WEBSOCKET_CONNECTIONS_DEFAULT: u32 = 10_000;
/// Most connections that a gateway may ask for; the node has a limit of its own.
pub const WEBSOCKET_CONNECTIONS_MAX: u32 = 1_000_000;
/// Messages per second that are read from one connection when the gateway doesn't say.
pub const WEBSOCKET_RATE_DEFAULT: u32 = 100;
/// Most messages per second that a gateway may ask for.
pub const WEBSOCKET_RATE_MAX: u32 = 100_000;
/// How long a connection may be without a message when the gateway doesn't say.
pub const WEBSOCKET_IDLE_DEFAULT: Duration = Duration::from_secs(10 * 60);
/// Shortest time without a message that a gateway may ask for.
pub const WEBSOCKET_IDLE_MIN: Duration = Duration::from_secs(1);
/// Longest time without a message that a gateway may ask for.
pub const WEBSOCKET_IDLE_MAX: Duration = Duration::from_secs(24 * 60 * 60);

/// Most problems kept in one report; the rest are counted.
pub const PROBLEMS_MAX: usize = 100;
