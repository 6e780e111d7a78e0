//! The management API: HTTP in front of the catalog, of who may do what, and of the running node.
//!
//! Requests pass the `front`, which says who asks and leaves a record, and then the handler of their resource, which
//! asks `Control::allow` before it says or does anything. The interface is described by an OpenAPI document that is
//! made of the handlers.

mod convert;
mod document;
mod error;
mod fn_api;
pub(crate) mod front;
mod input;
mod page;
mod rates;
mod rollouts;
mod time;
mod turns;
mod upkeep;
#[expect(unused_qualifications, reason = "the macro that describes a route names types by their paths")]
mod v1;

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{DefaultBodyLimit, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Router, middleware};
use mu_env::Env;
use mu_stack::StackId;
use mu_telemetry::Metrics;
use utoipa_axum::router::OpenApiRouter;

use crate::access::{Access, Action};
use crate::audit::Audit;
use crate::catalog::{Artifacts, Catalog, DataFate, Idempotency, Routing, StackRecord, StoredVersion};
use crate::domains::Domains;
use crate::logs::LogStore;
use crate::quota::Quotas;
use crate::region::Region;
use crate::secrets::Secrets;
use crate::usage::UsageLedger;
use error::{ApiError, shown};
use front::Caller;
pub use front::PeerAddress;
pub use rollouts::Rollouts;
pub use turns::Turns;

/// What an operator sets about the management API.
#[derive(Clone, Debug)]
pub struct ApiSettings {
    /// Where clients reach functions: the start of the URLs that are shown.
    pub gateway_url: String,
    /// Largest body of a request, in bytes.
    pub request_bytes_max: usize,
    /// Largest body of a request that is for a function, in bytes.
    pub call_bytes_max: usize,
    /// How long calls that nobody waits for may go on when the node stops.
    pub detached_drain: Duration,
}

/// Everything that the management API works on.
#[derive(Debug)]
pub struct Control {
    /// Time and ids.
    pub env: Env,
    /// Who may do what.
    pub access: Access,
    /// What was done.
    pub audit: Audit,
    /// Stacks and versions.
    pub catalog: Catalog,
    /// The code of functions.
    pub artifacts: Artifacts,
    /// Requests that were sent before.
    pub idempotency: Idempotency,
    /// Hosts of stacks.
    pub domains: Domains,
    /// Secrets of stacks.
    pub secrets: Arc<Secrets>,
    /// What functions have logged.
    pub logs: Arc<LogStore>,
    /// What stacks have used.
    pub usage: Arc<UsageLedger>,
    /// What stacks and clients may use.
    pub quotas: Arc<Quotas>,
    /// What runs the stacks.
    pub region: Arc<dyn Region>,
    /// Which changes the node is being told of.
    pub turns: Turns,
    /// Where requests are counted.
    pub metrics: Metrics,
    /// The rollouts that are under way.
    pub rollouts: Rollouts,
    /// What an operator sets.
    pub settings: ApiSettings,
}

impl Control {
    /// Whether a caller may do something. Whatever is asked here last is what the audit record says was done.
    async fn allow(&self, caller: &Caller, action: Action, stack: Option<StackId>) -> Result<(), ApiError> {
        caller.does(action, stack);
        Ok(self.access.authorize(&caller.who, action, stack).await?)
    }

    /// Loads the versions of a routing that is about to be written down, so that none of them fails afterwards.
    async fn prepare(&self, stack: &StackId, routing: &Routing) -> Result<(), ApiError> {
        for weight in routing.weights() {
            let version = self.catalog.version(stack, weight.version).await?;
            self.region.prepare(stack, &version).await?;
        }
        Ok(())
    }

    /// The versions of a stack that are served.
    async fn routed_versions(&self, stack: &StackId) -> Result<Vec<StoredVersion>, ApiError> {
        let mut versions = Vec::new();
        for number in self.catalog.routing(stack).await?.iter().flat_map(|present| present.routing.versions()) {
            versions.push(self.catalog.version(stack, number).await?);
        }
        Ok(versions)
    }

    /// Serves a stack by its newest routing.
    async fn serve(&self, stack: &StackId) -> Result<(), ApiError> {
        let _turn = self.turns.take(stack).await;
        match self.catalog.routing(stack).await? {
            Some(newest) => Ok(self.region.serve(stack, &newest.routing).await?),
            None => Ok(()),
        }
    }

    /// Loads a stack again, for what has changed beside its routing.
    async fn reload(&self, stack: &StackId) -> Result<(), ApiError> {
        let _turn = self.turns.take(stack).await;
        match self.catalog.routing(stack).await? {
            Some(newest) => Ok(self.region.reload(stack, &newest.routing).await?),
            None => Ok(()),
        }
    }

    /// Carries a deletion out that was begun.
    async fn finish_deletion(&self, stack: &StackRecord, data: DataFate) -> Result<(), ApiError> {
        let _turn = self.turns.take(&stack.id).await;
        self.domains.release_all(&stack.id).await?;
        self.region.remove(&stack.id, data).await?;
        self.logs.delete_stack(stack.id);
        if data == DataFate::Remove {
            self.secrets.delete_stack(&stack.id).await?;
            // A quota stays with data that are kept: deleting a stack is no way around it.
            self.quotas.forget_stack(&stack.id).await?;
            self.access.grants().forget_stack(&stack.id).await?;
        }
        Ok(self.catalog.finish_deletion(&stack.id, data).await?)
    }

    /// The API as a service of requests.
    pub fn router(self: Arc<Self>) -> Router {
        let (described, _) = routes().split_for_parts();
        // The front limits bodies.
        let described = described.layer(DefaultBodyLimit::disable());
        let guarded = described.layer(middleware::from_fn_with_state(Arc::clone(&self), front::front));
        let document = document::text();
        Router::new()
            .route("/v1/openapi.json", get(move || async move { json_text(document) }))
            .merge(guarded)
            .merge(fn_api::router(&self))
            .fallback(no_path)
            .method_not_allowed_fallback(no_method)
            .layer(middleware::from_fn_with_state(Arc::clone(&self), counted))
            .with_state(self)
    }
}

fn routes() -> OpenApiRouter<Arc<Control>> {
    v1::router()
}

/// Counts an answer, whatever it is, and how long it took.
async fn counted(State(control): State<Arc<Control>>, request: Request, next: Next) -> Response {
    let start = control.env.clock().instant();
    let response = next.run(request).await;
    let duration = control.env.clock().instant().saturating_duration_since(start);
    control.metrics.api_request(response.status().as_u16(), duration);
    response
}

fn json_text(text: String) -> Response {
    ([(http::header::CONTENT_TYPE, "application/json")], text).into_response()
}

async fn no_path(State(_): State<Arc<Control>>, request: Request) -> ApiError {
    error::no_path(request.uri().path())
}

async fn no_method(State(_): State<Arc<Control>>, request: Request) -> ApiError {
    error::no_method(request.method(), request.uri().path())
}

#[cfg(test)]
mod tests;
