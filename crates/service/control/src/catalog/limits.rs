//! The limits of the catalog, each in this one place.

use std::time::Duration;

pub use mu_stack::limits::{ANNOTATION_KEY_BYTES_MAX, ANNOTATION_VALUE_BYTES_MAX, ANNOTATIONS_MAX};

/// Longest text form of a principal, in bytes.
pub const PRINCIPAL_BYTES_MAX: usize = 1024;
/// Longest message of a version and longest reason of a change of routing, in bytes.
pub const MESSAGE_BYTES_MAX: usize = 4 * 1024;
/// Largest manifest that is kept with a version, in bytes.
pub const MANIFEST_BYTES_MAX: usize = 1024 * 1024;
/// Why a version failed is cut to this many bytes.
pub const FAILURE_BYTES_MAX: usize = 16 * 1024;

/// Most fns of a stack: as many as it may have functions.
pub const FNS_MAX: usize = mu_stack::limits::SERVICES_MAX;
/// Most triggers of a stack: as many as a gateway may have routes.
pub const TRIGGERS_MAX: usize = mu_stack::limits::ROUTES_MAX;
/// Longest path of a trigger, in bytes.
pub const TRIGGER_SOURCE_BYTES_MAX: usize = mu_stack::limits::TEMPLATE_BYTES_MAX;

/// Most entries of one page of a list.
pub const PAGE_MAX: usize = 500;
/// Names that one page of a list looks at: a page may be short, or empty, when most of them are not visible to whoever
/// asks. It then says where to go on.
pub const LISTED_NAMES_MAX: usize = 10_000;

/// Versions kept of a stack; older ones are removed when a new one begins, unless they are routed.
pub const VERSIONS_KEPT: usize = 20;
/// Most versions that share the traffic of a stack.
pub const ROUTED_VERSIONS_MAX: usize = 4;
/// Routings of a stack that are remembered, the present one included.
pub const ROUTING_HISTORY_MAX: u64 = 20;

/// Largest artifact, in bytes, unless the operator says otherwise.
pub const ARTIFACT_BYTES_MAX: u64 = 256 * 1024 * 1024;
/// Largest piece of an upload, in bytes: what one request may bring.
pub const PIECE_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Most artifacts that one question may be about: the most functions of a stack.
pub const ASKED_ARTIFACTS_MAX: usize = mu_stack::limits::SERVICES_MAX;
/// Uploads that one principal may have open.
pub const OPEN_UPLOADS_MAX: u8 = 16;
/// How long an upload may take, interruptions included.
pub const UPLOAD_AGE_MAX: Duration = Duration::from_secs(24 * 60 * 60);
/// How long an artifact that no version uses is kept: longer than a deploy may take from its first upload on.
pub const UNUSED_ARTIFACT_AGE_MAX: Duration = Duration::from_secs(24 * 60 * 60);

/// Longest idempotency key, in bytes.
pub const IDEMPOTENCY_KEY_BYTES_MAX: usize = 255;
/// Largest response that is kept for an idempotency key, in bytes.
pub const IDEMPOTENT_RESPONSE_BYTES_MAX: usize = 64 * 1024;
/// How long a response is kept for its idempotency key.
pub const IDEMPOTENCY_AGE_MAX: Duration = Duration::from_secs(24 * 60 * 60);
/// How long a request with an idempotency key may be under way without word from it. Then it is taken for lost, with the
/// process that worked on it, and the next one with its key runs.
pub const IDEMPOTENT_REQUEST_LEASE: Duration = Duration::from_secs(120);
/// Idempotency keys that are kept of one principal.
pub const IDEMPOTENCY_KEYS_MAX: usize = 10_000;

/// How often a change is tried again when another one came first. Each time at least one other change succeeded, so that
/// this bounds one unlucky caller and not the whole.
pub(super) const ATTEMPTS_MAX: usize = 64;
