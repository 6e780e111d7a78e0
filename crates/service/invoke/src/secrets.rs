//! Values of secrets, on their way to the functions that declare them.

use std::collections::HashMap;
use std::fmt;

use mu_stack::SecretName;

/// Values of a stack's secrets. They are shown nowhere: `Debug` tells names.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Secrets(HashMap<SecretName, String>);

impl Secrets {
    /// The value of a secret.
    #[must_use]
    pub fn value(&self, name: &SecretName) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }
}

impl FromIterator<(SecretName, String)> for Secrets {
    fn from_iter<T: IntoIterator<Item = (SecretName, String)>>(values: T) -> Self {
        Self(values.into_iter().collect())
    }
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys().map(SecretName::as_str)).finish()
    }
}
