//! The body as a form.

use mu_abi::Request;
use serde::de::DeserializeOwned;

use crate::{
    error::{Error, Result},
    extract::FromRequest,
    media_type::{self, MediaType},
};

/// The body of a submitted form, of content type `application/x-www-form-urlencoded`.
///
/// Another content type gets 415; fields that are missing or don't parse get 400.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Form<T>(pub T);

const FORM: &str = "application/x-www-form-urlencoded";

impl<T: DeserializeOwned> FromRequest<'_> for Form<T> {
    fn from_request(request: &Request) -> Result<Self> {
        match MediaType::of(request) {
            Some(media_type) if media_type.is(FORM) => media_type.require_utf8()?,
            _ => return Err(media_type::unexpected(request, FORM)),
        }
        serde_urlencoded::from_bytes(&request.body)
            .map(Self)
            .map_err(|error| Error::bad_request(format!("the body is not the form expected: {error}")))
    }
}
