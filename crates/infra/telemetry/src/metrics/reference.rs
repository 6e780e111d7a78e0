//! The page about metrics in the documentation, made from the table that the text is made from.

use std::fmt::Write as _;

use super::limit::Limit;
use super::outcome::Outcome;
use super::series::OTHERS;
use super::table::TABLE;

/// `docs/reference/metrics.md`.
#[must_use]
pub fn metrics_reference() -> String {
    let mut page = String::from(START);
    for (about, families) in TABLE {
        let _ = writeln!(page, "\n## {about}\n\n| metric | type | labels | what |\n|---|---|---|---|");
        for family in families {
            let labels: Vec<_> = family.labels.iter().map(|label| format!("`{label}`")).collect();
            let kind = family.kind.as_str();
            let _ = writeln!(page, "| `{}` | {kind} | {} | {} |", family.full_name(), labels.join(", "), family.help);
        }
    }
    let words = |words: &[&str]| words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ");
    let outcomes = words(&Outcome::ALL.map(Outcome::as_str));
    let _ = write!(
        page,
        "\n## Labels\n\n\
         - `stack`, `stack_id`, `function`: only those of stacks that are deployed, once they have been called since the \
         node started. Of functions beyond `metrics.functions_max` the sum is given, under the name `{OTHERS}`; of \
         stacks, those with the most traffic are given, as many at most.\n\
         - `outcome`: {outcomes}. The first three are answers of the function, by their status; `failed`: it ended \
         without one; `timed_out`: its time or instructions were used up; `rejected`: there was no room, or the request \
         is over a limit; `abandoned`: the caller went away; `internal`: the node is at fault. Requests to \
         the management API have the first three.\n\
         - `operation`: `read`, `write`.\n\
         - `limit`: the setting to look at, in [the configuration](configuration.md) or, where it begins with \
         `function.`, in [mu.yaml](manifest.md):\n\n\
         | limit | when it is counted |\n|---|---|\n"
    );
    for limit in Limit::ALL {
        let _ = writeln!(page, "| `{}` | {} |", limit.as_str(), limit.about());
    }
    page
}

const START: &str = "\
# Metrics

<!-- Made from the code by `MU_UPDATE_DOCS=1 cargo test -p mu-telemetry`; edits here are lost. -->

`mu serve` answers `GET /metrics` on `metrics.address` in the OpenMetrics text format, which Prometheus and those who read
its format understand. Counters start at zero with the process. The process is only looked at on Linux.
";

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    #[test]
    fn the_committed_page_is_the_tables() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../docs/reference/metrics.md");
        let page = super::metrics_reference();
        if std::env::var_os("MU_UPDATE_DOCS").is_some() {
            fs::write(&path, &page).unwrap();
        }
        let committed = fs::read_to_string(&path).unwrap_or_default();
        assert!(committed == page, "run the tests with MU_UPDATE_DOCS=1 to rewrite docs/reference/metrics.md");
    }
}
