//! What a handler is given of a request: its path, query and body, with the API's own errors where they are wrong.

use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::request::Parts;
use http::{StatusCode, header};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::error::{ApiError, Kind};

/// The body, read as JSON.
pub(crate) struct Input<T>(pub(crate) T);

/// The query.
pub(crate) struct Params<T>(pub(crate) T);

/// What stands in the path for its parameters.
pub(crate) struct At<T>(pub(crate) T);

/// An answer in JSON.
pub(crate) struct Output<T>(pub(crate) T);

/// The answer to a request that made something.
pub(crate) struct Created<T>(pub(crate) T);

/// The answer to a request that there is nothing to say about.
pub(crate) struct Done;

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Input<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        let content_type = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let essence = content_type.and_then(|text| text.split(';').next()).map(str::trim);
        if !essence.is_some_and(|essence| essence.eq_ignore_ascii_case("application/json")) {
            return Err(ApiError::new(Kind::MediaType, "the body must be JSON, with `content-type: application/json`"));
        }
        let body = Bytes::from_request(request, state).await.map_err(|e| ApiError::internal(&e))?;
        // A list would be read as the fields of an object in their order.
        if body.trim_ascii_start().first() != Some(&b'{') {
            return Err(ApiError::invalid("the body is wrong: it is to be a JSON object"));
        }
        let value = serde_json::from_slice(&body).map_err(|e| ApiError::invalid(format!("the body is wrong: {e}")))?;
        Ok(Self(value))
    }
}

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Params<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let Query(query) = Query::from_request_parts(parts, state)
            .await
            .map_err(|rejection| ApiError::invalid(format!("the query is wrong: {}", rejection.body_text())))?;
        Ok(Self(query))
    }
}

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for At<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let Path(path) = Path::from_request_parts(parts, state)
            .await
            .map_err(|rejection| ApiError::invalid(format!("the path is wrong: {}", rejection.body_text())))?;
        Ok(Self(path))
    }
}

impl<T: Serialize> IntoResponse for Output<T> {
    fn into_response(self) -> Response {
        axum::Json(self.0).into_response()
    }
}

impl<T: Serialize> IntoResponse for Created<T> {
    fn into_response(self) -> Response {
        (StatusCode::CREATED, axum::Json(self.0)).into_response()
    }
}

impl IntoResponse for Done {
    fn into_response(self) -> Response {
        StatusCode::NO_CONTENT.into_response()
    }
}
