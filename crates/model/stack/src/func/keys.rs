//! Every key that func files and app files may have.

use serde_json::{Value, json};

use crate::keys::Key;
use crate::limits::{
    ANNOTATION_VALUE_BYTES_MAX, ANNOTATIONS_MAX, CONFIG_BYTES_MAX, NAME_BYTES_MAX, PATH_BYTES_MAX, TRIGGERS_MAX,
    VERSION_BYTES_MAX,
};

use super::limits::Limit;
use super::{FuncSchema, TriggerKind};

/// Top of a func file, of either schema.
pub(super) const FUNC: &[Key] = &[
    SCHEMA_VERSION,
    NAME,
    SEMANTIC_VERSION,
    RUNTIME,
    BUILD_IMAGE,
    RUN_IMAGE,
    CMD,
    ENTRYPOINT,
    CONTENT_TYPE,
    CALL_TYPE,
    MEMORY,
    TIMEOUT,
    IDLE_TIMEOUT,
    CONFIG,
    ANNOTATIONS,
    BUILD,
    EXPECTS,
    TRIGGERS,
    DEPLOY,
    SIGNING_DETAILS,
    PATH,
    FORMAT,
    CPUS,
    HEADERS,
    TESTS,
];
/// Those of them that only the new schema has.
pub(super) const ONLY_NEW: [&str; 3] = ["triggers", "deploy", "signing_details"];
/// Those that only the old one has.
pub(super) const ONLY_OLD: [&str; 5] = ["path", "format", "cpus", "headers", "tests"];
/// Those that say how an image is made where there is no `Dockerfile`.
pub(super) const OF_MADE_IMAGES: [&str; 5] = ["build", "build_image", "run_image", "entrypoint", "cmd"];

pub(super) const EXPECTATIONS: &[Key] = &[EXPECTED_CONFIG];
pub(super) const EXPECTED: &[Key] = &[VARIABLE, REQUIRED];
pub(super) const TRIGGER: &[Key] = &[TRIGGER_NAME, TRIGGER_TYPE, SOURCE, TOPIC, FORMAT_OF_TIMES];
/// A test of the old schema. One of its keys was once misspelt, and files have it.
pub(super) const TEST: &[Key] =
    &[anything("name"), anything("input"), anything("output"), anything("outoutput"), anything("err")];

/// Top of an app file.
pub(super) const APP: &[Key] = &[APP_NAME, CONFIG, ANNOTATIONS, SYSLOG_URL];

/// Values of `type` of a function.
pub(super) const CALL_TYPES: [&str; 2] = ["sync", "async"];
/// Values of `format`: how containers were spoken to, of which only the last is left.
pub(super) const FORMATS: [&str; 5] = ["default", "http", "json", "cloudevent", "http-stream"];
/// What a `syslog_url` may begin with.
pub(super) const SYSLOG_SCHEMES: [&str; 5] = ["tcp", "udp", "unix", "unixgram", "tcp+tls"];

const fn key(name: &'static str, about: &'static str, schema: fn() -> Value) -> Key {
    Key { name, required: false, about, schema }
}

const fn anything(name: &'static str) -> Key {
    key(name, "Has no effect.", || json!({}))
}

const SCHEMA_VERSION: Key = key(
    "schema_version",
    "The schema of the file. Without it, the old one.",
    || json!({"enum": [FuncSchema::NEWEST.parse::<u32>().unwrap_or_default()]}),
);
const NAME: Key = key(
    "name",
    "Name of the function; that of its folder unless said otherwise. It may begin with a repository, `me/hello`.",
    || json!({"type": "string", "minLength": 1, "maxLength": NAME_BYTES_MAX}),
);
const SEMANTIC_VERSION: Key = key(
    "version",
    "Semantic version, the tag of the function's image.",
    || json!({"type": "string", "maxLength": VERSION_BYTES_MAX, "default": "0.0.1"}),
);
const RUNTIME: Key = key(
    "runtime",
    "What the function is written in: `python`, `node`, `go` or `java`, with a version or without (`python3.11`); or `docker`. A Dockerfile in the folder counts more than a language; `docker`, `ruby`, `kotlin` and `dotnet` need one.",
    text,
);
const BUILD_IMAGE: Key = key("build_image", "The image to build in, in place of the runtime's.", text);
const RUN_IMAGE: Key = key("run_image", "The image to run on, in place of the runtime's.", text);
const CMD: Key = key("cmd", "Arguments of the entry point. Words are separated by spaces, and may be quoted.", text);
const ENTRYPOINT: Key =
    key("entrypoint", "What a container runs. Words are separated by spaces, and may be quoted.", text);
const CONTENT_TYPE: Key =
    key("content_type", "The header `content-type` of `mu invoke` in the project, unless `-H` says another.", text);
const CALL_TYPE: Key = key(
    "type",
    "Has no effect: whoever calls decides whether to wait, by the header `Fn-Invoke-Type`.",
    || json!({"enum": CALL_TYPES}),
);
const MEMORY: Key = key(
    "memory",
    "Memory of a container in MiB, best a multiple of 64; 0 is the default.",
    || json!({"type": "integer", "minimum": 0, "maximum": Limit::Memory.most(), "default": 128}),
);
const TIMEOUT: Key = key(
    "timeout",
    "Seconds of one call; 0 is the default.",
    || json!({"type": "integer", "minimum": 0, "maximum": Limit::Timeout.most(), "default": 30}),
);
const IDLE_TIMEOUT: Key = key(
    "idle_timeout",
    "Seconds that a container without calls is kept; 0 is the default.",
    || json!({"type": "integer", "minimum": 0, "maximum": Limit::IdleTimeout.most(), "default": 30}),
);
const CONFIG: Key = key("config", "Environment variables. Those of a function are laid over those of the app.", || {
    json!({
        "type": ["object", "null"],
        "description": format!("At most {CONFIG_BYTES_MAX} bytes together."),
        "propertyNames": {"pattern": "^[A-Za-z_][A-Za-z0-9_]*$"},
        "additionalProperties": {"type": ["string", "number", "boolean"]},
    })
});
const ANNOTATIONS: Key = key("annotations", "What others note. It has no effect here.", || {
    json!({
        "type": ["object", "null"],
        "description": format!("Each at most {ANNOTATION_VALUE_BYTES_MAX} bytes of JSON."),
        "maxProperties": ANNOTATIONS_MAX,
    })
});
const BUILD: Key = key(
    "build",
    "Commands that are run in the build stage, before the function is built.",
    || json!({"type": ["array", "null"], "items": {"type": "string", "minLength": 1, "maxLength": PATH_BYTES_MAX}}),
);
const EXPECTS: Key = key("expects", "Variables that the function needs.", || json!({"$ref": "#/$defs/expects"}));
const EXPECTED_CONFIG: Key =
    key("config", "The variables.", || json!({"type": ["array", "null"], "items": {"$ref": "#/$defs/expected"}}));
const VARIABLE: Key = Key { required: true, ..key("name", "Name of the variable.", text) };
const REQUIRED: Key = key(
    "required",
    "Whether the function can't do without; `mu run` warns when it is missing.",
    || json!({"type": "boolean", "default": false}),
);
const TRIGGERS: Key = key(
    "triggers",
    "What calls the function.",
    || json!({"type": ["array", "null"], "maxItems": TRIGGERS_MAX, "items": {"$ref": "#/$defs/trigger"}}),
);
const TRIGGER_NAME: Key = key(
    "name",
    "Name of the trigger; its type unless said otherwise.",
    || json!({"type": "string", "pattern": "^[A-Za-z0-9_-]+$", "maxLength": NAME_BYTES_MAX}),
);
const TRIGGER_TYPE: Key = Key {
    required: true,
    ..key(
        "type",
        "`http`: requests to a path; `event`: messages of a topic; `scheduled`: times.",
        || json!({"enum": TriggerKind::WORDS}),
    )
};
const SOURCE: Key = key(
    "source",
    "`http` only: the path, matched exactly, whatever the method.",
    || json!({"type": "string", "pattern": "^/"}),
);
const TOPIC: Key = key("topic", "`event` only: the topic.", text);
const FORMAT_OF_TIMES: Key = key(
    "format",
    "`scheduled` only: minute, hour, day of the month, month and day of the week, as cron writes them: `*/5 8-17 * * 1-5`.",
    text,
);
const DEPLOY: Key = key("deploy", "For Oracle's cloud. It has no effect here.", object);
const SIGNING_DETAILS: Key = key("signing_details", "For Oracle's cloud. It has no effect here.", object);

const PATH: Key = key("path", "Old schema: the path of the function's `http` trigger.", text);
const FORMAT: Key = key("format", "Old schema: has no effect.", || json!({"enum": FORMATS}));
const CPUS: Key = key("cpus", "Old schema: has no effect.", text);
const HEADERS: Key = key("headers", "Old schema: has no effect.", object);
const TESTS: Key = key("tests", "Old schema: has no effect.", || json!({"type": ["array", "null"]}));

const APP_NAME: Key = key(
    "name",
    "Name of the app; that of its folder unless said otherwise.",
    || json!({"type": "string", "pattern": "^[A-Za-z0-9_-]+$", "maxLength": NAME_BYTES_MAX}),
);
const SYSLOG_URL: Key = key(
    "syslog_url",
    "Where Project Fn sends logs. It has no effect here.",
    || json!({"type": "string", "pattern": format!("^({})://", SYSLOG_SCHEMES.join("|").replace('+', "\\+"))}),
);

fn text() -> Value {
    json!({"type": "string", "minLength": 1, "maxLength": PATH_BYTES_MAX})
}

fn object() -> Value {
    json!({"type": ["object", "null"]})
}
