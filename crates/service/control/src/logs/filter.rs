//! Which lines of a stack are wanted.

use mu_env::InvocationId;
use mu_stack::StackId;
use mu_telemetry::Level;

use super::{LogError, LogLine};

/// Longest text that can be looked for, in bytes.
const TEXT_BYTES_MAX: usize = 1_024;

/// Which lines are wanted; without anything, all of the stack.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogFilter {
    /// Those of this function.
    pub function: Option<String>,
    /// Those at least as important as this.
    pub level: Option<Level>,
    /// Those of this invocation.
    pub invocation: Option<InvocationId>,
    /// Those that contain this text, in upper or lower case.
    pub contains: Option<String>,
}

/// A filter, ready to be asked about many lines.
#[derive(Clone, Debug)]
pub(super) struct Matcher {
    stack: StackId,
    filter: LogFilter,
    /// In lower case.
    text: Option<String>,
}

impl Matcher {
    pub(super) fn new(stack: StackId, filter: &LogFilter) -> Result<Self, LogError> {
        let bytes = filter.contains.as_ref().map_or(0, String::len);
        if bytes > TEXT_BYTES_MAX {
            return Err(LogError::TextTooLong { bytes, bytes_max: TEXT_BYTES_MAX });
        }
        let text = filter.contains.as_ref().filter(|text| !text.is_empty()).map(|text| text.to_lowercase());
        Ok(Self { stack, filter: filter.clone(), text })
    }

    pub(super) fn wants(&self, line: &LogLine) -> bool {
        let LogFilter { function, level, invocation, contains: _ } = &self.filter;
        line.stack == self.stack
            && function.as_ref().is_none_or(|function| **function == *line.function)
            && level.is_none_or(|level| line.level <= level)
            && invocation.is_none_or(|invocation| line.invocation == invocation)
            && self.text.as_ref().is_none_or(|text| line.message.to_lowercase().contains(text))
    }
}

#[cfg(test)]
mod tests {
    use mu_env::Timestamp;
    use mu_telemetry::LogSource;

    use super::*;

    #[test]
    fn all_that_is_asked_for_must_hold() {
        let stack = StackId::new([1; 32]);
        let line = LogLine {
            stack,
            function: "f".into(),
            time: Timestamp::from_micros(5),
            sequence: 7,
            invocation: InvocationId::from_u128(9),
            level: Level::Warn,
            source: LogSource::Function,
            message: "Über den Wolken".to_owned(),
        };
        let none = LogFilter::default;
        for (filter, wanted) in [
            (none(), true),
            (LogFilter { function: Some("f".into()), ..none() }, true),
            (LogFilter { function: Some("g".into()), ..none() }, false),
            (LogFilter { level: Some(Level::Error), ..none() }, false),
            (LogFilter { level: Some(Level::Warn), ..none() }, true),
            (LogFilter { level: Some(Level::Trace), ..none() }, true),
            (LogFilter { invocation: Some(InvocationId::from_u128(9)), ..none() }, true),
            (LogFilter { invocation: Some(InvocationId::from_u128(8)), ..none() }, false),
            (LogFilter { contains: Some("über DEN".into()), ..none() }, true),
            (LogFilter { contains: Some(String::new()), ..none() }, true),
            (LogFilter { contains: Some("wölken".into()), ..none() }, false),
            (LogFilter { function: Some("f".into()), level: Some(Level::Error), ..none() }, false),
        ] {
            assert_eq!(Matcher::new(stack, &filter).unwrap().wants(&line), wanted, "{filter:?}");
            assert!(!Matcher::new(StackId::new([2; 32]), &filter).unwrap().wants(&line), "another stack");
        }
        let long = LogFilter { contains: Some("x".repeat(1_025)), ..none() };
        assert!(matches!(Matcher::new(stack, &long), Err(LogError::TextTooLong { .. })));
    }
}
