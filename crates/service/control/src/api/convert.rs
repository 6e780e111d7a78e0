//! Errors of what the API works on, as its callers are told.

use super::error::{ApiError, Kind};
use crate::access::{AccessError, AccessErrorKind};
use crate::catalog::{ArtifactError, CatalogError, IdempotencyError};
use crate::domains::DomainError;
use crate::logs::LogError;
use crate::quota::QuotaError;
use crate::region::RegionError;
use crate::secrets::SecretError;
use crate::usage::UsageError;

impl From<AccessError> for ApiError {
    fn from(error: AccessError) -> Self {
        let kind = match error.kind() {
            AccessErrorKind::Invalid => Kind::Invalid,
            AccessErrorKind::Unauthenticated => Kind::Unauthenticated,
            AccessErrorKind::Denied => Kind::Denied,
            AccessErrorKind::NotFound => Kind::NotFound,
            AccessErrorKind::Conflict => Kind::Conflict,
            AccessErrorKind::Exhausted => Kind::Exhausted,
            AccessErrorKind::Unavailable => return Self::unavailable(&error),
            AccessErrorKind::Internal => return Self::internal(&error),
        };
        let message = error.to_string();
        match error.code() {
            Some(code) => Self::new(kind, message).code(code),
            None => Self::new(kind, message),
        }
    }
}

impl From<CatalogError> for ApiError {
    fn from(error: CatalogError) -> Self {
        use CatalogError as E;
        let message = error.to_string();
        match error {
            E::Record(error) => Self::internal(&error),
            E::UnknownStack { .. } => Self::not_found(message).code("unknown_stack"),
            E::UnknownVersion { .. } => Self::not_found(message).code("unknown_version"),
            E::NameTaken { .. } => Self::conflict(message).code("name_taken"),
            E::Deleted { .. } => Self::conflict(message).code("deleted"),
            E::RoutingConflict { actual, .. } => {
                Self::conflict(message).code("routing_changed").detail("revision", actual)
            }
            E::DeletionChanged { .. }
            | E::VersionFailed { .. }
            | E::VersionUnprepared { .. }
            | E::VersionDecided { .. }
            | E::NothingToRollBackTo { .. }
            | E::Contended { .. } => Self::conflict(message),
            E::MissingArtifacts { missing } => {
                let hashes: Vec<String> = missing.iter().map(|(_, hash)| hash.to_string()).collect();
                Self::invalid(message).code("missing_artifacts").detail("missing", hashes)
            }
            E::TooLarge { limit_bytes, .. } => Self::new(Kind::TooLarge, message).detail("limit_bytes", limit_bytes),
            E::NameIsId { .. } | E::Artifacts { .. } | E::Config(_) | E::Annotation { .. } => Self::invalid(message),
            E::Besides(reason) => Self::conflict(reason),
        }
    }
}

impl From<ArtifactError> for ApiError {
    fn from(error: ArtifactError) -> Self {
        use ArtifactError as E;
        let message = error.to_string();
        match error {
            E::Record(error) => Self::internal(&error),
            E::Blobs(error) => Self::internal(&error),
            E::Offset { length } => Self::conflict(message).code("wrong_offset").detail("offset", length),
            E::UnknownUpload { .. } | E::UnknownArtifact { .. } => Self::not_found(message),
            E::TooLarge { limit_bytes, .. } => Self::new(Kind::TooLarge, message).detail("limit_bytes", limit_bytes),
            E::TooManyUploads => Self::new(Kind::Exhausted, message).code("too_many_uploads"),
            E::OtherHash { .. } => Self::invalid(message).code("hash_mismatch"),
            E::Contended { .. } | E::Incomplete { .. } => Self::conflict(message),
            E::MoreThanSaid { .. } | E::TooMany { .. } | E::Principal { .. } | E::Interrupted { .. } => {
                Self::invalid(message)
            }
        }
    }
}

impl From<IdempotencyError> for ApiError {
    fn from(error: IdempotencyError) -> Self {
        use IdempotencyError as E;
        let message = error.to_string();
        match error {
            E::Record(error) => Self::internal(&error),
            E::InvalidKey => Self::invalid(message),
            E::OtherRequest => Self::conflict(message).code("idempotency_key_reused"),
            E::UnderWay { retry_after_seconds } => {
                let delay = std::time::Duration::from_secs(retry_after_seconds);
                Self::conflict(message).code("under_way").retry_after(delay)
            }
            E::TooManyKeys { .. } => Self::new(Kind::Exhausted, message),
            E::ResponseTooLarge { .. } | E::Lost => Self::internal(&message),
        }
    }
}

impl From<LogError> for ApiError {
    fn from(error: LogError) -> Self {
        use LogError as E;
        match &error {
            E::Kv(_) | E::UnreadableRecord => Self::internal(&error),
            E::TooManyFunctions { .. } | E::TextTooLong { .. } => Self::invalid(error.to_string()),
            E::TooManyFollowers { .. } => Self::new(Kind::Exhausted, error.to_string()),
        }
    }
}

impl From<SecretError> for ApiError {
    fn from(error: SecretError) -> Self {
        use SecretError as E;
        let message = error.to_string();
        match error {
            E::ValueTooLong { .. } => Self::new(Kind::TooLarge, message),
            E::ValueNotText => Self::invalid(message),
            E::TooMany => Self::new(Kind::Exhausted, message),
            E::NotFound { .. } | E::VersionNotFound { .. } => Self::not_found(message),
            E::Contended => Self::conflict(message),
            E::Kv(_) | E::Sealed { .. } | E::SealedKeys | E::UnreadableRecord => Self::internal(&message),
        }
    }
}

impl From<QuotaError> for ApiError {
    fn from(error: QuotaError) -> Self {
        match &error {
            QuotaError::Kv(cause) => Self::unavailable(cause),
            QuotaError::UnreadableRecord => Self::internal(&error),
            QuotaError::TooMany => Self::conflict(error.to_string()).code("too_many_quotas"),
            QuotaError::PrincipalTooLong { .. } => Self::invalid(error.to_string()),
        }
    }
}

impl From<DomainError> for ApiError {
    fn from(error: DomainError) -> Self {
        use DomainError as E;
        let message = error.to_string();
        match error {
            E::Record(error) => Self::internal(&error),
            E::Catalog(error) => error.into(),
            E::Taken { .. } => Self::conflict(message).code("host_taken"),
            E::UnknownDomain { .. } => Self::not_found(message).code("unknown_domain"),
            E::TooMany => Self::conflict(message).code("too_many_domains"),
            E::Unproven { http, dns, .. } => Self::conflict(message)
                .code("not_proven")
                .detail("http", http.to_string())
                .detail("dns", dns.to_string()),
            E::Contended { .. } => Self::conflict(message),
        }
    }
}

impl From<UsageError> for ApiError {
    fn from(error: UsageError) -> Self {
        match &error {
            UsageError::TooManyDays { .. } => Self::invalid(error.to_string()),
            _ => Self::internal(&error),
        }
    }
}

impl From<RegionError> for ApiError {
    fn from(error: RegionError) -> Self {
        match error {
            RegionError::NotLoadable(message) => Self::new(Kind::NotLoadable, message),
            RegionError::NotFound(message) => Self::not_found(message),
            RegionError::Call { status, code, message, retry_after } => {
                let status = http::StatusCode::from_u16(status).unwrap_or(http::StatusCode::BAD_GATEWAY);
                let error = Self::new(Kind::FunctionFailed, message).status(status).code(code);
                match retry_after {
                    Some(delay) => error.retry_after(delay),
                    None => error,
                }
            }
            RegionError::Internal(message) => Self::internal(&message),
        }
    }
}
