//! `MU_FN_NAME=value` in the shell sets the environment variable `NAME` of every function, on this machine only.

use std::collections::BTreeMap;
use std::ffi::OsString;

use crate::failure::{Cause, Failure};

/// What the names of such variables begin with.
pub(crate) const PREFIX: &str = "MU_FN_";

/// The overrides among the variables of this process.
pub(crate) fn overrides() -> Result<BTreeMap<String, String>, Failure> {
    collect(std::env::vars_os())
}

fn collect(variables: impl Iterator<Item = (OsString, OsString)>) -> Result<BTreeMap<String, String>, Failure> {
    let named = variables.filter_map(|(key, value)| {
        let name = key.to_string_lossy().strip_prefix(PREFIX).filter(|name| !name.is_empty())?.to_owned();
        Some((name, value))
    });
    named
        .map(|(name, value)| match value.into_string() {
            Ok(value) => Ok((name, value)),
            Err(_) => Err(Failure::new(Cause::Failed, format!("the value of {PREFIX}{name} is not UTF-8"))),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_variables_with_the_prefix_and_a_name_count() {
        let variables = [("MU_FN_A", "1"), ("MU_FN_", "2"), ("MU_LOG", "3"), ("XMU_FN_B", "4"), ("MU_FN_a_b", "")];
        let found = collect(variables.iter().map(|(k, v)| (k.into(), v.into()))).unwrap();
        let expected = [("A", "1"), ("a_b", "")].map(|(k, v)| (k.to_owned(), v.to_owned()));
        assert_eq!(found, BTreeMap::from(expected));
    }
}
