use std::time::Duration;

use mu_gateway::GatewayConfig;
use mu_invoke::InvokeConfig;
use mu_telemetry::LogFormat;
use serde_json::json;

use super::*;
use crate::settings::kind::Default;
use crate::settings::table::keys;

#[test]
fn without_anything_all_is_as_the_crates_have_it() {
    let settings = load("", &[], &[]).into_settings();
    assert_eq!(settings.gateway.limits, GatewayConfig::default());
    assert_eq!(settings.functions, InvokeConfig::default());
    assert_eq!(settings.data_dir, PathBuf::from("/home/ada/.local/share/mu/node"));
    assert_eq!(settings.cache_dir, PathBuf::from("/home/ada/.cache/mu/node"));
    assert_eq!(settings.wasm.cache_dir, PathBuf::from("/home/ada/.cache/mu/node/modules"));
    assert_eq!(settings.wasm.compute_threads, WasmConfig::new(PathBuf::new()).compute_threads);
    let addresses = [settings.gateway.address, settings.api.address, settings.metrics.address];
    assert_eq!(addresses.map(|address| address.to_string()), ["127.0.0.1:12080", "127.0.0.1:12000", "127.0.0.1:12090"]);
    assert_eq!(settings.access.anonymous, AnonymousAccess::None);
    assert_eq!(settings.egress, EgressPolicy::PublicOnly);
    assert_eq!((settings.client_quota, settings.stack_quota), (QuotaSettings::default(), QuotaSettings::default()));
    assert!(settings.gateway.tls.is_none() && settings.api.tls.is_none() && settings.metrics.token.is_none());
}

#[test]
fn a_later_layer_wins_and_is_named() {
    let file = "gateway:\n  address: 127.0.0.1:1\n  keep_alive: 1m\nlog: {format: json}\n";
    let variables = [("MU_GATEWAY__ADDRESS", "127.0.0.1:2"), ("MU_METRICS__ADDRESS", "127.0.0.1:3")];
    let flags = [Override::new("gateway.address", "127.0.0.1:4", "--gateway"), Override::set("wasm.instances=7")];
    let loaded = load(file, &variables, &flags);
    let shown = loaded.to_json();
    for (key, value, from) in [
        ("gateway.address", json!("127.0.0.1:4"), "--gateway"),
        ("metrics.address", json!("127.0.0.1:3"), "MU_METRICS__ADDRESS"),
        ("gateway.keep_alive", json!("1m"), "mu-node.yaml:3:3"),
        ("log.format", json!("json"), "mu-node.yaml:4:7"),
        ("wasm.instances", json!(7), "--set wasm.instances"),
        ("api.address", json!("127.0.0.1:12000"), "default"),
        ("quotas.stack.table_bytes", json!(null), "default"),
    ] {
        assert_eq!(shown[key], json!({"value": value, "from": from}), "{key}");
    }
    let settings = loaded.settings();
    assert_eq!(settings.gateway.address.port(), 4);
    assert_eq!(settings.gateway.limits.keep_alive, Duration::from_secs(60));
    assert_eq!(settings.log.format, LogFormat::Json);
}

/// Another value than the default for every key.
const SAMPLES: &[(&str, &str)] = &[
    ("data_dir", "/d"),
    ("cache_dir", "/c"),
    ("gateway.address", "127.0.0.1:1"),
    ("gateway.public_url", "https://functions.example.com/"),
    ("gateway.connections_max", "2"),
    ("gateway.uri_bytes_max", "1KiB"),
    ("gateway.header_bytes_max", "9KiB"),
    ("gateway.head_timeout", "1s"),
    ("gateway.body_pause_max", "1s"),
    ("gateway.write_pause_max", "1s"),
    ("gateway.keep_alive", "0s"),
    ("gateway.streams_max", "1"),
    ("gateway.websockets_max", "0"),
    ("gateway.ping_after", "1s"),
    ("gateway.pong_timeout", "1s"),
    ("gateway.close_timeout", "1s"),
    ("gateway.tls.address", "127.0.0.1:2"),
    ("gateway.tls.certificates", "[{certificate: CERTIFICATE, key: KEY}]"),
    ("api.address", "[::1]:3"),
    ("api.public_url", "https://mu.example.com/x"),
    ("api.insecure", "true"),
    ("api.request_bytes_max", "2MiB"),
    ("api.upload_bytes_max", "2MiB"),
    ("api.tls.certificate", "CERTIFICATE"),
    ("api.tls.key", "KEY"),
    ("metrics.address", "127.0.0.1:4"),
    ("metrics.token", "a-secret-of-twenty-4"),
    ("metrics.functions_max", "5"),
    ("log.level", "debug"),
    ("log.filter", "mu_gateway=trace"),
    ("log.format", "json"),
    ("access.operators", "k_4uQeVj5tqViQh7yWWGStvkEG1Zmhx6uasJtWCJziofM"),
    ("access.anonymous", "viewer"),
    ("access.oidc", "[{name: a, issuer: 'https://i', audience: u, algorithms: [EdDSA, ES256]}]"),
    ("functions.concurrency_max", "3"),
    ("functions.queue_max", "3"),
    ("functions.request_bytes_max", "3MiB"),
    ("functions.response_bytes_max", "3MiB"),
    ("functions.message_bytes_max", "3MiB"),
    ("functions.log_bytes_max", "3MiB"),
    ("functions.failure_detail", "shown"),
    ("wasm.cache_bytes", "3MiB"),
    ("wasm.instances", "3"),
    ("wasm.compute_threads", "777"),
    ("containers.runner", "runc"),
    ("containers.runner_path", "/opt/runc"),
    ("containers.allow_unenforced", "true"),
    ("containers.memory", "1GiB"),
    ("containers.milli_cpus", "1234567"),
    ("containers.milli_cpus_each", "77"),
    ("containers.freeze_after", "1s"),
    ("containers.start_timeout", "7s"),
    ("containers.pids", "77"),
    ("containers.open_files", "77"),
    ("containers.image_bytes_max", "1GiB"),
    ("containers.images_bytes_max", "1GiB"),
    ("containers.images_unused_for", "1h"),
    ("containers.pull_timeout", "7s"),
    ("containers.credentials", "/c.json"),
    ("containers.insecure_registries", "registry.lan:5000"),
    ("egress.allow", "anywhere"),
    ("domains.resolver", "127.0.0.1:53"),
    ("logs.retention", "3h"),
    ("logs.bytes_per_stack", "3MiB"),
    ("quotas.client.requests_per_second", "1"),
    ("quotas.client.invocations_per_second", "2"),
    ("quotas.client.concurrent_invocations", "3"),
    ("quotas.client.instructions_per_day", "4G"),
    ("quotas.client.table_bytes", "5"),
    ("quotas.client.box_bytes", "6"),
    ("quotas.stack.invocations_per_second", "8"),
    ("quotas.stack.concurrent_invocations", "9"),
    ("quotas.stack.instructions_per_day", "10G"),
    ("quotas.stack.table_bytes", "11"),
    ("quotas.stack.box_bytes", "12"),
    ("shutdown.drain_timeout", "3s"),
];

/// Keys that only mean something together with another one, which the settings show.
const PAIRS: &[(&str, &str)] = &[
    ("gateway.tls.address", "gateway.tls.certificates"),
    ("gateway.tls.certificates", "gateway.tls.address"),
    ("api.tls.certificate", "api.tls.key"),
    ("api.tls.key", "api.tls.certificate"),
    ("containers.runner_path", "containers.runner"),
];

#[test]
fn every_key_can_be_set_and_reaches_the_settings() {
    let folder = cross_checks::certificate_files();
    let text = |sample: &str| {
        let path = |name: &str| folder.path().join(name).display().to_string();
        sample.replace("CERTIFICATE", &path("cert.pem")).replace("KEY", &path("key.pem"))
    };
    let usual = format!("{:?}", load("", &[], &[]).settings());
    for key in keys() {
        let sample = |wanted: &str| {
            let found = SAMPLES.iter().find(|(path, _)| *path == wanted);
            text(found.unwrap_or_else(|| panic!("no sample for {wanted}")).1)
        };
        let mut variables = vec![(key.variable(), sample(key.path))];
        let pair = PAIRS.iter().find(|(path, _)| *path == key.path);
        variables
            .extend(pair.map(|(_, other)| (format!("MU_{}", other.to_uppercase().replace('.', "__")), sample(other))));
        let variables: Vec<_> = variables.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let loaded = load("", &variables, &[]);
        assert_eq!(loaded.to_json()[key.path]["from"], key.variable());
        // It permits what would otherwise be refused, and has no other effect.
        if key.path != "api.insecure" {
            assert_ne!(format!("{:?}", loaded.settings()), usual, "{} changes nothing", key.path);
        }
    }
}

#[test]
fn what_is_shown_can_be_set_again() {
    let loaded = load("", &[], &[]);
    for key in keys().filter(|key| matches!(key.default, Default::Is(_) | Default::Nothing(_))) {
        let shown = loaded.values.value(key.path);
        let text = key.nothing().map_or(shown.to_string(), str::to_owned);
        let again = load("", &[(&key.variable(), &text)], &[]);
        assert_eq!(again.values.value(key.path), shown, "{}", key.path);
    }
}

#[test]
fn paths_start_from_where_they_are_written() {
    let flags = [Override::set("cache_dir=cache")];
    let settings = load("data_dir: data\n", &[], &flags).into_settings();
    assert_eq!((settings.data_dir, settings.cache_dir), ("/etc/mu/data".into(), "/srv/cache".into()));
}

#[test]
fn nothing_sets_a_key_back() {
    let file = "quotas: {stack: {invocations_per_second: 5, box_bytes: 5}}\nlog: {filter: warn}\n";
    let variables = [("MU_QUOTAS__STACK__INVOCATIONS_PER_SECOND", "unlimited"), ("MU_LOG__FILTER", "")];
    let settings = load(file, &variables, &[]).into_settings();
    assert_eq!(settings.stack_quota, QuotaSettings { box_bytes: Some(5), ..QuotaSettings::default() });
    assert_eq!(settings.log.filter.to_string(), "info");
}

#[test]
fn the_log_has_a_variable_that_all_commands_know() {
    let filter = |variables: &[(&str, &str)]| load("", variables, &[]).settings().log.filter.to_string();
    assert_eq!(filter(&[("MU_LOG", "mu_node=debug")]), "mu_node=debug");
    assert_eq!(filter(&[("MU_LOG__FILTER", "warn"), ("MU_LOG", "debug")]), "warn");
    assert_eq!(filter(&[("MU_LOG", "")]), "info");
}

#[test]
fn lists_are_written_with_commas_or_as_yaml() {
    let key = "k_4uQeVj5tqViQh7yWWGStvkEG1Zmhx6uasJtWCJziofM";
    for (text, count) in [("", 0), (key, 1), (&*format!("{key}, {key}"), 2), (&*format!("[{key}]"), 1), ("[]", 0)] {
        let loaded = load("", &[("MU_ACCESS__OPERATORS", text)], &[]);
        assert_eq!(loaded.settings().access.operators.len(), count, "{text}");
    }
    let text = "[{name: a, issuer: 'https://i.example', audience: mu}]";
    let oidc = load("", &[], &[Override::new("access.oidc", text, "--oidc")]).into_settings().access.oidc;
    let expected = OidcSettings {
        name: "a".to_owned(),
        issuer: "https://i.example".to_owned(),
        audience: "mu".to_owned(),
        algorithms: vec![OidcAlgorithm::Rs256],
    };
    assert_eq!(oidc, [expected]);
}

#[test]
fn variables_of_others_are_left_alone() {
    let others =
        [("MU_FN_A__B", "1"), ("MU_WASM_TOOLCHAIN", "/x"), ("MU", ""), ("XMU_API__X", ""), ("MU_API_PORT", "tcp")];
    load("", &others, &[]);
}

#[test]
fn containers_are_set_by_variables_alone() {
    let of = |variables: &[(&str, &str)]| {
        ContainersSettings::of_variables(variables.iter().map(|(name, value)| ((*name).into(), (*value).into())))
    };
    let set = of(&[
        ("MU_CONTAINERS__RUNNER", "docker"),
        ("MU_CONTAINERS__RUNNER_PATH", "/p.sock"),
        ("MU_CONTAINERS__ALLOW_UNENFORCED", "true"),
        ("MU_CONTAINERS__CREDENTIALS", "/c.json"),
        ("MU_GATEWAY__ADDRESS", "nowhere"),
    ]);
    let set = set.unwrap();
    assert_eq!((set.runner, set.runner_path), (RunnerChoice::Docker, Some("/p.sock".into())));
    assert!(set.allow_unenforced);
    assert_eq!(set.credentials, [PathBuf::from("/c.json")]);
    assert_eq!(format!("{:?}", of(&[]).unwrap()), format!("{:?}", ContainersSettings::default()));
    let mistakes = of(&[("MU_CONTAINERS__RUNER", "docker"), ("MU_CONTAINERS__PIDS", "x")]).unwrap_err().to_string();
    assert!(mistakes.contains("did you mean `MU_CONTAINERS__RUNNER`?"), "{mistakes}");
    assert!(mistakes.contains("MU_CONTAINERS__PIDS: error: "), "{mistakes}");
}
