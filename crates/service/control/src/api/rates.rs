//! How often one client may ask.

use crate::access::Authenticated;

use super::error::ApiError;

#[derive(Debug, Default)]
pub(crate) struct Rates;

impl Rates {
    pub(crate) fn admit(&self, _who: &Authenticated) -> Result<(), ApiError> {
        Ok(())
    }
}
