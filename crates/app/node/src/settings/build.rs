//! Values by key become the struct that the node is made with.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use mu_gateway::{CertificateFiles, GatewayConfig};
use mu_invoke::{FailureDetail, InvokeConfig};
use mu_runtime::{EgressPolicy, WasmConfig};
use mu_telemetry::{Level, LogFilter, LogFormat, NodeLog};

use super::containers::containers;
use super::value::Value;
use super::values::{Values, mismatch};
use super::{
    AccessSettings, AnonymousAccess, ApiSettings, GatewaySettings, GatewayTlsSettings, LogsSettings, MetricsSettings,
    OidcAlgorithm, OidcSettings, QuotaSettings, Settings,
};

/// Where compiled modules lie below the cache.
const MODULES_FOLDER: &str = "modules";

/// The settings that values stand for. Every value has the kind and the range that the table gives its key.
pub(super) fn settings(values: &Values) -> Settings {
    let drain_timeout = values.duration("shutdown.drain_timeout");
    let cache_dir = values.path("cache_dir").to_owned();
    Settings {
        data_dir: values.path("data_dir").to_owned(),
        gateway: gateway(values, drain_timeout),
        api: api(values),
        metrics: MetricsSettings {
            address: address(values, "metrics.address"),
            token: match values.value("metrics.token") {
                Value::Secret(token) => Some(token.clone()),
                _ => None,
            },
            functions_max: size(values, "metrics.functions_max"),
        },
        log: log(values),
        access: access(values),
        functions: functions(values),
        wasm: wasm(values, cache_dir.join(MODULES_FOLDER)),
        containers: containers(values),
        egress: match values.word("egress.allow") {
            "anywhere" => EgressPolicy::Anywhere,
            _ => EgressPolicy::PublicOnly,
        },
        resolver: address_if_set(values, "domains.resolver"),
        logs: LogsSettings {
            retention: values.duration("logs.retention"),
            bytes_per_stack: values.count("logs.bytes_per_stack"),
        },
        client_quota: QuotaSettings {
            requests_per_second: rate(values, "quotas.client.requests_per_second"),
            invocations_per_second: rate(values, "quotas.client.invocations_per_second"),
            concurrent_invocations: rate(values, "quotas.client.concurrent_invocations"),
            instructions_per_day: values.count_if_set("quotas.client.instructions_per_day"),
            table_bytes: values.count_if_set("quotas.client.table_bytes"),
            box_bytes: values.count_if_set("quotas.client.box_bytes"),
        },
        stack_quota: QuotaSettings {
            requests_per_second: None,
            invocations_per_second: rate(values, "quotas.stack.invocations_per_second"),
            concurrent_invocations: rate(values, "quotas.stack.concurrent_invocations"),
            instructions_per_day: values.count_if_set("quotas.stack.instructions_per_day"),
            table_bytes: values.count_if_set("quotas.stack.table_bytes"),
            box_bytes: values.count_if_set("quotas.stack.box_bytes"),
        },
        cache_dir,
        drain_timeout,
    }
}

fn gateway(values: &Values, drain_timeout: Duration) -> GatewaySettings {
    let limits = GatewayConfig {
        connections_max: size(values, "gateway.connections_max"),
        uri_bytes_max: size(values, "gateway.uri_bytes_max"),
        header_bytes_max: narrow(values.count("gateway.header_bytes_max")),
        head_timeout: values.duration("gateway.head_timeout"),
        body_pause_max: values.duration("gateway.body_pause_max"),
        write_pause_max: values.duration("gateway.write_pause_max"),
        keep_alive: values.duration("gateway.keep_alive"),
        drain_timeout,
        streams_max: narrow(values.count("gateway.streams_max")),
        websockets_max: size(values, "gateway.websockets_max"),
        ping_after: values.duration("gateway.ping_after"),
        pong_timeout: values.duration("gateway.pong_timeout"),
        close_timeout: values.duration("gateway.close_timeout"),
        ..GatewayConfig::default()
    };
    let certificates = values.list("gateway.tls.certificates").iter().map(certificate).collect();
    let tls = address_if_set(values, "gateway.tls.address").map(|address| GatewayTlsSettings { address, certificates });
    let public_url = url_if_set(values, "gateway.public_url");
    GatewaySettings { address: address(values, "gateway.address"), public_url, limits, tls }
}

fn url_if_set(values: &Values, path: &str) -> Option<url::Url> {
    match values.value(path) {
        Value::Url(url) => Some(url.clone()),
        _ => None,
    }
}

fn api(values: &Values) -> ApiSettings {
    let file = |path| match values.value(path) {
        Value::Path(file) => Some(file.clone()),
        _ => None,
    };
    ApiSettings {
        address: address(values, "api.address"),
        public_url: url_if_set(values, "api.public_url"),
        tls: file("api.tls.certificate").zip(file("api.tls.key")).map(|(chain, key)| CertificateFiles { chain, key }),
        request_bytes_max: values.count("api.request_bytes_max"),
        upload_bytes_max: values.count("api.upload_bytes_max"),
    }
}

fn log(values: &Values) -> NodeLog {
    let level = match values.word("log.level") {
        "error" => Level::Error,
        "warn" => Level::Warn,
        "debug" => Level::Debug,
        "trace" => Level::Trace,
        _ => Level::Info,
    };
    NodeLog {
        filter: match values.value("log.filter") {
            Value::Filter(filter) => filter.clone(),
            _ => LogFilter::from(level),
        },
        format: match values.word("log.format") {
            "json" => LogFormat::Json,
            _ => LogFormat::Text,
        },
    }
}

fn access(values: &Values) -> AccessSettings {
    let operators = values.list("access.operators").iter().map(|key| match key {
        Value::Key(key) => *key,
        other => mismatch("access.operators", other),
    });
    AccessSettings {
        operators: operators.collect(),
        anonymous: match values.word("access.anonymous") {
            "operator" => AnonymousAccess::Operator,
            "viewer" => AnonymousAccess::Viewer,
            _ => AnonymousAccess::None,
        },
        oidc: values.list("access.oidc").iter().map(issuer).collect(),
    }
}

fn functions(values: &Values) -> InvokeConfig {
    InvokeConfig {
        concurrency_max: size(values, "functions.concurrency_max"),
        queue_max: size(values, "functions.queue_max"),
        request_bytes_max: values.count("functions.request_bytes_max"),
        message_bytes_max: values.count("functions.message_bytes_max"),
        response_bytes_max: values.count("functions.response_bytes_max"),
        log_bytes_max: size(values, "functions.log_bytes_max"),
        failure_detail: match values.word("functions.failure_detail") {
            "shown" => FailureDetail::Shown,
            _ => FailureDetail::Hidden,
        },
        ..InvokeConfig::default()
    }
}

fn wasm(values: &Values, cache_dir: PathBuf) -> WasmConfig {
    let mut config = WasmConfig::new(cache_dir);
    config.cache_bytes = values.count("wasm.cache_bytes");
    config.instances = narrow(values.count("wasm.instances"));
    if let Some(threads) = values.count_if_set("wasm.compute_threads") {
        config.compute_threads = usize::try_from(threads).unwrap_or(usize::MAX);
    }
    config
}

fn certificate(item: &Value) -> CertificateFiles {
    let file = |name| match field(item, name) {
        Value::Path(path) => path.clone(),
        other => mismatch(name, other),
    };
    CertificateFiles { chain: file("certificate"), key: file("key") }
}

fn issuer(item: &Value) -> OidcSettings {
    let text = |name| match field(item, name) {
        Value::Text(text) => text.clone(),
        other => mismatch(name, other),
    };
    let algorithm = |value: &Value| match value {
        Value::Word("ES256") => OidcAlgorithm::Es256,
        Value::Word("EdDSA") => OidcAlgorithm::EdDsa,
        _ => OidcAlgorithm::Rs256,
    };
    OidcSettings {
        name: text("name"),
        issuer: text("issuer"),
        audience: text("audience"),
        algorithms: match field(item, "algorithms") {
            Value::List(algorithms) => algorithms.iter().map(algorithm).collect(),
            other => mismatch("algorithms", other),
        },
    }
}

/// A field of a map, which the reader has seen to.
fn field<'v>(item: &'v Value, name: &str) -> &'v Value {
    match item {
        Value::Map(fields) => fields.iter().find(|(key, _)| *key == name).map(|(_, value)| value),
        _ => None,
    }
    .unwrap_or_else(|| mismatch(name, item))
}

fn address(values: &Values, path: &str) -> SocketAddr {
    address_if_set(values, path).unwrap_or_else(|| mismatch(path, &Value::Unset))
}

fn address_if_set(values: &Values, path: &str) -> Option<SocketAddr> {
    match values.value(path) {
        Value::Unset => None,
        Value::Address(address) => Some(*address),
        other => mismatch(path, other),
    }
}

fn size(values: &Values, path: &str) -> usize {
    usize::try_from(values.count(path)).unwrap_or(usize::MAX)
}

fn rate(values: &Values, path: &str) -> Option<u32> {
    values.count_if_set(path).map(narrow)
}

/// The ranges of these keys lie far below.
fn narrow(count: u64) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}
