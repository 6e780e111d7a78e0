//! What a call of a function may use, and who says so.

use std::fmt;
use std::time::Duration;

use crate::container::ContainerSettings;
use crate::limits::{IDLE_TIMEOUT_MAX, MEMORY_MAX, TIMEOUT_MAX};
use crate::size::ByteSize;
use crate::stack::FunctionLimits;

/// Limits as a func file writes them. What isn't there, or zero, is left to whoever says less, and in the end to the
/// defaults.
///
/// The command line counts more than the environment, which counts more than the file:
///
/// ```
/// # use mu_stack::func::FuncLimits;
/// # let (line, environment) = (FuncLimits::default(), FuncLimits { memory_mb: Some(256), ..FuncLimits::default() });
/// # let file = FuncLimits { memory_mb: Some(512), timeout_s: Some(5), idle_timeout_s: None };
/// let limits = line.or(environment).or(file).function_limits();
/// assert_eq!((limits.memory.to_string().as_str(), limits.timeout.as_secs()), ("256MiB", 5));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FuncLimits {
    /// Memory in MiB: at most 8192.
    pub memory_mb: Option<u32>,
    /// Seconds of one call: at most 300.
    pub timeout_s: Option<u32>,
    /// Seconds that a container without calls is kept: at most 3600.
    pub idle_timeout_s: Option<u32>,
}

/// One of the limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Limit {
    Memory,
    Timeout,
    IdleTimeout,
}

/// A variable of the environment is not a limit.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the variable {name}: {reason}")]
pub struct InvalidVariable {
    /// The variable.
    pub name: &'static str,
    /// What is wrong with its value.
    pub reason: String,
}

impl FuncLimits {
    /// What the variables FN_MEMORY, FN_TIMEOUT and FN_IDLE_TIMEOUT say. Empty ones say nothing.
    ///
    /// # Errors
    /// The first variable that is no number within the limits.
    pub fn of_environment(variable: impl Fn(&str) -> Option<String>) -> Result<Self, InvalidVariable> {
        let mut limits = Self::default();
        for limit in Limit::ALL {
            let name = limit.variable();
            let Some(text) = variable(name).filter(|text| !text.is_empty()) else { continue };
            let value = limit.parse(&text).map_err(|reason| InvalidVariable { name, reason })?;
            *limits.of_mut(limit) = value;
        }
        Ok(limits)
    }

    /// These limits, and where they say nothing the others.
    #[must_use]
    pub fn or(self, lower: Self) -> Self {
        Self {
            memory_mb: self.memory_mb.or(lower.memory_mb),
            timeout_s: self.timeout_s.or(lower.timeout_s),
            idle_timeout_s: self.idle_timeout_s.or(lower.idle_timeout_s),
        }
    }

    /// As a stack writes them, with the defaults.
    #[must_use]
    pub fn function_limits(self) -> FunctionLimits {
        let usual = FunctionLimits::default();
        FunctionLimits {
            memory: self.memory_mb.map_or(usual.memory, |memory| ByteSize::from_bytes(u64::from(memory) << 20)),
            timeout: self.timeout_s.map_or(usual.timeout, |seconds| Duration::from_secs(seconds.into())),
            ..usual
        }
    }

    /// The same for the containers.
    #[must_use]
    pub fn container_settings(self) -> ContainerSettings {
        let usual = ContainerSettings::default();
        let idle = self.idle_timeout_s.map(|seconds| Duration::from_secs(seconds.into()));
        ContainerSettings { idle_timeout: idle.unwrap_or(usual.idle_timeout), ..usual }
    }

    pub(crate) fn of_mut(&mut self, limit: Limit) -> &mut Option<u32> {
        match limit {
            Limit::Memory => &mut self.memory_mb,
            Limit::Timeout => &mut self.timeout_s,
            Limit::IdleTimeout => &mut self.idle_timeout_s,
        }
    }
}

impl Limit {
    pub(crate) const ALL: [Self; 3] = [Self::Memory, Self::Timeout, Self::IdleTimeout];

    /// As func files write it.
    pub(crate) const fn key(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Timeout => "timeout",
            Self::IdleTimeout => "idle_timeout",
        }
    }

    const fn variable(self) -> &'static str {
        match self {
            Self::Memory => "FN_MEMORY",
            Self::Timeout => "FN_TIMEOUT",
            Self::IdleTimeout => "FN_IDLE_TIMEOUT",
        }
    }

    const fn unit(self) -> &'static str {
        match self {
            Self::Memory => "megabytes",
            Self::Timeout | Self::IdleTimeout => "seconds",
        }
    }

    pub(crate) const fn most(self) -> u64 {
        match self {
            Self::Memory => MEMORY_MAX.bytes() >> 20,
            Self::Timeout => TIMEOUT_MAX.as_secs(),
            Self::IdleTimeout => IDLE_TIMEOUT_MAX.as_secs(),
        }
    }

    /// A value; zero says nothing.
    pub(crate) fn parse(self, text: &str) -> Result<Option<u32>, String> {
        let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        match text.parse::<u32>() {
            Ok(value) if is_number && u64::from(value) <= self.most() => Ok(Some(value).filter(|value| *value > 0)),
            _ => {
                let shown: String = text.chars().take(64).collect();
                Err(format!("{self} is a whole number of {} from 0 to {}, not `{shown}`", self.unit(), self.most()))
            }
        }
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}`", self.key())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_counts_most_and_the_defaults_least() {
        let environment = |name: &str| match name {
            "FN_MEMORY" => Some("256".to_owned()),
            "FN_TIMEOUT" => Some(String::new()),
            _ => None,
        };
        let environment = FuncLimits::of_environment(environment).unwrap();
        assert_eq!(environment, FuncLimits { memory_mb: Some(256), ..FuncLimits::default() });
        let file = FuncLimits { memory_mb: Some(512), timeout_s: Some(10), idle_timeout_s: None };
        let line = FuncLimits { memory_mb: Some(1024), ..FuncLimits::default() };
        for (limits, memory, timeout) in [
            (FuncLimits::default(), "128MiB", 30),
            (file, "512MiB", 10),
            (environment.or(file), "256MiB", 10),
            (line.or(environment).or(file), "1GiB", 10),
        ] {
            let settled = limits.function_limits();
            assert_eq!((settled.memory.to_string().as_str(), settled.timeout.as_secs()), (memory, timeout));
            assert_eq!(limits.container_settings(), ContainerSettings::default());
        }
        let long = FuncLimits { idle_timeout_s: Some(60), ..FuncLimits::default() };
        assert_eq!(long.container_settings().idle_timeout, Duration::from_secs(60));
    }

    #[test]
    fn variables_are_checked() {
        for (variable, value, message) in [
            (
                "FN_MEMORY",
                "128MB",
                "the variable FN_MEMORY: `memory` is a whole number of megabytes from 0 to 8192, not `128MB`",
            ),
            ("FN_MEMORY", "8193", "from 0 to 8192, not `8193`"),
            (
                "FN_TIMEOUT",
                "301",
                "the variable FN_TIMEOUT: `timeout` is a whole number of seconds from 0 to 300, not `301`",
            ),
            ("FN_IDLE_TIMEOUT", "+5", "from 0 to 3600, not `+5`"),
            ("FN_IDLE_TIMEOUT", "99999999999", "from 0 to 3600, not `99999999999`"),
        ] {
            let error = FuncLimits::of_environment(|name| (name == variable).then(|| value.to_owned())).unwrap_err();
            assert!(error.to_string().contains(message), "{error}");
        }
        let zero = FuncLimits::of_environment(|_| Some("0".to_owned())).unwrap();
        assert_eq!(zero, FuncLimits::default());
    }
}
