//! Differences as people read them.

use std::fmt;

use super::{Change, FieldChange, ServiceChange, StackDiff};

/// Longest value that is shown whole, in characters.
const SHOWN: usize = 64;

/// One line for each service, marked `+`, `-` or `~`, and under it one for each of its fields that changed.
impl fmt::Display for StackDiff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_empty() {
            return f.write_str("no difference\n");
        }
        for change in &self.fields {
            writeln!(f, "~ {change}")?;
        }
        for service in &self.services {
            write!(f, "{service}")?;
        }
        Ok(())
    }
}

impl fmt::Display for ServiceChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mark = match self.change {
            Change::Added => '+',
            Change::Removed => '-',
            Change::Changed => '~',
        };
        let kind = match self.kind {
            "KeyValueTable" => "table".to_owned(),
            "Storage" => "box".to_owned(),
            kind => kind.to_ascii_lowercase(),
        };
        writeln!(f, "{mark} {kind} {}", self.name)?;
        // Of what is new or gone, the name says enough.
        for change in self.fields.iter().filter(|_| self.change == Change::Changed) {
            writeln!(f, "    {change}")?;
        }
        Ok(())
    }
}

impl fmt::Display for FieldChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} -> {}", self.field, Shown(self.old.as_deref()), Shown(self.new.as_deref()))
    }
}

struct Shown<'v>(Option<&'v str>);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(value) = self.0 else { return f.write_str("(none)") };
        let is_plain = !value.is_empty() && value.chars().all(|character| character.is_ascii_graphic());
        match value.char_indices().nth(SHOWN) {
            None if is_plain => f.write_str(value),
            None => write!(f, "{value:?}"),
            Some((end, _)) => write!(f, "{:?}…", &value[..end]),
        }
    }
}
