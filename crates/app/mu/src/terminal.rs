//! Talk on standard error: readable without colour, and with progress where a person watches.

use std::io::{IsTerminal, Write};
use std::time::Duration;

use clap::builder::styling::{AnsiColor, Style};
use indicatif::{ProgressBar, ProgressStyle};

pub(crate) const BOLD: Style = Style::new().bold();
pub(crate) const DIM: Style = Style::new().dimmed();
pub(crate) const RED: Style = AnsiColor::Red.on_default().bold();
pub(crate) const YELLOW: Style = AnsiColor::Yellow.on_default();
pub(crate) const GREEN: Style = AnsiColor::Green.on_default();
pub(crate) const HINT: Style = AnsiColor::Cyan.on_default().bold();

/// Writes one line of talk. A closed standard error is nobody listening, which is no reason to fail.
pub(crate) fn say(line: impl AsRef<str>) {
    let _ = writeln!(anstream::stderr(), "{}", line.as_ref());
}

/// Writes data to standard output, as it is.
pub(crate) fn print(data: impl AsRef<[u8]>) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    out.write_all(data.as_ref())?;
    out.flush()
}

/// Writes text to standard output, with its colours only where a terminal shows them.
pub(crate) fn print_styled(text: &str) -> std::io::Result<()> {
    let mut out = anstream::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}

/// Text of others in one line, without what would move the cursor, change colours or hide what was written before.
pub(crate) fn printable(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    for character in text.chars() {
        if character.is_control() { clean.extend(character.escape_default()) } else { clean.push(character) }
    }
    clean
}

/// Whether someone can see progress and answer questions.
pub(crate) fn is_interactive() -> bool {
    std::io::stdin().is_terminal() && std::io::stderr().is_terminal()
}

/// A line that shows that something long is going on. Where nobody watches, its title is written once instead.
pub(crate) struct Progress(Option<ProgressBar>);

impl Progress {
    pub(crate) fn start(title: String) -> Self {
        if !std::io::stderr().is_terminal() {
            say(&title);
        }
        Self::where_watched(title)
    }

    /// One that writes nothing where nobody watches: for what mostly takes no time.
    pub(crate) fn where_watched(title: String) -> Self {
        if !std::io::stderr().is_terminal() {
            return Self(None);
        }
        let style = ProgressStyle::with_template("{spinner:.cyan} {prefix} {msg:.dim} {elapsed:.dim}");
        let bar = ProgressBar::new_spinner().with_prefix(title);
        if let Ok(style) = style {
            bar.set_style(style);
        }
        bar.enable_steady_tick(Duration::from_millis(100));
        Self(Some(bar))
    }

    /// Shows what is being done at the moment.
    pub(crate) fn show(&self, doing: &str) {
        if let Some(bar) = &self.0 {
            bar.set_message(doing.to_owned());
        }
    }
}

/// A bar that shows how much of something has been sent. Where nobody watches, its title is written once instead.
pub(crate) struct Bar(Option<ProgressBar>);

impl Bar {
    pub(crate) fn start(title: String, bytes: u64) -> Self {
        if !std::io::stderr().is_terminal() {
            say(&title);
            return Self(None);
        }
        let style = ProgressStyle::with_template("{prefix} {wide_bar:.cyan/dim} {bytes}/{total_bytes} {eta:.dim}");
        let bar = ProgressBar::new(bytes).with_prefix(title);
        if let Ok(style) = style {
            bar.set_style(style);
        }
        Self(Some(bar))
    }

    /// Shows that so many bytes are there.
    pub(crate) fn at(&self, bytes: u64) {
        if let Some(bar) = &self.0 {
            bar.set_position(bytes);
        }
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        if let Some(bar) = &self.0 {
            bar.finish_and_clear();
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.0 {
            bar.finish_and_clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn others_cannot_write_over_the_terminal() {
        assert_eq!(printable("red \u{1b}[31m\rline\n\u{9b}1m."), "red \\u{1b}[31m\\rline\\n\\u{9b}1m.");
        assert_eq!(printable("plain \u{fc}"), "plain \u{fc}");
    }
}
