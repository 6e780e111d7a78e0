//! The body as JSON.

use mu_abi::{Request, Response, Status};
use serde::{Serialize, de::DeserializeOwned};

use crate::{
    error::{Error, Result},
    extract::FromRequest,
    media_type::{self, MediaType},
    respond::IntoResponse,
};

/// A body of JSON, in requests and responses.
///
/// A request's content type must be `application/json` or any `application/...+json`, with or without a charset of
/// utf-8; otherwise the caller gets 415. JSON that is malformed or of another shape than `T` gets 400.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Json<T>(pub T);

impl<T: DeserializeOwned> FromRequest<'_> for Json<T> {
    fn from_request(request: &Request) -> Result<Self> {
        match MediaType::of(request) {
            Some(media_type) if media_type.is_json() => media_type.require_utf8()?,
            _ => return Err(media_type::unexpected(request, "application/json")),
        }
        serde_json::from_slice(&request.body)
            .map(Self)
            .map_err(|error| Error::bad_request(format!("the body is not the JSON expected: {error}")))
    }
}

impl<T: Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        match serde_json::to_vec(&self.0) {
            Ok(body) => Response::new(Status::OK).with_header("content-type", "application/json").with_body(body),
            Err(error) => Error::internal(error).into_response(),
        }
    }
}
