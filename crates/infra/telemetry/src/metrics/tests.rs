//! What is recorded is what is read.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use mu_pricing::Usage;

use super::table::TABLE;
use super::*;

fn metrics(functions_max: usize) -> Metrics {
    Metrics::new(MetricsParams { version: "1.2.3", functions_max })
}

fn function(metrics: &Metrics, stack_id: &str, name: &str) -> FunctionMetrics {
    let (stack, function) = (Arc::from("shop"), Arc::from(name));
    metrics.function(&FunctionParams { stack_id, stack: &stack, function: &function })
}

fn read(metrics: &Metrics) -> String {
    metrics.encode(Readings::default())
}

fn traffic(stack_id: &str, bytes: u64) -> StackTraffic {
    StackTraffic { stack_id: stack_id.to_owned(), stack: "shop".into(), requests: 1, bytes }
}

fn in_flight(function: &str, invocations: u64) -> InFlight {
    InFlight { stack_id: "s_1".to_owned(), stack: "shop".into(), function: function.into(), invocations }
}

/// The value of the line that begins with this.
fn value(text: &str, line: &str) -> Option<String> {
    text.lines().find_map(|candidate| candidate.strip_prefix(line)?.strip_prefix(' ')).map(str::to_owned)
}

const CART: &str = r#"stack="shop",stack_id="s_1",function="cart""#;

#[test]
fn invocations_are_counted_by_function_and_outcome() {
    let metrics = metrics(10);
    let cart = function(&metrics, "s_1", "cart");
    cart.ended(Outcome::Ok, Duration::ZERO, Duration::from_millis(3));
    cart.ended(Outcome::Ok, Duration::from_millis(1), Duration::from_secs(2));
    cart.ended(Outcome::of_status(404), Duration::ZERO, Duration::ZERO);
    cart.used(&Usage { instructions: 7, db_reads: 2, storage_written_bytes: 9, ..Usage::default() });
    let text = read(&metrics);
    for (line, expected) in [
        (format!(r#"mu_invocations_total{{{CART},outcome="ok"}}"#), "2"),
        (format!(r#"mu_invocations_total{{{CART},outcome="client_error"}}"#), "1"),
        (format!(r#"mu_invocations_total{{{CART},outcome="failed"}}"#), "0"),
        (format!("mu_invocation_duration_seconds_count{{{CART}}}"), "3"),
        (format!("mu_invocation_duration_seconds_sum{{{CART}}}"), "2.003"),
        (format!(r#"mu_invocation_duration_seconds_bucket{{le="0.005",{CART}}}"#), "2"),
        (format!(r#"mu_invocation_duration_seconds_bucket{{le="+Inf",{CART}}}"#), "3"),
        (format!(r#"mu_invocation_wait_seconds_bucket{{le="0.0005",{CART}}}"#), "2"),
        (format!("mu_invocations_in_flight{{{CART}}}"), "0"),
        (format!("mu_instructions_total{{{CART}}}"), "7"),
        (format!(r#"mu_database_operations_total{{{CART},operation="read"}}"#), "2"),
        (format!(r#"mu_storage_operations_total{{{CART},operation="read"}}"#), "0"),
        (format!(r#"mu_storage_transfer_bytes_total{{{CART},operation="write"}}"#), "9"),
        (r#"mu_build_info{version="1.2.3"}"#.to_owned(), "1"),
    ] {
        assert_eq!(value(&text, &line).as_deref(), Some(expected), "{line}\n{text}");
    }
    assert!(text.ends_with("# EOF\n"), "{text}");
}

#[test]
fn the_text_has_every_metric_of_the_table_and_no_other() {
    let metrics = metrics(10);
    let cart = function(&metrics, "s_1", "cart");
    cart.ended(Outcome::Ok, Duration::ZERO, Duration::ZERO);
    let text = metrics.encode(Readings { traffic: vec![traffic("s_1", 1)], ..Readings::default() });
    let named: BTreeSet<_> = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")).collect();
    let mut listed = BTreeSet::new();
    for family in TABLE.iter().flat_map(|(_, families)| *families) {
        let unit = family.unit.as_ref().map(|unit| format!("_{}", unit.as_str())).unwrap_or_default();
        listed.insert(format!("{}{unit} {}", family.name, family.kind.as_str()));
        let is_of_process = family.name.starts_with("process_");
        let has_samples = text.lines().any(|line| line.starts_with(&family.full_name()));
        assert!(has_samples || (is_of_process && cfg!(not(target_os = "linux"))), "{}\n{text}", family.full_name());
        for label in family.labels {
            assert!(text.contains(&format!("{label}=\"")), "{label} of {}", family.name);
        }
        assert!(family.help.ends_with('.') && !family.help.contains('\n'), "{}", family.help);
    }
    if cfg!(target_os = "linux") {
        assert_eq!(named, listed.iter().map(String::as_str).collect());
    }
}

#[test]
fn limits_are_counted_by_name() {
    let metrics = metrics(10);
    metrics.limit_hit(Limit::FunctionTimeout);
    metrics.limit_hit(Limit::FunctionTimeout);
    let text = read(&metrics);
    assert_eq!(value(&text, r#"mu_limit_hits_total{limit="function.timeout"}"#).as_deref(), Some("2"));
    assert_eq!(value(&text, r#"mu_limit_hits_total{limit="wasm.instances"}"#).as_deref(), Some("0"));
}

#[test]
fn requests_to_the_api_are_counted_by_their_answers() {
    let metrics = metrics(10);
    for status in [200, 201, 304, 404, 429, 503] {
        metrics.api_request(status, Duration::from_secs(1));
    }
    let text = read(&metrics);
    for (outcome, expected) in [("ok", "3"), ("client_error", "2"), ("server_error", "1")] {
        let line = format!(r#"mu_api_request_duration_seconds_count{{outcome="{outcome}"}}"#);
        assert_eq!(value(&text, &line).as_deref(), Some(expected), "{text}");
    }
}

#[test]
fn what_others_know_is_told_as_it_is_brought() {
    let readings = Readings {
        stacks: 9,
        stacks_loaded: 8,
        websockets: 7,
        log_lines_stored: 6,
        log_lines_dropped: 5,
        log_stored_bytes: 4,
        log_followers: 3,
        usage_records_delayed: 2,
        usage_records_lost: 1,
        ..Readings::default()
    };
    let text = metrics(10).encode(readings);
    for (line, expected) in [
        ("mu_stacks", "9"),
        ("mu_stacks_loaded", "8"),
        ("mu_websockets", "7"),
        ("mu_log_lines_stored_total", "6"),
        ("mu_log_lines_dropped_total", "5"),
        ("mu_log_stored_bytes", "4"),
        ("mu_log_followers", "3"),
        ("mu_usage_records_delayed_total", "2"),
        ("mu_usage_records_lost_total", "1"),
    ] {
        assert_eq!(value(&text, line).as_deref(), Some(expected), "{line}\n{text}");
    }
}

#[test]
fn invocations_in_flight_are_those_of_all_versions() {
    let metrics = metrics(2);
    let cart = function(&metrics, "s_1", "cart");
    cart.ended(Outcome::Ok, Duration::ZERO, Duration::ZERO);
    let readings = Readings {
        in_flight: vec![in_flight("cart", 1), in_flight("new", 3), in_flight("cart", 4)],
        ..Readings::default()
    };
    let text = metrics.encode(readings);
    let line = |function| format!(r#"mu_invocations_in_flight{{stack="shop",stack_id="s_1",function="{function}"}}"#);
    assert_eq!(value(&text, &line("cart")).as_deref(), Some("5"), "{text}");
    assert_eq!(value(&text, &line("new")).as_deref(), Some("3"), "its first invocation has not ended\n{text}");
    // When that is over without an end, as if it had never been, there is no line.
    assert_eq!(value(&read(&metrics), &line("new")), None);
}

#[test]
fn traffic_is_told_of_the_stacks_that_have_the_most() {
    let all = [("s_3", 30), ("s_0", 5), ("s_2", 40)].map(|(stack_id, bytes)| traffic(stack_id, bytes));
    let text = metrics(2).encode(Readings { traffic: all.into(), ..Readings::default() });
    let lines: Vec<_> = text.lines().filter(|line| line.starts_with("mu_gateway_")).collect();
    assert_eq!(
        lines,
        [
            r#"mu_gateway_requests_total{stack="shop",stack_id="s_2"} 1"#,
            r#"mu_gateway_requests_total{stack="shop",stack_id="s_3"} 1"#,
            r#"mu_gateway_traffic_bytes_total{stack="shop",stack_id="s_2"} 40"#,
            r#"mu_gateway_traffic_bytes_total{stack="shop",stack_id="s_3"} 30"#,
        ]
    );
}

#[test]
fn enumerations_are_listed_in_their_order() {
    assert!(Limit::ALL.iter().enumerate().all(|(at, limit)| *limit as usize == at));
    assert!(Outcome::ALL.iter().enumerate().all(|(at, outcome)| *outcome as usize == at));
    assert!(Outcome::ANSWERS.iter().enumerate().all(|(at, outcome)| *outcome as usize == at));
    let names: BTreeSet<_> = Limit::ALL.map(Limit::as_str).into();
    assert_eq!(names.len(), Limit::ALL.len());
}

#[test]
fn a_function_has_lines_while_it_is_deployed_and_once_it_was_called() {
    let metrics = metrics(10);
    let line = format!(r#"mu_invocations_total{{{CART},outcome="ok"}}"#);
    let first = function(&metrics, "s_1", "cart");
    assert_eq!(value(&read(&metrics), &line), None);
    first.ended(Outcome::Ok, Duration::ZERO, Duration::ZERO);
    // The next version goes on counting, also when the first one is gone before it is called.
    let second = function(&metrics, "s_1", "cart");
    drop(first);
    assert_eq!(value(&read(&metrics), &line).as_deref(), Some("1"));
    second.ended(Outcome::Ok, Duration::ZERO, Duration::ZERO);
    assert_eq!(value(&read(&metrics), &line).as_deref(), Some("2"));
    drop(second);
    assert_eq!(value(&read(&metrics), &line), None);
}

#[test]
fn functions_beyond_the_most_are_counted_together() {
    let metrics = metrics(2);
    let all: Vec<_> = ["a", "b", "c", "d"].map(|name| function(&metrics, "s_1", name)).into();
    for function in &all {
        function.ended(Outcome::Ok, Duration::ZERO, Duration::ZERO);
    }
    let text = read(&metrics);
    let others = r#"mu_invocations_total{stack="(others)",stack_id="(others)",function="(others)",outcome="ok"}"#;
    assert_eq!(value(&text, others).as_deref(), Some("2"));
    assert_eq!(value(&text, r#"mu_limit_hits_total{limit="metrics.functions_max"}"#).as_deref(), Some("2"));
    // Places of functions that are gone are given to others.
    drop(all);
    let late = function(&metrics, "s_2", "late");
    late.ended(Outcome::Ok, Duration::ZERO, Duration::ZERO);
    assert!(read(&metrics).contains(r#"function="late",outcome="ok"} 1"#));
}

#[test]
fn stacks_of_the_same_name_are_told_apart() {
    let metrics = metrics(10);
    let (one, other) = (function(&metrics, "s_1", "cart"), function(&metrics, "s_2", "cart"));
    one.ended(Outcome::Ok, Duration::ZERO, Duration::ZERO);
    other.ended(Outcome::Failed, Duration::ZERO, Duration::ZERO);
    let text = read(&metrics);
    let mut lines: Vec<_> = text.lines().filter(|line| !line.starts_with('#')).collect();
    let count = lines.len();
    lines.sort_unstable_by_key(|line| line.rsplit_once(' ').map(|(series, _)| series));
    lines.dedup_by_key(|line| line.rsplit_once(' ').map(|(series, _)| series));
    assert_eq!(lines.len(), count, "a series stands there twice\n{text}");
}

#[cfg(target_os = "linux")]
#[test]
fn the_process_is_looked_at() {
    let text = read(&metrics(1));
    let number = |name: &str| value(&text, name).unwrap_or_default().parse::<f64>().unwrap();
    assert!(number("process_resident_memory_bytes") > 100_000.0, "{text}");
    assert!(number("process_open_fds") >= 3.0, "{text}");
    assert!(number("process_max_fds") >= number("process_open_fds"), "{text}");
    assert!(number("process_threads") >= 1.0, "{text}");
    assert!(number("process_cpu_seconds_total") >= 0.0, "{text}");
    // After the year 2020.
    assert!(number("process_start_time_seconds") > 1_577_836_800.0, "{text}");
}
