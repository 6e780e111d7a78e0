//! What a benchmark found, as one line of JSON.

use std::time::{Duration, Instant};

/// Prints a row; `goal` is written as in `ratio <= 1.5` or `ours <= 5`.
#[expect(clippy::print_stdout, reason = "rows are this program's output")]
pub(crate) fn print(measure: &str, unit: &str, ours: f64, peer: Option<f64>, goal: Option<&str>) {
    let row = serde_json::json!({ "measure": measure, "unit": unit, "ours": ours, "peer": peer, "goal": goal });
    println!("{row}");
}

/// Microseconds.
pub(crate) fn micros(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e6
}

/// How long `work` takes, in microseconds.
pub(crate) fn time_us(work: impl FnOnce()) -> f64 {
    let start = Instant::now();
    work();
    micros(start.elapsed())
}

/// The middle value.
pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
