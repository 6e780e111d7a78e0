//! What handlers read from requests.

use mu_abi::{HttpMethod, Request};

use crate::error::Result;

mod body;
#[cfg(feature = "form")]
mod form;
mod headers;
#[cfg(feature = "json")]
mod json;
mod parameters;
mod url;

#[cfg(feature = "form")]
pub use self::form::Form;
#[cfg(feature = "json")]
pub use self::json::Json;
pub use self::{
    headers::Headers,
    url::{Path, PathParams, Query, QueryParams},
};

/// What a handler's parameter may be: something that can be read from a request.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be read from a request",
    label = "not a parameter of a handler",
    note = "parameters are `Path<T>`, `Query<T>`, `Json<T>`, `Form<T>`, `String`, `Vec<u8>`, `Headers`, `Cookies`, \
            `&Request` and others; the first may be `&MuContext` or `&mut MuContext`"
)]
pub trait FromRequest<'a>: Sized {
    /// Reads it from the request, and may keep parts of the request borrowed.
    ///
    /// # Errors
    /// Why it can't be read. The caller is answered with that error, and the handler is not run.
    fn from_request(request: &'a Request) -> Result<Self>;
}

impl<'a> FromRequest<'a> for &'a Request {
    fn from_request(request: &'a Request) -> Result<Self> {
        Ok(request)
    }
}

impl FromRequest<'_> for HttpMethod {
    fn from_request(request: &Request) -> Result<Self> {
        Ok(request.method)
    }
}

/// Leaves it to the handler what happens when `T` can't be read.
impl<'a, T: FromRequest<'a>> FromRequest<'a> for Result<T> {
    fn from_request(request: &'a Request) -> Result<Self> {
        Ok(T::from_request(request))
    }
}
