//! Which stack a request is for: by its host, where that is a stack's own, else by its path.

use std::borrow::Cow;
use std::sync::Arc;

use http::{StatusCode, Uri};
use mu_env::InvocationId;
use mu_invoke::{Deployment, Found, Kind, code};
use mu_telemetry::Limit;

use crate::address::Address;
use crate::error::{ApiError, shown};
use crate::hosts::{self, MalformedHost};
use crate::service::{Received, Service, uri_bytes};

/// What a request is for: a stack, and what the request names in it.
pub(crate) struct Place<'u> {
    pub(crate) found: Found,
    /// Where the host is the gateway's own, the service may be empty, which stands for the only gateway of the stack.
    pub(crate) address: Address<'u>,
    /// Whether the host is the gateway's own, so that nothing but the gateway is there.
    pub(crate) is_own_host: bool,
}

impl Service {
    /// What a request is for, as its host and its path say.
    pub(crate) fn locate<'u>(&self, uri: &'u Uri, received: &Received) -> Result<Place<'u>, ApiError> {
        let uri_bytes_max = self.config().uri_bytes_max;
        if uri_bytes(uri) > uri_bytes_max {
            self.limit_hit(Limit::GatewayUriBytes);
            return Err(uri_too_long(uri_bytes_max));
        }
        let host = hosts::requested(received.version, uri, &received.headers)?;
        let deployments = self.invoker().deployments();
        let hosts = self.hosts().current();
        if let Some(route) = host.and_then(|host| hosts.find(host)) {
            let gateway = route.gateway.as_ref().map(|gateway| gateway.as_str().to_owned()).unwrap_or_default();
            let address = Address { stack: Cow::Borrowed(""), service: Cow::Owned(gateway), rest: uri.path() };
            return Ok(Place { found: deployments.find_id(&route.stack), address, is_own_host: true });
        }
        let address = Address::parse(uri.path())?.ok_or_else(|| no_address(uri.path()))?;
        Ok(Place { found: deployments.find(&address.stack), address, is_own_host: false })
    }

    /// The version that answers, which is loaded first if it has to be. `reference` is what the path calls the stack;
    /// nothing where the host says which one it is.
    pub(crate) async fn wake(
        &self,
        found: Found,
        reference: &str,
        id: InvocationId,
    ) -> Result<Arc<Deployment>, ApiError> {
        match found {
            Found::Deployment(deployment) => Ok(deployment),
            Found::Dormant(stack) => match self.invoker().awake(&stack).await {
                Ok(deployment) => deployment.ok_or_else(|| unknown_stack(reference)),
                Err(asleep) => {
                    if asleep.code == code::QUEUE_FULL {
                        self.limit_hit(Limit::FunctionsQueue);
                    }
                    Err(asleep.into_error(id).into())
                }
            },
            Found::Unknown => Err(unknown_stack(reference)),
            Found::Ambiguous => Err(ambiguous_stack(reference)),
        }
    }
}

// === errors ===

fn uri_too_long(uri_bytes_max: usize) -> ApiError {
    ApiError::new(Kind::TooLarge, format!("the path and query are longer than {uri_bytes_max} bytes"))
        .status(StatusCode::URI_TOO_LONG)
        .code("uri_too_long")
}

fn no_address(path: &str) -> ApiError {
    let message = "this is a gateway of mu: a function answers at /{stack}/{gateway}/{path}, \
                   an object of a public box at /{stack}/{box}/{key}";
    ApiError::new(Kind::NotFound, message).detail("path", path)
}

fn unknown_stack(stack: &str) -> ApiError {
    if stack.is_empty() {
        return ApiError::new(Kind::NotFound, "the stack of this host is not deployed here");
    }
    let message = format!("no stack with the id or name `{}` is deployed here", shown(stack));
    ApiError::new(Kind::NotFound, message).detail("stack", stack)
}

fn ambiguous_stack(stack: &str) -> ApiError {
    let message = format!("several stacks have the name `{}`: use the id, which begins with s_", shown(stack));
    ApiError::new(Kind::NotFound, message).code("ambiguous_name").detail("stack", stack)
}

impl From<MalformedHost> for ApiError {
    fn from(error: MalformedHost) -> Self {
        let message = format!("the request names no host, several, or a malformed one; {error}");
        Self::new(Kind::Invalid, message).code("host_malformed")
    }
}
