//! Secrets of stacks, sealed and in versions.
//!
//! A secret is a name and a value that a function receives as an environment variable. Each time it is
//! [set](Secrets::set) it gets a new version, and the last [`VERSIONS_KEPT`] are kept. Values are sealed with a key of
//! the stack, which is sealed with a key derived from the node's root key; stack, name and version are authenticated,
//! so that a sealed value cannot be put in the place of another. [`Secrets::rotate`] seals everything with a fresh key.
//!
//! Values appear in no list, no log and no error, and are erased from memory when dropped.

mod error;
mod name;
mod record;
#[cfg(test)]
mod tests;
mod value;
mod vault;

pub use self::error::SecretError;
pub use self::name::{ParseSecretNameError, SecretName};
pub use self::record::SecretVersion;
pub use self::value::SecretValue;
pub use self::vault::{SecretInfo, Secrets};

/// Secrets that a stack may have.
pub const SECRETS_MAX: u32 = 200;
/// Versions of a secret that are kept.
pub const VERSIONS_KEPT: usize = 5;
/// Longest value, in bytes.
pub const VALUE_BYTES_MAX: usize = 64 * 1024;
