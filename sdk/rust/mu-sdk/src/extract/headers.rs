//! The headers.

use mu_abi::{Header, Request};

use crate::{error::Result, extract::FromRequest};

/// The request's headers. Names are compared without regard to case.
#[derive(Clone, Copy, Debug)]
pub struct Headers<'a>(&'a [Header]);

// === impl Headers ===

impl<'a> Headers<'a> {
    /// The value of the first header with this name.
    #[must_use]
    pub fn value(&self, name: &str) -> Option<&'a str> {
        self.values(name).next()
    }

    /// The values of all headers with this name, in order.
    pub fn values(&self, name: &str) -> impl Iterator<Item = &'a str> {
        let headers = self.0.iter().filter(move |header| header.name.eq_ignore_ascii_case(name));
        headers.map(|header| header.value.as_str())
    }

    /// All headers, in order.
    pub fn iter(&self) -> impl Iterator<Item = &'a Header> {
        self.0.iter()
    }
}

impl<'a> FromRequest<'a> for Headers<'a> {
    fn from_request(request: &'a Request) -> Result<Self> {
        Ok(Self(&request.headers))
    }
}
