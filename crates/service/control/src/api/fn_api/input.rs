//! Bodies of Fn's clients.

use std::collections::BTreeMap;
use std::str::FromStr;

use axum::extract::{FromRequest, Request};
use http::header;
use mu_stack::Env as Variables;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::api::error::{ApiError, Kind};
use crate::catalog::CatalogError;

/// A body, read as JSON. What Fn does not know is left alone, as Fn does: clients send fields of other versions.
pub(super) struct Body<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Body<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, _: &S) -> Result<Self, ApiError> {
        let content_type = request.headers().get(header::CONTENT_TYPE).map(|value| value.to_str().unwrap_or_default());
        let essence = content_type.and_then(|text| text.split(';').next()).map(str::trim);
        if essence.is_some_and(|essence| !essence.eq_ignore_ascii_case("application/json")) {
            return Err(ApiError::new(Kind::MediaType, "Content Type not supported"));
        }
        let content = whole(request).await?;
        // An object first: what is read here would also take a list of its fields.
        let object: Result<Map<String, Value>, _> = serde_json::from_slice(&content);
        let value = object.and_then(|object| serde_json::from_value(Value::Object(object)));
        value.map(Self).map_err(|_| ApiError::invalid("Invalid JSON"))
    }
}

/// The content of a request, which the front has read within its limit already.
pub(super) async fn whole(request: Request) -> Result<bytes::Bytes, ApiError> {
    axum::body::to_bytes(request.into_body(), usize::MAX).await.map_err(|error| ApiError::internal(&error))
}

/// A text that was given: in Fn's API, an empty one was not.
pub(super) fn given(text: Option<&String>) -> Option<&str> {
    text.map(String::as_str).filter(|text| !text.is_empty())
}

/// A text that was given, as what it says.
pub(super) fn parsed<T: FromStr>(text: Option<&String>) -> Result<Option<T>, ApiError>
where
    T::Err: std::fmt::Display,
{
    given(text).map(str::parse).transpose().map_err(|error: T::Err| ApiError::invalid(error.to_string()))
}

/// Configuration as it is given: a variable that is empty is none.
pub(super) type Config = BTreeMap<String, Option<String>>;

/// What a configuration changes: an empty value removes a variable.
pub(super) fn config_patch(config: Option<Config>, old: &Variables) -> Config {
    let patch = config.unwrap_or_default().into_iter();
    let patch = patch.map(|(name, value)| (name, value.filter(|value| !value.is_empty())));
    patch.filter(|(name, value)| old.value(name) != value.as_deref()).collect()
}

/// The variables of a new configuration.
pub(super) fn variables(config: Option<Config>) -> Result<Variables, ApiError> {
    let mut variables = Variables::new();
    for (name, value) in config.unwrap_or_default() {
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            variables.set(name, value).map_err(CatalogError::from)?;
        }
    }
    Ok(variables)
}

/// Whether a time was given. Fn's client writes the year 1 for one that was not.
pub(super) fn has_time(time: Option<&String>) -> bool {
    given(time).is_some_and(|time| !time.starts_with("0001-01-01T00:00:00"))
}
