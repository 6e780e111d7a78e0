//! What can go wrong with secrets. No error says anything about a value but its size.

use mu_db::KvError;

use super::{SECRETS_MAX, SecretName, VALUE_BYTES_MAX};

/// Secrets could not be changed or read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SecretError {
    /// The database failed.
    #[error("secrets: {0}")]
    Kv(#[from] KvError),
    /// A value is too long.
    #[error("the value has {bytes} bytes; a secret has at most {VALUE_BYTES_MAX}")]
    ValueTooLong {
        /// How long it is.
        bytes: usize,
    },
    /// A value could not be that of an environment variable.
    #[error(
        "the value is not text, or contains a NUL byte: functions receive secrets as environment variables, so \
        encode it first, for example with base64"
    )]
    ValueNotText,
    /// The stack has as many secrets as it may.
    #[error("the stack has {SECRETS_MAX} secrets, and may have no more: delete one")]
    TooMany,
    /// There are no such secrets.
    #[error("the stack has no secret {}: set it with `mu secret set`", list(names))]
    NotFound {
        /// The names that are missing.
        names: Vec<SecretName>,
    },
    /// There is no such version.
    #[error("version {version} of secret {name} is not kept")]
    VersionNotFound {
        /// The secret.
        name: SecretName,
        /// The version.
        version: u64,
    },
    /// A stored secret cannot be opened.
    #[error(
        "secret {name} cannot be opened with the root key of this node: it was changed, or the key is another one; \
        set it again, or put the right root key back"
    )]
    Sealed {
        /// The secret.
        name: String,
    },
    /// The keys of a stack cannot be opened.
    #[error("the secrets of the stack cannot be opened with the root key of this node: put the right one back")]
    SealedKeys,
    /// A stored record cannot be read.
    #[error(
        "what is stored about secrets of the stack cannot be read: it was written by a newer version of mu, or is \
        damaged"
    )]
    UnreadableRecord,
    /// Others kept changing the same secrets.
    #[error("the secrets of the stack are being changed by others: try again")]
    Contended,
}

fn list(names: &[SecretName]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}
