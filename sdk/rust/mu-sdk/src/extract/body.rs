//! The body as bytes or text.

use mu_abi::Request;

use crate::{
    error::{Error, Result},
    extract::FromRequest,
    media_type::MediaType,
};

impl<'a> FromRequest<'a> for &'a [u8] {
    fn from_request(request: &'a Request) -> Result<Self> {
        Ok(&request.body)
    }
}

impl FromRequest<'_> for Vec<u8> {
    fn from_request(request: &Request) -> Result<Self> {
        Ok(request.body.clone())
    }
}

impl<'a> FromRequest<'a> for &'a str {
    fn from_request(request: &'a Request) -> Result<Self> {
        if let Some(media_type) = MediaType::of(request) {
            media_type.require_utf8()?;
        }
        str::from_utf8(&request.body).map_err(|error| Error::bad_request(format!("the body is not text: {error}")))
    }
}

impl FromRequest<'_> for String {
    fn from_request(request: &Request) -> Result<Self> {
        <&str>::from_request(request).map(str::to_owned)
    }
}
