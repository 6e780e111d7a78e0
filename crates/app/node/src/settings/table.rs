//! Every key there is. The structs of the crates that use a value say what its default is; this table asks them.

use std::path::PathBuf;
use std::time::Duration;

use mu_gateway::GatewayConfig;
use mu_invoke::InvokeConfig;
use mu_runtime::WasmConfig;
use mu_stack::{ByteSize, HumanDuration};

use super::containers;
use super::kind::{Default, Key, Kind, UrlUse, UserFolder};
use super::value::Value;

/// A part of the configuration, for the documentation and the schema.
pub(super) struct Section {
    /// What its keys' paths begin with; the keys at the top have none.
    pub(super) path: &'static str,
    pub(super) about: &'static str,
}

/// The sections in the order in which they are described.
pub(super) const SECTIONS: [Section; 17] = [
    section("", "Where the node keeps its files."),
    section("gateway", "The listener for clients of functions, and the limits of each connection."),
    section(
        "gateway.tls",
        "A second listener of the gateway, for HTTPS. The host that a client asks for chooses the certificate.",
    ),
    section("api", "The management API: what `mu deploy`, `mu logs` and all other commands talk to."),
    section("api.tls", "TLS of the management API."),
    section("metrics", "`/metrics`, `/healthz` and `/readyz`."),
    section("log", "What the node says about itself, on standard error. What functions say is under `logs`."),
    section("access", "Who may use the management API, besides those that were given roles through it."),
    section("functions", "Limits of invocations. Authors set those of a function in `mu.yaml`, within these."),
    section("wasm", "The WebAssembly engine."),
    section("containers", "Functions that are images of containers."),
    section("egress", "Requests of functions to elsewhere."),
    section("domains", "Hosts of stacks, which are proven before they are served."),
    section("logs", "Logs of functions, as the node keeps them."),
    section("quotas.client", "What one client may use, over all of its stacks together."),
    section("quotas.stack", "What one stack may use."),
    section("shutdown", "How the node ends, on SIGTERM or Ctrl-C."),
];

const fn section(path: &'static str, about: &'static str) -> Section {
    Section { path, about }
}

/// The key of a path that stands in this file.
pub(super) fn key(path: &str) -> &'static Key {
    keys().find(|key| key.path == path).expect("the code asks for keys of the table alone")
}

/// All keys. Those of a section are in the order in which they are described.
pub(super) fn keys() -> impl Iterator<Item = &'static Key> {
    KEYS.iter().chain(containers::KEYS)
}

const KEYS: &[Key] = &[
    Key {
        path: "data_dir",
        kind: Kind::Path,
        default: Default::UserFolder(UserFolder { variable: "XDG_DATA_HOME", below_home: ".local/share" }),
        about: "Tables, boxes, stacks, and the key that encrypts them. Created when absent; one node at a time uses it.",
    },
    Key {
        path: "cache_dir",
        kind: Kind::Path,
        default: Default::UserFolder(UserFolder { variable: "XDG_CACHE_HOME", below_home: ".cache" }),
        about: "Compiled modules. It can be deleted at any time, at the price of compiling again.",
    },
    Key {
        path: "gateway.address",
        kind: Kind::Address,
        default: Default::Is(|| address(12080)),
        about: "Where plain HTTP is served. Port 0 is any free port.",
    },
    Key {
        path: "gateway.public_url",
        kind: Kind::Url(UrlUse::Public),
        default: Default::Nothing("none"),
        about: "Under which URL clients reach functions, if not by its address: that of a proxy, or with a name. `mu deploy` shows it.",
    },
    Key {
        path: "gateway.connections_max",
        kind: count(1, 1_000_000),
        default: Default::Is(|| number(gateway().connections_max)),
        about: "Connections open at the same time; further clients wait.",
    },
    Key {
        path: "gateway.uri_bytes_max",
        kind: size(256, 60 * KIB),
        default: Default::Is(|| bytes(gateway().uri_bytes_max)),
        about: "Path and query of a request; over it the answer is 414.",
    },
    Key {
        path: "gateway.header_bytes_max",
        kind: size(8 * KIB, MIB),
        default: Default::Is(|| bytes(gateway().header_bytes_max as usize)),
        about: "Headers of a request; over it the answer is 431.",
    },
    Key {
        path: "gateway.head_timeout",
        kind: time(100, 5 * MINUTE),
        default: Default::Is(|| duration(gateway().head_timeout)),
        about: "How long a client may take to send the head of a request.",
    },
    Key {
        path: "gateway.body_pause_max",
        kind: time(100, HOUR),
        default: Default::Is(|| duration(gateway().body_pause_max)),
        about: "How long a client may pause inside a request's body.",
    },
    Key {
        path: "gateway.write_pause_max",
        kind: time(100, HOUR),
        default: Default::Is(|| duration(gateway().write_pause_max)),
        about: "How long a client may leave a response, or what is sent over a WebSocket, unread.",
    },
    Key {
        path: "gateway.keep_alive",
        kind: time(0, 24 * HOUR),
        default: Default::Is(|| duration(gateway().keep_alive)),
        about: "How long a connection is kept open without a request.",
    },
    Key {
        path: "gateway.streams_max",
        kind: count(1, 10_000),
        default: Default::Is(|| number(gateway().streams_max as usize)),
        about: "Requests at the same time on one HTTP/2 connection.",
    },
    Key {
        path: "gateway.websockets_max",
        kind: count(0, 10_000_000),
        default: Default::Is(|| number(gateway().websockets_max)),
        about: "WebSocket connections of all stacks together; over it the answer is 503.",
    },
    Key {
        path: "gateway.ping_after",
        kind: time(1_000, 24 * HOUR),
        default: Default::Is(|| duration(gateway().ping_after)),
        about: "How long a WebSocket client may be silent before it is pinged.",
    },
    Key {
        path: "gateway.pong_timeout",
        kind: time(100, HOUR),
        default: Default::Is(|| duration(gateway().pong_timeout)),
        about: "How long it may stay silent then before it counts as gone.",
    },
    Key {
        path: "gateway.close_timeout",
        kind: time(100, HOUR),
        default: Default::Is(|| duration(gateway().close_timeout)),
        about: "How long a WebSocket client may take to answer that the connection ends.",
    },
    Key {
        path: "gateway.tls.address",
        kind: Kind::Address,
        default: Default::Nothing("none"),
        about: "Where HTTPS is served.",
    },
    Key {
        path: "gateway.tls.certificates",
        kind: Kind::List { item: &Kind::Map(CERTIFICATE), max: 1_000 },
        default: Default::Is(|| Value::List(Vec::new())),
        about: "The certificates, as PEM files.",
    },
    Key {
        path: "api.address",
        kind: Kind::Address,
        default: Default::Is(|| address(12000)),
        about: "Where the management API listens. Off loopback it needs TLS.",
    },
    Key {
        path: "api.public_url",
        kind: Kind::Url(UrlUse::Public),
        default: Default::Nothing("none"),
        about: "Under which URL clients reach the API, if not by its address: that of a proxy, or with the name in its certificate.",
    },
    Key {
        path: "api.insecure",
        kind: Kind::Flag,
        default: Default::Is(|| Value::Flag(false)),
        about: "Whether the API may listen off loopback without TLS: behind a proxy that has it, or in a network where nobody else can listen.",
    },
    Key {
        path: "api.request_bytes_max",
        kind: size(KIB, 64 * MIB),
        default: Default::Is(|| Value::Size(ByteSize::from_bytes(MIB))),
        about: "Body of a request, uploads excepted.",
    },
    Key {
        path: "api.upload_bytes_max",
        kind: size(MIB, 16 * GIB),
        default: Default::Is(|| Value::Size(ByteSize::from_bytes(256 * MIB))),
        about: "An uploaded artifact.",
    },
    Key {
        path: "api.tls.certificate",
        kind: Kind::Path,
        default: Default::Nothing("none"),
        about: "The chain of certificates, as a PEM file.",
    },
    Key {
        path: "api.tls.key",
        kind: Kind::Path,
        default: Default::Nothing("none"),
        about: "The private key, as a PEM file that others cannot read.",
    },
    Key {
        path: "metrics.address",
        kind: Kind::Address,
        default: Default::Is(|| address(12090)),
        about: "Where metrics and health are served, as plain HTTP.",
    },
    Key {
        path: "metrics.token",
        kind: Kind::Secret,
        default: Default::Nothing("none"),
        about: "What readers of `/metrics` must present as `Authorization: Bearer …`. Health is told to everyone.",
    },
    Key {
        path: "metrics.functions_max",
        kind: count(0, 100_000),
        default: Default::Is(|| Value::Count(1_000)),
        about: "Functions with metrics of their own; what more there are is counted together.",
    },
    Key {
        path: "log.level",
        kind: Kind::Word(&["error", "warn", "info", "debug", "trace"]),
        default: Default::Is(|| Value::Word("info")),
        about: "The least important events that are written.",
    },
    Key {
        path: "log.filter",
        kind: Kind::Filter,
        default: Default::Nothing("none"),
        about: "Levels by part, like `mu_gateway=debug,warn`, instead of `log.level`. The variable `MU_LOG` sets it as well.",
    },
    Key {
        path: "log.format",
        kind: Kind::Word(&["text", "json"]),
        default: Default::Is(|| Value::Word("text")),
        about: "Lines for people, or one JSON object per line.",
    },
    Key {
        path: "access.operators",
        kind: Kind::List { item: &Kind::OperatorKey, max: 256 },
        default: Default::Is(|| Value::List(Vec::new())),
        about: "Clients that may do everything on this node.",
    },
    Key {
        path: "access.anonymous",
        kind: Kind::Word(&["none", "viewer", "operator"]),
        default: Default::Is(|| Value::Word("none")),
        about: "What a request without credentials may do. Anything but `none` needs an API on loopback.",
    },
    Key {
        path: "access.oidc",
        kind: Kind::List { item: &Kind::Map(ISSUER), max: 16 },
        default: Default::Is(|| Value::List(Vec::new())),
        about: "Issuers of OpenID Connect tokens that are accepted.",
    },
    Key {
        path: "functions.concurrency_max",
        kind: count(1, 100_000),
        default: Default::Is(|| number(functions().concurrency_max)),
        about: "Calls of one function at the same time, whatever its stack asks for.",
    },
    Key {
        path: "functions.queue_max",
        kind: count(0, 1_000_000),
        default: Default::Is(|| number(functions().queue_max)),
        about: "Calls of one function that wait for room; the next one is answered 503.",
    },
    Key {
        path: "functions.request_bytes_max",
        kind: size(0, GIB),
        default: Default::Is(|| Value::Size(ByteSize::from_bytes(functions().request_bytes_max))),
        about: "Body of a request, for runtimes that read it whole.",
    },
    Key {
        path: "functions.response_bytes_max",
        kind: size(0, GIB),
        default: Default::Is(|| Value::Size(ByteSize::from_bytes(functions().response_bytes_max))),
        about: "Body of a response, for runtimes that write it whole.",
    },
    Key {
        path: "functions.message_bytes_max",
        kind: size(MIB, GIB),
        default: Default::Is(|| Value::Size(ByteSize::from_bytes(functions().message_bytes_max))),
        about: "One message of a function to the node: a row, an object, a request to elsewhere.",
    },
    Key {
        path: "functions.log_bytes_max",
        kind: size(0, GIB),
        default: Default::Is(|| bytes(functions().log_bytes_max)),
        about: "Log of one call, with 64 bytes for each line beside its text; the rest is cut, with a notice.",
    },
    Key {
        path: "functions.failure_detail",
        kind: Kind::Word(&["hidden", "shown"]),
        default: Default::Is(|| Value::Word("hidden")),
        about: "Whether callers are told why a function failed. Its author finds it in the log.",
    },
    Key {
        path: "wasm.cache_bytes",
        kind: size(MIB, 1024 * GIB),
        default: Default::Is(|| Value::Size(ByteSize::from_bytes(wasm().cache_bytes))),
        about: "Memory that compiled modules may take; the least used stay on disk alone.",
    },
    Key {
        path: "wasm.instances",
        kind: count(1, 16_000),
        default: Default::Is(|| number(wasm().instances as usize)),
        about: "Instances at once, over all functions. Each reserves 4 GiB of address space, not of memory.",
    },
    Key {
        path: "wasm.compute_threads",
        kind: count(1, 1_024),
        default: Default::Nothing("one per core"),
        about: "Threads for functions that compute for longer than one time slice.",
    },
    Key {
        path: "egress.allow",
        kind: Kind::Word(&["public", "anywhere"]),
        default: Default::Is(|| Value::Word("public")),
        about: "Which addresses functions may send requests to, and claimed hosts may have: public ones, or those of this machine and of private networks as well.",
    },
    Key {
        path: "domains.resolver",
        kind: Kind::Address,
        default: Default::Nothing("the system's"),
        about: "The DNS server that is asked for the proofs, like `192.0.2.53:53`.",
    },
    Key {
        path: "logs.retention",
        kind: time(MINUTE, 10 * 366 * 24 * HOUR),
        default: Default::Is(|| duration(Duration::from_millis(7 * 24 * HOUR))),
        about: "How long a line is kept.",
    },
    Key {
        path: "logs.bytes_per_stack",
        kind: size(64 * KIB, 1024 * GIB),
        default: Default::Is(|| Value::Size(ByteSize::from_bytes(64 * MIB))),
        about: "What is kept of one stack; over it the oldest lines go.",
    },
    quota("quotas.client.requests_per_second", RATE, "Requests to the management API per second."),
    quota("quotas.client.invocations_per_second", RATE, INVOCATIONS_ABOUT),
    quota("quotas.client.concurrent_invocations", RATE, CONCURRENT_ABOUT),
    quota("quotas.client.instructions_per_day", PER_DAY, PER_DAY_ABOUT),
    quota("quotas.client.table_bytes", KEPT, TABLES_ABOUT),
    quota("quotas.client.box_bytes", KEPT, BOXES_ABOUT),
    quota("quotas.stack.invocations_per_second", RATE, INVOCATIONS_ABOUT),
    quota("quotas.stack.concurrent_invocations", RATE, CONCURRENT_ABOUT),
    quota("quotas.stack.instructions_per_day", PER_DAY, PER_DAY_ABOUT),
    quota("quotas.stack.table_bytes", KEPT, TABLES_ABOUT),
    quota("quotas.stack.box_bytes", KEPT, BOXES_ABOUT),
    Key {
        path: "shutdown.drain_timeout",
        kind: time(0, 24 * HOUR),
        default: Default::Is(|| duration(gateway().drain_timeout)),
        about: "How long requests under way may take to finish once the node stops.",
    },
];

/// An item of `gateway.tls.certificates`.
const CERTIFICATE: &[Key] = &[
    Key {
        path: "certificate",
        kind: Kind::Path,
        default: Default::Required,
        about: "The chain of certificates, the server's own first.",
    },
    Key {
        path: "key",
        kind: Kind::Path,
        default: Default::Required,
        about: "The private key, which others cannot read.",
    },
];

/// An item of `access.oidc`.
const ISSUER: &[Key] = &[
    Key {
        path: "name",
        kind: Kind::Name,
        default: Default::Required,
        about: "What grants call the issuer: `oidc:NAME:SUBJECT`.",
    },
    Key {
        path: "issuer",
        kind: Kind::Url(UrlUse::Issuer),
        default: Default::Required,
        about: "The issuer's URL, to the letter as in its tokens.",
    },
    Key {
        path: "audience",
        kind: Kind::Text,
        default: Default::Required,
        about: "What tokens must name as their audience.",
    },
    Key {
        path: "algorithms",
        kind: Kind::List { item: &Kind::Word(&["RS256", "ES256", "EdDSA"]), max: 3 },
        default: Default::Is(|| Value::List(vec![Value::Word("RS256")])),
        about: "The signatures that are accepted.",
    },
];

const KIB: u64 = 1024;
pub(super) const MIB: u64 = 1024 * KIB;
pub(super) const GIB: u64 = 1024 * MIB;

/// In milliseconds.
pub(super) const MINUTE: u64 = 60_000;
pub(super) const HOUR: u64 = 60 * MINUTE;

const RATE: Kind = count(1, 100_000_000);
const PER_DAY: Kind = Kind::Instructions { min: 1_000_000, max: 1_000_000_000_000_000_000 };
const KEPT: Kind = size(0, 1024 * 1024 * GIB);
const INVOCATIONS_ABOUT: &str = "Invocations per second.";
const CONCURRENT_ABOUT: &str = "Invocations at the same time.";
const PER_DAY_ABOUT: &str = "Instructions within a day; `k`, `M`, `G` and `T` stand for powers of 1000.";
const TABLES_ABOUT: &str = "Bytes in tables.";
const BOXES_ABOUT: &str = "Bytes in boxes.";

const fn quota(path: &'static str, kind: Kind, about: &'static str) -> Key {
    Key { path, kind, default: Default::Nothing("unlimited"), about }
}

pub(super) const fn count(min: u64, max: u64) -> Kind {
    Kind::Count { min, max }
}

pub(super) const fn size(min: u64, max: u64) -> Kind {
    Kind::Size { min, max }
}

pub(super) const fn time(min_millis: u64, max_millis: u64) -> Kind {
    Kind::Time { min: Duration::from_millis(min_millis), max: Duration::from_millis(max_millis) }
}

/// Loopback, until told otherwise.
fn address(port: u16) -> Value {
    Value::Address((std::net::Ipv4Addr::LOCALHOST, port).into())
}

fn number(number: usize) -> Value {
    Value::Count(number as u64)
}

fn bytes(bytes: usize) -> Value {
    Value::Size(ByteSize::from_bytes(bytes as u64))
}

pub(super) fn duration(duration: Duration) -> Value {
    Value::Time(HumanDuration::saturating_from(duration))
}

fn gateway() -> GatewayConfig {
    GatewayConfig::default()
}

fn functions() -> InvokeConfig {
    InvokeConfig::default()
}

fn wasm() -> WasmConfig {
    WasmConfig::new(PathBuf::new())
}
