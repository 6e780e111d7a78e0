//! How often the management API may be asked.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use super::error::{ApiError, Kind};
use crate::access::Authenticated;
use crate::quota::Quotas;

/// Refuses a request of a client that is over its rate, and one of nobody known when its address is.
pub(super) fn check(quotas: &Quotas, who: Option<&Authenticated>, from: Option<IpAddr>) -> Result<(), ApiError> {
    let Some(who) = who.filter(|who| !who.subject.is_nobody()) else {
        let from = from.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
        let message = "too many requests without valid credentials come from this address";
        return quotas.admit_stranger(from).map_err(|wait| limited(message, Some(wait)));
    };
    let admitted = quotas.admit_request(&who.subject.principal.to_string());
    admitted.map_err(|exceeded| limited(exceeded.to_string(), exceeded.retry_after))
}

fn limited(message: impl Into<String>, wait: Option<Duration>) -> ApiError {
    ApiError::new(Kind::Exhausted, message).code("rate_limited").retry_after(wait.unwrap_or_default())
}
