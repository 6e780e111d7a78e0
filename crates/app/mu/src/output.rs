//! Data on standard output: a table for people, or JSON for programs.

use std::io;

use clap::{Args, ValueEnum};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::failure::{Cause, Failure};
use crate::terminal::{self, BOLD, printable};

#[derive(Args, Clone, Copy, Debug)]
pub(crate) struct OutputArgs {
    /// How to print on standard output
    #[arg(long, value_enum, default_value_t = Output::Table)]
    pub(crate) output: Output,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Output {
    /// Aligned columns for people
    Table,
    /// What the node answered, as JSON
    Json,
}

impl Output {
    /// Prints a list: as it is, or a row per item.
    pub(crate) fn list<V: DeserializeOwned, const N: usize>(
        self,
        items: &[Value],
        heading: [&str; N],
        row: impl Fn(V) -> [String; N],
    ) -> Result<(), Failure> {
        if self == Self::Json {
            return self.json(&Value::from(items));
        }
        let rows = items.iter().map(|item| Ok(row(view(item)?))).collect::<Result<Vec<_>, Failure>>()?;
        written(terminal::print_styled(&table(heading, &rows)))
    }

    /// Prints one thing: as it is, or a line per field.
    pub(crate) fn record<V: DeserializeOwned>(
        self,
        value: &Value,
        fields: impl FnOnce(V) -> Vec<(&'static str, String)>,
    ) -> Result<(), Failure> {
        if self == Self::Json {
            return self.json(value);
        }
        written(terminal::print_styled(&record(&fields(view(value)?))))
    }

    /// Prints text for people, or the value it was made of.
    pub(crate) fn text(self, value: &Value, text: &str) -> Result<(), Failure> {
        if self == Self::Json { self.json(value) } else { written(terminal::print_styled(text)) }
    }

    fn json(self, value: &Value) -> Result<(), Failure> {
        written(terminal::print(format!("{value:#}\n")))
    }
}

/// What a node answered, as far as it is shown.
pub(crate) fn view<V: DeserializeOwned>(value: &Value) -> Result<V, Failure> {
    V::deserialize(value).map_err(|e| {
        Failure::new(Cause::Failed, format!("the node's answer is not as this mu expects: {e}"))
            .hint("`--output json` prints it as it is")
    })
}

/// What became of writing. That the reader has enough, as `head` may have, is no failure.
pub(crate) fn written(result: io::Result<()>) -> Result<(), Failure> {
    let result = result.or_else(|e| if e.kind() == io::ErrorKind::BrokenPipe { Ok(()) } else { Err(e) });
    result.map_err(|e| Failure::from_error(Cause::Failed, "writing the result", &e))
}

/// Columns that are as wide as their widest cell, below their headings.
fn table<const N: usize>(heading: [&str; N], rows: &[[String; N]]) -> String {
    let rows: Vec<[String; N]> = rows.iter().map(|row| row.each_ref().map(|cell| printable(cell))).collect();
    let width = |column: usize| {
        let cells = rows.iter().map(|row| row[column].chars().count());
        cells.chain([heading[column].chars().count()]).max().unwrap_or_default()
    };
    let widths: [usize; N] = std::array::from_fn(width);
    let mut text = String::new();
    let heading = line(&heading.map(str::to_owned), &widths);
    text.push_str(&format!("{BOLD}{heading}{BOLD:#}\n"));
    for row in &rows {
        text.push_str(&line(row, &widths));
        text.push('\n');
    }
    text
}

fn line<const N: usize>(cells: &[String; N], widths: &[usize; N]) -> String {
    let cells = cells.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}"));
    cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
}

/// A line per field, with the values below each other. A value of several lines goes on below itself.
fn record(fields: &[(&str, String)]) -> String {
    let width = fields.iter().map(|(name, _)| name.chars().count()).max().unwrap_or_default();
    let mut text = String::new();
    for (name, value) in fields {
        let mut name = *name;
        for line in value.lines().chain(value.is_empty().then_some("-")) {
            text.push_str(&format!("{BOLD}{name:<width$}{BOLD:#}  {}\n", printable(line)));
            name = "";
        }
    }
    text
}

/// What stands where there is nothing.
pub(crate) fn or_dash(value: Option<String>) -> String {
    value.filter(|value| !value.is_empty()).unwrap_or_else(|| "-".to_owned())
}

/// A time, to the second: `2026-11-21 17:35:38`.
pub(crate) fn short_time(time: &str) -> String {
    match (time.get(..10), time.get(10..11), time.get(11..19)) {
        (Some(day), Some("T"), Some(clock)) => format!("{day} {clock}"),
        _ => or_dash(Some(time.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(text: &str) -> String {
        anstream::adapter::strip_str(text).to_string()
    }

    #[test]
    fn columns_are_aligned_and_harmless() {
        let rows = [["shop".to_owned(), "v3".to_owned()], ["\u{e4}\u{1b}[0m".to_owned(), String::new()]];
        assert_eq!(
            plain(&table(["NAME", "VERSION"], &rows)),
            "NAME        VERSION\nshop        v3\n\u{e4}\\u{1b}[0m\n"
        );
        assert_eq!(plain(&table(["NAME"], &[])), "NAME\n");
    }

    #[test]
    fn a_record_has_a_line_per_field() {
        let fields = [("name", "shop".to_owned()), ("id", "a\nb".to_owned()), ("none", String::new())];
        assert_eq!(plain(&record(&fields)), "name  shop\nid    a\n      b\nnone  -\n");
    }

    #[test]
    fn times_are_shortened() {
        assert_eq!(short_time("2026-11-21T17:35:38.123456Z"), "2026-11-21 17:35:38");
        assert_eq!(short_time(""), "-");
        assert_eq!(short_time("soon"), "soon");
    }
}
