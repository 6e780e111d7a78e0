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

/// The value of the line that begins with this.
fn value(text: &str, line: &str) -> Option<String> {
    text.lines().find_map(|candidate| candidate.strip_prefix(line)?.strip_prefix(' ')).map(str::to_owned)
}

const CART: &str = r#"stack="shop",stack_id="s_1",function="cart""#;

#[test]
fn invocations_are_counted_by_function_and_outcome() {
    let metrics = metrics(10);
    let cart = function(&metrics, "s_1", "cart");
    let under_way = (cart.enter(), cart.enter());
    cart.ended(Outcome::Ok, Duration::ZERO, Duration::from_millis(3));
    cart.ended(Outcome::Ok, Duration::from_millis(1), Duration::from_secs(2));
    cart.ended(Outcome::of_status(404), Duration::ZERO, Duration::ZERO);
    cart.used(&Usage { instructions: 7, db_reads: 2, storage_written_bytes: 9, ..Usage::default() });
    cart.received_bytes(100);
    cart.sent_bytes(200);
    drop(under_way.0);
    let text = metrics.encode();
    for (line, expected) in [
        (format!(r#"mu_invocations_total{{{CART},outcome="ok"}}"#), "2"),
        (format!(r#"mu_invocations_total{{{CART},outcome="client_error"}}"#), "1"),
        (format!(r#"mu_invocations_total{{{CART},outcome="failed"}}"#), "0"),
        (format!("mu_invocation_duration_seconds_count{{{CART}}}"), "3"),
        (format!("mu_invocation_duration_seconds_sum{{{CART}}}"), "2.003"),
        (format!(r#"mu_invocation_duration_seconds_bucket{{le="0.005",{CART}}}"#), "2"),
        (format!(r#"mu_invocation_duration_seconds_bucket{{le="+Inf",{CART}}}"#), "3"),
        (format!(r#"mu_invocation_wait_seconds_bucket{{le="0.0005",{CART}}}"#), "2"),
        (format!("mu_invocations_in_flight{{{CART}}}"), "1"),
        (format!("mu_instructions_total{{{CART}}}"), "7"),
        (format!("mu_received_bytes_total{{{CART}}}"), "100"),
        (format!("mu_sent_bytes_total{{{CART}}}"), "200"),
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
    let text = metrics.encode();
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
fn limits_and_lost_lines_are_counted_by_name() {
    let metrics = metrics(10);
    metrics.limit_hit(Limit::FunctionTimeout);
    metrics.limit_hit(Limit::FunctionTimeout);
    metrics.log_lines_dropped(LogLoss::QueueFull, 12);
    let text = metrics.encode();
    assert_eq!(value(&text, r#"mu_limit_hits_total{limit="function.timeout"}"#).as_deref(), Some("2"));
    assert_eq!(value(&text, r#"mu_limit_hits_total{limit="wasm.instances"}"#).as_deref(), Some("0"));
    assert_eq!(value(&text, r#"mu_log_lines_dropped_total{reason="queue_full"}"#).as_deref(), Some("12"));
}

#[test]
fn enumerations_are_listed_in_their_order() {
    assert!(Limit::ALL.iter().enumerate().all(|(at, limit)| *limit as usize == at));
    assert!(Outcome::ALL.iter().enumerate().all(|(at, outcome)| *outcome as usize == at));
    assert!(LogLoss::ALL.iter().enumerate().all(|(at, loss)| *loss as usize == at));
    let names: BTreeSet<_> = Limit::ALL.map(Limit::as_str).into();
    assert_eq!(names.len(), Limit::ALL.len());
}

#[test]
fn a_function_has_lines_while_it_is_deployed_and_once_it_was_called() {
    let metrics = metrics(10);
    let line = format!(r#"mu_invocations_total{{{CART},outcome="ok"}}"#);
    let first = function(&metrics, "s_1", "cart");
    assert_eq!(value(&metrics.encode(), &line), None);
    first.ended(Outcome::Ok, Duration::ZERO, Duration::ZERO);
    // The next version goes on counting, also when the first one is gone before it is called.
    let second = function(&metrics, "s_1", "cart");
    drop(first);
    assert_eq!(value(&metrics.encode(), &line).as_deref(), Some("1"));
    second.ended(Outcome::Ok, Duration::ZERO, Duration::ZERO);
    assert_eq!(value(&metrics.encode(), &line).as_deref(), Some("2"));
    drop(second);
    assert_eq!(value(&metrics.encode(), &line), None);
}

#[test]
fn functions_beyond_the_most_are_counted_together() {
    let metrics = metrics(2);
    let all: Vec<_> = ["a", "b", "c", "d"].map(|name| function(&metrics, "s_1", name)).into();
    for function in &all {
        function.ended(Outcome::Ok, Duration::ZERO, Duration::ZERO);
    }
    let text = metrics.encode();
    let others = r#"mu_invocations_total{stack="(others)",stack_id="(others)",function="(others)",outcome="ok"}"#;
    assert_eq!(value(&text, others).as_deref(), Some("2"));
    assert_eq!(value(&text, r#"mu_limit_hits_total{limit="metrics.functions_max"}"#).as_deref(), Some("2"));
    // Places of functions that are gone are given to others.
    drop(all);
    let late = function(&metrics, "s_2", "late");
    late.ended(Outcome::Ok, Duration::ZERO, Duration::ZERO);
    assert!(metrics.encode().contains(r#"function="late",outcome="ok"} 1"#));
}

#[test]
fn stacks_of_the_same_name_are_told_apart() {
    let metrics = metrics(10);
    let (one, other) = (function(&metrics, "s_1", "cart"), function(&metrics, "s_2", "cart"));
    one.ended(Outcome::Ok, Duration::ZERO, Duration::ZERO);
    other.ended(Outcome::Failed, Duration::ZERO, Duration::ZERO);
    let text = metrics.encode();
    let mut lines: Vec<_> = text.lines().filter(|line| !line.starts_with('#')).collect();
    let count = lines.len();
    lines.sort_unstable_by_key(|line| line.rsplit_once(' ').map(|(series, _)| series));
    lines.dedup_by_key(|line| line.rsplit_once(' ').map(|(series, _)| series));
    assert_eq!(lines.len(), count, "a series stands there twice\n{text}");
}

#[cfg(target_os = "linux")]
#[test]
fn the_process_is_looked_at() {
    let text = metrics(1).encode();
    let number = |name: &str| value(&text, name).unwrap_or_default().parse::<f64>().unwrap();
    assert!(number("process_resident_memory_bytes") > 100_000.0, "{text}");
    assert!(number("process_open_fds") >= 3.0, "{text}");
    assert!(number("process_max_fds") >= number("process_open_fds"), "{text}");
    assert!(number("process_threads") >= 1.0, "{text}");
    assert!(number("process_cpu_seconds_total") >= 0.0, "{text}");
    // After the year 2020.
    assert!(number("process_start_time_seconds") > 1_577_836_800.0, "{text}");
}
