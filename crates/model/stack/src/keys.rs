//! Every key that `mu.yaml` may have: the one list that the reader checks against and the JSON Schema is made from.

use serde_json::{Value, json};

use crate::container::Network;
use crate::language::Language;
use crate::limits::{
    AUTH_TEXT_BYTES_MAX, CLAIMS_MAX, CONCURRENCY_DEFAULT, CONCURRENCY_MAX, CORS_ENTRIES_MAX, CORS_MAX_AGE_MAX,
    ENV_BYTES_MAX, IDLE_TIMEOUT_DEFAULT, IDLE_TIMEOUT_MAX, INSTRUCTIONS_DEFAULT, INSTRUCTIONS_MAX, MEMORY_DEFAULT,
    MEMORY_MAX, MEMORY_MIN, NAME_BYTES_MAX, PATH_BYTES_MAX, ROUTES_MAX, SECRETS_MAX, SERVICES_MAX, TIMEOUT_DEFAULT,
    TIMEOUT_MAX, VERSION_BYTES_MAX, WEBSOCKET_CONNECTIONS_DEFAULT, WEBSOCKET_CONNECTIONS_MAX, WEBSOCKET_IDLE_DEFAULT,
    WEBSOCKET_IDLE_MAX, WEBSOCKET_IDLE_MIN, WEBSOCKET_MESSAGE_DEFAULT, WEBSOCKET_MESSAGE_MAX, WEBSOCKET_MESSAGE_MIN,
    WEBSOCKET_RATE_DEFAULT, WEBSOCKET_RATE_MAX,
};
use crate::stack::{Instances, Runtime};
use crate::{ByteSize, HumanDuration, Instructions, Method};

/// A key of a map in the manifest.
pub(crate) struct Key {
    pub(crate) name: &'static str,
    pub(crate) required: bool,
    /// What it means, in one or two sentences; the schema adds limits and the default.
    pub(crate) about: &'static str,
    pub(crate) schema: fn() -> Value,
}

/// Top of `mu.yaml`.
pub(crate) const MANIFEST: &[Key] = &[STACK_NAME, VERSION, DEV_ID, SERVICES];
/// Top of the YAML form of a deployed stack.
pub(crate) const STACK: &[Key] = &[STACK_NAME, VERSION, SERVICES];
/// A function in `mu.yaml`.
pub(crate) const FUNCTION: &[Key] = &[
    TYPE,
    NAME,
    LANG,
    BUILD,
    MODULE,
    SOURCE,
    IMAGE,
    RUNTIME,
    ENV,
    ENV_DEV,
    SECRETS,
    AUTH,
    MEMORY_LIMIT,
    TIMEOUT,
    MAX_INSTRUCTIONS,
    MAX_CONCURRENCY,
    INSTANCES,
    CONTAINER_IDLE_TIMEOUT,
    MIN_INSTANCES,
    NETWORK,
];
/// A function in the YAML form of a deployed stack.
pub(crate) const STACK_FUNCTION: &[Key] = &[
    TYPE,
    NAME,
    BINARY,
    RUNTIME,
    ENV,
    SECRETS,
    AUTH,
    MEMORY_LIMIT,
    TIMEOUT,
    MAX_INSTRUCTIONS,
    MAX_CONCURRENCY,
    INSTANCES,
    CONTAINER_IDLE_TIMEOUT,
    MIN_INSTANCES,
    NETWORK,
];
pub(crate) const GATEWAY: &[Key] = &[TYPE, NAME, ENDPOINTS, CORS, WEBSOCKET];
pub(crate) const TABLE: &[Key] = &[TYPE, NAME, DELETE];
pub(crate) const STORAGE: &[Key] = &[TYPE, NAME, DELETE, PUBLIC];
/// An endpoint written as an item of a list.
pub(crate) const ENDPOINT: &[Key] = &[METHOD, ROUTE_TO, AUTH];
/// `auth` when it is a map.
pub(crate) const AUTHENTICATION: &[Key] = &[JWT_KEY];
pub(crate) const JWT: &[Key] = &[ISSUER, AUDIENCE, CLAIMS];
pub(crate) const CROSS_ORIGIN: &[Key] =
    &[ALLOW_ORIGINS, ALLOW_METHODS, ALLOW_HEADERS, EXPOSE_HEADERS, ALLOW_CREDENTIALS, MAX_AGE];

pub(crate) const WEBSOCKETS: &[Key] = &[MAX_MESSAGE, MAX_CONNECTIONS, MAX_RATE, IDLE_TIMEOUT];

/// Values of `type`.
pub(crate) const SERVICE_TYPES: [&str; 4] = ["Function", "Gateway", "KeyValueTable", "Storage"];
/// Values of `lang`; the capital letter is how the first version of mu wrote it.
pub(crate) const LANGUAGES: [&str; 6] = [
    Language::Rust.as_str(),
    "Rust",
    Language::JavaScript.as_str(),
    Language::Python.as_str(),
    Language::Go.as_str(),
    Language::C.as_str(),
];
/// Values of `runtime`.
pub(crate) const RUNTIMES: [&str; 4] =
    [Runtime::Wasi1.as_str(), Runtime::WasiHttp.as_str(), Runtime::WasiHttp3.as_str(), Runtime::Container.as_str()];
/// Values of `auth` when it is a word.
pub(crate) const AUTH_WORDS: [&str; 2] = ["none", "token"];
/// Values of `instances`.
pub(crate) const INSTANCES_WORDS: [&str; 2] = [Instances::Fresh.as_str(), Instances::Reuse.as_str()];
/// Values of `network`.
pub(crate) const NETWORKS: [&str; 2] = [Network::None.as_str(), Network::Egress.as_str()];

const STACK_NAME: Key = Key { name: "name", required: true, about: "Name of the stack.", schema: name };
const VERSION: Key = Key {
    name: "version",
    required: true,
    about: "Version of the stack; any text.",
    schema: || json!({"type": ["string", "number"], "maxLength": VERSION_BYTES_MAX}),
};
const DEV_ID: Key = Key {
    name: "dev_id",
    required: false,
    about: "Id of the stack on this machine: `s_` and the base58 form of 32 bytes.",
    schema: || json!({"type": "string", "pattern": "^s_[1-9A-HJ-NP-Za-km-z]{32,44}$"}),
};
const SERVICES: Key = Key {
    name: "services",
    required: true,
    about: "What the stack is made of.",
    schema: || json!({"type": ["array", "null"], "maxItems": SERVICES_MAX, "items": {"$ref": "#/$defs/service"}}),
};

const TYPE: Key =
    Key { name: "type", required: true, about: "Kind of the service.", schema: || json!({"enum": SERVICE_TYPES}) };
const NAME: Key = Key {
    name: "name",
    required: true,
    about: "Name of the service, unique among those of its kind. A gateway and a public box must not share one.",
    schema: name,
};

const LANG: Key = Key {
    name: "lang",
    required: false,
    about: "Language of the function, for which `mu build` makes `module` from `source`: `rust`, `js` (TypeScript as well), `python`, `go` or `c`.",
    schema: || json!({"enum": LANGUAGES}),
};
const BUILD: Key = Key {
    name: "build",
    required: false,
    about: "Command that makes `module`, run by the shell in `source`. Instead of `lang`.",
    schema: path,
};
const MODULE: Key = Key {
    name: "module",
    required: false,
    about: "The WebAssembly file, or the archive of a container's image, relative to mu.yaml. With `lang` it is `modules/<name>.wasm`, and of a container `modules/<name>.tar`, unless said otherwise.",
    schema: path,
};
const SOURCE: Key = Key {
    name: "source",
    required: false,
    about: "Directory with the function's source, relative to mu.yaml; `functions/<name>` unless said otherwise. A function is built again when something in it changes.",
    schema: path,
};
const IMAGE: Key = Key {
    name: "image",
    required: false,
    about: "Containers only: the image to run, which is in a registry already. Instead of `source`.",
    schema: || json!({"type": "string", "minLength": 1}),
};
const BINARY: Key = Key { name: "binary", required: true, about: "Id of the uploaded artifact.", schema: name };
const RUNTIME: Key = Key {
    name: "runtime",
    required: false,
    about: "Contract between the function and mu: `wasi1.0`, a core module that speaks over stdin and stdout; `wasi-http`, a component with `wasi:http/incoming-handler@0.2`; `wasi-http-0.3`, one with `wasi:http/handler@0.3`; `container`, an image whose containers speak HTTP on a unix socket, built from `func.yaml` or `Dockerfile` in `source`. Unless said otherwise, the one that `lang` is built for: `wasi-http` with `js` and `python`, else `wasi1.0`.",
    schema: || json!({"enum": RUNTIMES}),
};
const ENV: Key =
    Key { name: "env", required: false, about: "Environment variables of the function.", schema: variables };
const ENV_DEV: Key = Key {
    name: "env_dev",
    required: false,
    about: "Environment variables laid over `env` by `mu run` only. They never leave this machine.",
    schema: variables,
};
const SECRETS: Key = Key {
    name: "secrets",
    required: false,
    about: "Names of secrets that the function is given as environment variables. Their values never stand here: `mu secret set` stores them on a node, and `mu run` takes them from `mu.secrets` or from MU_SECRET_NAME.",
    schema: || {
        json!({
            "type": ["array", "null"],
            "maxItems": SECRETS_MAX,
            "uniqueItems": true,
            "items": {"type": "string", "pattern": "^[A-Z_][A-Z0-9_]*$", "maxLength": NAME_BYTES_MAX},
        })
    },
};
const AUTH: Key = Key {
    name: "auth",
    required: false,
    about: "What callers must bring along: `none`; `token`, a token or signature of someone who may invoke the stack; or `jwt`, a JSON Web Token of an issuer that the node knows. A route's own counts, else that of the function it leads to.",
    schema: || json!({"$ref": "#/$defs/auth"}),
};
const JWT_KEY: Key = Key {
    name: "jwt",
    required: true,
    about: "What the JSON Web Token must be and say.",
    schema: || json!({"$ref": "#/$defs/jwt"}),
};
const ISSUER: Key = Key {
    name: "issuer",
    required: true,
    about: "Who issues the tokens, by the name that the node's operator gave them.",
    schema: name,
};
const AUDIENCE: Key = Key {
    name: "audience",
    required: false,
    about: "Whom the token must be for; unless said otherwise, whom the operator says.",
    schema: || json!({"type": "string", "minLength": 1, "maxLength": AUTH_TEXT_BYTES_MAX}),
};
const CLAIMS: Key = Key {
    name: "claims",
    required: false,
    about: "Claims that the token must have, with these values; where a claim is a list, one of its items.",
    schema: || {
        json!({
            "type": ["object", "null"],
            "maxProperties": CLAIMS_MAX,
            "additionalProperties": {"type": ["string", "number", "boolean"]},
        })
    },
};
const MEMORY_LIMIT: Key = Key {
    name: "memory_limit",
    required: false,
    about: "Most memory of one invocation, like 64MiB.",
    schema: || {
        json!({
            "type": ["string", "integer"],
            "description": format!("From {MEMORY_MIN} to {MEMORY_MAX}."),
            "pattern": ByteSize::PATTERN,
            "default": MEMORY_DEFAULT.to_string(),
        })
    },
};
const TIMEOUT: Key = Key {
    name: "timeout",
    required: false,
    about: "Most wall-clock time of one invocation, like 500ms or 30s.",
    schema: || {
        json!({
            "type": "string",
            "description": format!("At most {}.", HumanDuration::saturating_from(TIMEOUT_MAX)),
            "pattern": HumanDuration::PATTERN,
            "default": HumanDuration::saturating_from(TIMEOUT_DEFAULT).to_string(),
        })
    },
};
const MAX_INSTRUCTIONS: Key = Key {
    name: "max_instructions",
    required: false,
    about: "Most instructions of one invocation, like 500M (suffixes k, M, G, T are decimal).",
    schema: || {
        json!({
            "type": ["string", "integer"],
            "description": format!("At most {INSTRUCTIONS_MAX}."),
            "pattern": Instructions::PATTERN,
            "default": INSTRUCTIONS_DEFAULT.to_string(),
        })
    },
};
const MAX_CONCURRENCY: Key = Key {
    name: "max_concurrency",
    required: false,
    about: "Most invocations at once. More wait in a queue; when that is full, they are answered 503 with Retry-After.",
    schema: || json!({"type": "integer", "minimum": 1, "maximum": CONCURRENCY_MAX, "default": CONCURRENCY_DEFAULT}),
};
const INSTANCES: Key = Key {
    name: "instances",
    required: false,
    about: "`fresh`: each invocation gets an instance of its own. `reuse` (components only): an instance serves many invocations, one after the other, and what it keeps in memory stays.",
    schema: || json!({"enum": INSTANCES_WORDS, "default": INSTANCES_WORDS[0]}),
};
const CONTAINER_IDLE_TIMEOUT: Key = Key {
    name: "idle_timeout",
    required: false,
    about: "Containers only: how long one without calls is kept, like 30s.",
    schema: || {
        let shown = |duration| HumanDuration::saturating_from(duration).to_string();
        json!({
            "type": "string",
            "description": format!("At most {}.", shown(IDLE_TIMEOUT_MAX)),
            "pattern": HumanDuration::PATTERN,
            "default": shown(IDLE_TIMEOUT_DEFAULT),
        })
    },
};
const MIN_INSTANCES: Key = Key {
    name: "min_instances",
    required: false,
    about: "Containers only: how many are kept although there are no calls; at most `max_concurrency`.",
    schema: || json!({"type": "integer", "minimum": 0, "maximum": CONCURRENCY_MAX, "default": 0}),
};
const NETWORK: Key = Key {
    name: "network",
    required: false,
    about: "Containers only: what they reach. `none`: nothing; `egress`: what functions may reach from the node.",
    schema: || json!({"enum": NETWORKS, "default": NETWORKS[0]}),
};

const ENDPOINTS: Key = Key {
    name: "endpoints",
    required: true,
    about: "Paths, like `/todos/{id}` or `/files/{path...}`, and for each the handlers of its methods and of WebSocket events: `get: function.handler`, `any: function.handler` for all methods that are not named, `websocket: function.handler`, or a list of `method` and `route_to`.",
    schema: || {
        json!({
            "type": ["object", "null"],
            "maxProperties": ROUTES_MAX,
            "additionalProperties": {
                "oneOf": [
                    {
                        "type": "object",
                        "propertyNames": {"$ref": "#/$defs/method"},
                        "additionalProperties": {"$ref": "#/$defs/handler"},
                    },
                    {"type": "array", "items": {"$ref": "#/$defs/endpoint"}},
                ],
            },
        })
    },
};
const CORS: Key = Key {
    name: "cors",
    required: false,
    about: "Which web pages of other origins may call this gateway. Without it, none.",
    schema: || json!({"$ref": "#/$defs/cors"}),
};

const WEBSOCKET: Key = Key {
    name: "websocket",
    required: false,
    about: "Limits of the WebSocket connections of this gateway.",
    schema: || json!({"$ref": "#/$defs/websocket"}),
};

const METHOD: Key = Key {
    name: "method",
    required: true,
    about: "HTTP method, `any` for all that are not named, or `websocket`.",
    schema: || json!({"$ref": "#/$defs/method"}),
};
const ROUTE_TO: Key = Key {
    name: "route_to",
    required: true,
    about: "Handler that answers.",
    schema: || json!({"$ref": "#/$defs/handler"}),
};

const DELETE: Key = Key {
    name: "delete",
    required: false,
    about: "Whether deploying the stack removes this service and everything in it.",
    schema: no_unless_said,
};
const PUBLIC: Key = Key {
    name: "public",
    required: false,
    about: "Whether everyone may read the objects over HTTP, under `/<stack>/<name>/`.",
    schema: no_unless_said,
};

const ALLOW_ORIGINS: Key = Key {
    name: "allow_origins",
    required: true,
    about: "Origins, like https://example.com, whose pages may call; \"*\" means all.",
    schema: any_or_list,
};
const ALLOW_METHODS: Key = Key {
    name: "allow_methods",
    required: false,
    about: "Methods those pages may use; the methods that the requested path has unless said otherwise.",
    schema: || json!({"type": "array", "minItems": 1, "items": {"enum": methods()}}),
};
const ALLOW_HEADERS: Key = Key {
    name: "allow_headers",
    required: false,
    about: "Request headers those pages may send; \"*\", whichever they ask for, unless said otherwise.",
    schema: any_or_list,
};
const EXPOSE_HEADERS: Key = Key {
    name: "expose_headers",
    required: false,
    about: "Response headers those pages may read.",
    schema: || json!({"type": "array", "maxItems": CORS_ENTRIES_MAX, "items": {"type": "string"}}),
};
const ALLOW_CREDENTIALS: Key = Key {
    name: "allow_credentials",
    required: false,
    about: "Whether cookies and authorization may be sent along; not together with all origins.",
    schema: no_unless_said,
};
const MAX_AGE: Key = Key {
    name: "max_age",
    required: false,
    about: "How long a browser may remember the answer, like 10m.",
    schema: || {
        json!({
            "type": "string",
            "description": format!("At most {}.", HumanDuration::saturating_from(CORS_MAX_AGE_MAX)),
            "pattern": HumanDuration::PATTERN,
        })
    },
};

const MAX_MESSAGE: Key = Key {
    name: "max_message",
    required: false,
    about: "Largest message in either direction, like 256KiB.",
    schema: || {
        json!({
            "type": ["string", "integer"],
            "description": format!("From {WEBSOCKET_MESSAGE_MIN} to {WEBSOCKET_MESSAGE_MAX}."),
            "pattern": ByteSize::PATTERN,
            "default": WEBSOCKET_MESSAGE_DEFAULT.to_string(),
        })
    },
};
const MAX_CONNECTIONS: Key = Key {
    name: "max_connections",
    required: false,
    about: "Most connections at the same time on one node.",
    schema: || {
        json!({
            "type": "integer",
            "minimum": 1,
            "maximum": WEBSOCKET_CONNECTIONS_MAX,
            "default": WEBSOCKET_CONNECTIONS_DEFAULT,
        })
    },
};
const MAX_RATE: Key = Key {
    name: "max_rate",
    required: false,
    about: "Messages per second that are read from one connection; twice as many at once. A client that sends more is read more slowly.",
    schema: || json!({"type": "integer", "minimum": 1, "maximum": WEBSOCKET_RATE_MAX, "default": WEBSOCKET_RATE_DEFAULT}),
};
const IDLE_TIMEOUT: Key = Key {
    name: "idle_timeout",
    required: false,
    about: "How long a connection may be without a message in either direction before it is closed, like 10m.",
    schema: || {
        let shown = |duration| HumanDuration::saturating_from(duration).to_string();
        json!({
            "type": "string",
            "description": format!("From {} to {}.", shown(WEBSOCKET_IDLE_MIN), shown(WEBSOCKET_IDLE_MAX)),
            "pattern": HumanDuration::PATTERN,
            "default": shown(WEBSOCKET_IDLE_DEFAULT),
        })
    },
};

fn name() -> Value {
    json!({"type": "string", "pattern": "^[A-Za-z0-9_-]+$", "minLength": 1, "maxLength": NAME_BYTES_MAX})
}

fn path() -> Value {
    json!({"type": "string", "minLength": 1, "maxLength": PATH_BYTES_MAX})
}

fn variables() -> Value {
    json!({
        "type": ["object", "null"],
        "description": format!("At most {ENV_BYTES_MAX} bytes together."),
        "propertyNames": {"pattern": "^[^=]+$"},
        "additionalProperties": {"type": ["string", "number", "boolean"]},
    })
}

fn no_unless_said() -> Value {
    json!({"type": "boolean", "default": false})
}

fn any_or_list() -> Value {
    json!({
        "oneOf": [
            {"const": "*"},
            {"type": "array", "maxItems": CORS_ENTRIES_MAX, "items": {"type": "string"}},
        ],
    })
}

/// How a path's handler of all methods that are not named is written.
pub(crate) const ANY_VERB: &str = "any";

/// How a path's handler of WebSocket events is written where others have a method.
pub(crate) const WEBSOCKET_VERB: &str = "websocket";

/// Both spellings of every method.
pub(crate) fn methods() -> Vec<&'static str> {
    Method::ALL.iter().flat_map(|method| [method.as_lower_case(), method.as_str()]).collect()
}

/// What a path may have handlers for.
pub(crate) fn verbs() -> Vec<&'static str> {
    methods().into_iter().chain([ANY_VERB, WEBSOCKET_VERB]).collect()
}
