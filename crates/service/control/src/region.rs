//! What the control plane asks of the node that runs the stacks.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use mu_env::InvocationId;
use mu_stack::StackId;
use tokio::sync::oneshot;

use crate::catalog::fns::FnRecord;
use crate::catalog::{DataFate, Routing, StackRecord, StoredVersion, VersionNumber};
use crate::rollout::Counts;

/// The running part of a node, or of several. One implementation loads and serves versions here, in this process; tests
/// have one that only remembers what it was told.
#[async_trait]
pub trait Region: Send + Sync + fmt::Debug {
    /// Compiles and loads a version that is not loaded yet, serves nothing. May take as long as compiling takes.
    ///
    /// # Errors
    /// When the version cannot run, which its author has to mend.
    async fn prepare(&self, stack: &StackId, version: &StoredVersion) -> Result<(), RegionError>;

    /// Serves exactly these versions of a stack from now on. Those that are loaded stay as they are; those that are no
    /// longer routed end the calls they have.
    ///
    /// # Errors
    /// When a version cannot be loaded. What was served before goes on being served.
    async fn serve(&self, stack: &StackId, routing: &Routing) -> Result<(), RegionError>;

    /// The same with everything loaded anew: the stack's configuration or its secrets have changed.
    ///
    /// # Errors
    /// As [`Region::serve`].
    async fn reload(&self, stack: &StackId, routing: &Routing) -> Result<(), RegionError>;

    /// Ends serving a stack and, unless they are to be kept, deletes its tables and boxes. Can be repeated.
    ///
    /// # Errors
    /// When data could not be deleted.
    async fn remove(&self, stack: &StackId, data: DataFate) -> Result<(), RegionError>;

    /// Invokes a handler of the version that the routing chooses.
    ///
    /// # Errors
    /// When the platform, not the function, has no answer.
    async fn invoke(&self, stack: &StackId, call: RegionCall) -> Result<http::Response<RegionBody>, RegionError>;

    /// Calls a fn that was made through Fn's API, which belongs to no version: its container is started when it is called
    /// for the first time, and anew when the fn or the configuration of its app has changed.
    ///
    /// # Errors
    /// When the platform, not the function, has no answer.
    async fn invoke_made(
        &self,
        app: &StackRecord,
        made: &FnRecord,
        call: RegionCall,
    ) -> Result<http::Response<RegionBody>, RegionError>;

    /// What each version of a stack that is served has done since it was loaded.
    fn counts(&self, stack: &StackId) -> BTreeMap<VersionNumber, Counts>;
}

/// The body of an answer, as it comes.
pub type RegionBody = http_body_util::combinators::UnsyncBoxBody<Bytes, Box<dyn std::error::Error + Send + Sync>>;

/// A call of a handler.
#[derive(Debug)]
pub struct RegionCall {
    /// Its id.
    pub id: InvocationId,
    /// `function.handler`.
    pub handler: String,
    /// Parameters of a path that it would have been called with.
    pub path_params: Vec<(String, String)>,
    /// What the request is to the function.
    pub form: CallForm,
    /// Told when the function begins to run. Dropped without a word when it does not, and where nobody knows.
    pub begun: Option<oneshot::Sender<()>>,
    /// Method, target, headers and body.
    pub request: http::Request<Bytes>,
}

/// What a request is to the function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallForm {
    /// An HTTP request.
    Http,
    /// A body with headers.
    Plain,
}

/// Why a region did not do what it was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RegionError {
    /// A version cannot run: the author's business.
    #[error("{0}")]
    NotLoadable(String),
    /// Nothing of this name is deployed.
    #[error("{0}")]
    NotFound(String),
    /// The call failed or was refused.
    #[error("{message}")]
    Call {
        /// Status, code and message as a gateway would give them.
        status: u16,
        /// What kind of failure it is.
        code: String,
        /// For people.
        message: String,
        /// When to try again.
        retry_after: Option<Duration>,
    },
    /// The node itself failed.
    #[error("{0}")]
    Internal(String),
}
