//! Stacks are loaded when the first request for them comes, but for those whose functions keep containers ready.

use std::sync::Arc;

use mu_control::catalog::{Catalog, CatalogError};
use mu_env::Shutdown;
use mu_invoke::Invoker;
use mu_stack::StackId;

/// Loads the stacks that keep containers ready. What cannot be loaded is tried again by its first request.
pub(super) async fn run(catalog: Catalog, invoker: Arc<Invoker>, shutdown: Shutdown) {
    let load = async {
        if let Err(error) = load(&catalog, &invoker).await {
            tracing::warn!(%error, "stacks that keep containers ready are loaded when they are called");
        }
    };
    tokio::select! {
        () = load => {}
        () = shutdown.requested() => {}
    }
}

async fn load(catalog: &Catalog, invoker: &Arc<Invoker>) -> Result<(), CatalogError> {
    for stack in invoker.deployments().stacks() {
        if keeps_containers(catalog, &stack.id).await?
            && let Err(error) = invoker.awake(&stack.id).await
        {
            let error = error.message;
            tracing::warn!(stack = &*stack.name, error, "a stack that keeps containers ready was not loaded");
        }
    }
    Ok(())
}

/// Whether a version that is served keeps containers ready.
async fn keeps_containers(catalog: &Catalog, stack: &StackId) -> Result<bool, CatalogError> {
    let Some(routing) = catalog.routing(stack).await? else { return Ok(false) };
    for version in routing.routing.versions() {
        let version = catalog.version(stack, version).await?;
        if version.stack.functions().any(|function| function.container.min_instances > 0) {
            return Ok(true);
        }
    }
    Ok(false)
}
