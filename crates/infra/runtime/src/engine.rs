//! The port between the services and whatever runs code.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use mu_abi::{DbReply, DbRequest, StorageReply, StorageRequest};
use mu_stack::{ContainerSettings, Instances, Runtime, StackId};

use crate::{Artifact, Call, ExecutionUsage, LoadError, Ran};

/// Runs artifacts.
#[async_trait]
pub trait Engine: Send + Sync {
    /// Checks an artifact and makes it ready to run: afterwards its first call needs no compilation.
    ///
    /// # Errors
    /// When the artifact cannot run here; the error names what is wrong with it.
    async fn load(&self, params: LoadParams) -> Result<Arc<dyn Program>, LoadError>;
}

/// What to load, and how.
#[derive(Clone, Debug)]
pub struct LoadParams {
    /// The code.
    pub artifact: Artifact,
    /// The contract it was built for.
    pub runtime: Runtime,
    /// How long its instances live.
    pub instances: Instances,
    /// The memory that an instance may use, in bytes.
    pub memory_limit_bytes: u64,
    /// Whose code it is: what outlives a call is made for one function.
    pub owner: Owner,
}

/// The function that something is loaded for.
#[derive(Clone, Debug)]
pub struct Owner {
    /// The stack's id.
    pub stack_id: StackId,
    /// The stack's name.
    pub stack: Arc<str>,
    /// The function's name.
    pub function: Arc<str>,
    /// Its id.
    pub function_id: Arc<str>,
    /// Its environment variables.
    pub env: Arc<[(String, String)]>,
    /// How its containers are kept, if it has any.
    pub container: ContainerSettings,
}

impl Owner {
    /// A function whose id is made of its stack's and its name, without variables.
    #[must_use]
    pub fn of(stack_id: StackId, stack: &str, function: &str) -> Self {
        Self {
            stack_id,
            stack: stack.into(),
            function: function.into(),
            function_id: format!("{stack_id}.{function}").into(),
            env: Arc::new([]),
            container: ContainerSettings::default(),
        }
    }
}

/// A loaded artifact. Dropping the last reference frees what it holds; executions under way are not disturbed.
#[async_trait]
pub trait Program: Send + Sync {
    /// Runs one call until the handler has answered, or is over. Dropping the future stops the guest.
    async fn run(&self, call: Call) -> Ran;
}

/// What a running guest may ask of the node: always within the stack it belongs to. Failures are part of the replies,
/// because the guest is told of them. What was used is counted by the implementation.
#[async_trait]
pub trait Services: Send + Sync {
    /// A muDB operation.
    async fn db(&self, request: DbRequest) -> DbReply;

    /// A mu Storage operation.
    async fn storage(&self, request: StorageRequest) -> StorageReply;

    /// Whether the stack declares a box of this name. The error is text for the guest.
    async fn has_box(&self, name: &str) -> Result<bool, String>;

    /// A request to the node itself, which a guest makes as one to [`NODE_HOST`](crate::NODE_HOST). The answer's status
    /// says whether it was understood.
    async fn node(&self, request: http::Request<Bytes>) -> http::Response<Bytes>;

    /// Told when an execution was dropped before it had an outcome: what it had used until then. It may still be told
    /// some time after the drop, from another thread, and only if the guest had begun to run.
    fn abandoned(&self, usage: ExecutionUsage);
}
