//! A function's environment variables.

use std::collections::BTreeMap;

use crate::limits::ENV_BYTES_MAX;

/// Environment variables of a function: names without `=` and NUL, values without NUL, at most 64 KiB together.
///
/// Kept sorted by name, so that two equal environments are written the same way.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Env {
    variables: BTreeMap<String, String>,
    bytes: usize,
}

/// Why a variable can't be set.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EnvError {
    /// The name is empty, or has `=` or NUL in it.
    #[error("an environment variable's name must not be empty or contain `=` or a NUL byte: {name:?}")]
    Name {
        /// The start of the name.
        name: String,
    },
    /// The value has a NUL in it.
    #[error("the value of environment variable `{name}` contains a NUL byte")]
    Value {
        /// The variable.
        name: String,
    },
    /// There would be more than [`ENV_BYTES_MAX`] of them.
    #[error("with `{name}` the environment would have more than {ENV_BYTES_MAX} bytes")]
    TooLarge {
        /// The variable that doesn't fit.
        name: String,
    },
}

impl Env {
    /// No variables.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets a variable, replacing an earlier value.
    pub fn set(&mut self, name: impl Into<String>, value: impl Into<String>) -> Result<(), EnvError> {
        let (name, value) = (name.into(), value.into());
        if name.is_empty() || name.contains(['=', '\0']) {
            return Err(EnvError::Name { name: name.chars().take(64).collect() });
        }
        let shown = || name.chars().take(64).collect();
        if value.contains('\0') {
            return Err(EnvError::Value { name: shown() });
        }
        let replaced = self.variables.get(&name).map_or(0, |old| name.len() + old.len());
        let bytes = self.bytes - replaced + name.len() + value.len();
        if bytes > ENV_BYTES_MAX {
            return Err(EnvError::TooLarge { name: shown() });
        }
        self.bytes = bytes;
        self.variables.insert(name, value);
        Ok(())
    }

    /// These variables with those of `other` laid over them.
    pub fn overlaid(&self, other: &Self) -> Result<Self, EnvError> {
        let mut merged = self.clone();
        for (name, value) in other.iter() {
            merged.set(name, value)?;
        }
        Ok(merged)
    }

    /// The value of a variable.
    #[must_use]
    pub fn value(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(String::as_str)
    }

    /// All variables, sorted by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.variables.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// How many variables there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.variables.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.variables.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_checked() {
        let mut env = Env::new();
        env.set("A", "1").unwrap();
        assert!(matches!(env.set("", "x"), Err(EnvError::Name { .. })));
        assert!(matches!(env.set("A=B", "x"), Err(EnvError::Name { .. })));
        assert!(matches!(env.set("A\0", "x"), Err(EnvError::Name { .. })));
        assert!(matches!(env.set("A", "x\0"), Err(EnvError::Value { .. })));
        assert_eq!(env.value("A"), Some("1"));
    }

    #[test]
    fn the_whole_environment_is_bounded_and_a_replaced_value_counts_once() {
        let mut env = Env::new();
        for _ in 0..3 {
            env.set("A", "x".repeat(ENV_BYTES_MAX - 1)).unwrap();
        }
        assert!(matches!(env.set("A", "x".repeat(ENV_BYTES_MAX)), Err(EnvError::TooLarge { .. })));
        assert!(matches!(env.set("B", ""), Err(EnvError::TooLarge { .. })));
        env.set("A", "").unwrap();
        env.set("B", "").unwrap();
    }

    #[test]
    fn the_upper_layer_wins() {
        let mut lower = Env::new();
        lower.set("A", "1").unwrap();
        lower.set("B", "1").unwrap();
        let mut upper = Env::new();
        upper.set("B", "2").unwrap();
        let both = lower.overlaid(&upper).unwrap();
        assert_eq!(both.iter().collect::<Vec<_>>(), [("A", "1"), ("B", "2")]);
    }
}
