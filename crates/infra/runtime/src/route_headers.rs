//! The headers that tell a function which route its request came by.

use http::header::{HeaderMap, HeaderName, HeaderValue};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// Tells a function that has one entry for all routes which handler its route names.
const MU_HANDLER: HeaderName = HeaderName::from_static("mu-handler");

/// Before the name of a route's parameter, the header with its value.
const PATH_PARAMETER_PREFIX: &str = "mu-path-";

/// Characters of a parameter's value that a header need not escape.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// Adds the handler's name and the route's parameters, and takes away what a client pretends to be these.
pub(crate) fn name_handler(headers: &mut HeaderMap, handler: &str, path_params: &[(String, String)]) -> Option<()> {
    let is_forged = |name: &HeaderName| name.as_str().starts_with(PATH_PARAMETER_PREFIX);
    if headers.keys().any(is_forged) {
        let forged: Vec<HeaderName> = headers.keys().filter(|name| is_forged(name)).cloned().collect();
        for name in forged {
            headers.remove(name);
        }
    }
    headers.try_insert(MU_HANDLER, HeaderValue::from_str(handler).ok()?).ok()?;
    for (name, value) in path_params {
        let name = HeaderName::from_bytes(format!("{PATH_PARAMETER_PREFIX}{name}").as_bytes()).ok()?;
        let value = HeaderValue::from_str(&utf8_percent_encode(value, ESCAPED).to_string()).ok()?;
        headers.try_append(name, value).ok()?;
    }
    Some(())
}
