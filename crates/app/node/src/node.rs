//! A node: adapters, and the services on top of them.

use std::fs::DirBuilder;
use std::net::SocketAddr;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;
use std::pin::pin;
use std::sync::Arc;

use mu_db::{MuDb, RedbKv, RedbOptions};
use mu_env::{Env, InvocationId};
use mu_gateway::{Gateway, GatewayPorts};
use mu_invoke::{
    Cause, DeployError, DeployParams, Deployment, InvokeError, Invoker, Parts, Ports, ReceiptSink, Totals,
};
use mu_runtime::{Engines, HttpClient, Request, Response, WasmConfig, WasmEngine};
use mu_stack::{HandlerRef, StackId};
use mu_storage::{Boxes, FsBlobs, RootKey};
use mu_telemetry::LogSink;

use crate::config::NodeConfig;
use crate::containers::Containers;
use crate::error::StartError;

/// A running node. Stop it with [`Node::stop`]; whatever ends it instead, what was acknowledged is on disk.
pub struct Node {
    env: Env,
    kv: Arc<RedbKv>,
    invoker: Arc<Invoker>,
    containers: Arc<Containers>,
    config: NodeConfig,
}

/// Where a node's records go.
pub struct Sinks {
    /// The functions' logs.
    pub logs: Arc<dyn LogSink>,
    /// The receipts of invocations.
    pub receipts: Arc<dyn ReceiptSink>,
}

/// A call from the command line.
#[derive(Debug)]
pub struct CallParams {
    /// The id of the call, from [`Node::new_invocation_id`].
    pub id: InvocationId,
    /// The deployed stack.
    pub stack: StackId,
    /// The handler.
    pub handler: HandlerRef,
    /// What it is asked.
    pub request: Request,
}

impl Node {
    /// Opens the data directory and starts the engine. Nothing is served yet. Must be called within a tokio runtime;
    /// blocks it while files are opened and, after a crash, checked.
    ///
    /// # Errors
    /// When a directory cannot be used, another process uses it, or the machine cannot run the engine.
    pub fn start(config: NodeConfig, sinks: Sinks) -> Result<Self, StartError> {
        let env = Env::system();
        create_private_dir(&config.data_dir)?;
        create_private_dir(&config.cache_dir)?;
        // First of all: it also says whether another process uses the directory.
        let kv = Arc::new(RedbKv::open(&config.data_dir.join("db.redb"), &RedbOptions::default())?);
        let key = RootKey::load_or_create(&config.data_dir.join("root.key"), env.random())?;
        let blobs = FsBlobs::open(&config.data_dir.join("boxes"))?;
        // The one TLS implementation of the process; an earlier node of the same process has installed it already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = HttpClient::new(config.egress);
        let wasm = WasmEngine::start(env.clone(), &WasmConfig::new(config.cache_dir.join("modules")), http)?;
        let containers =
            Containers::new(env.clone(), config.containers.clone(), config.egress, config.data_dir.clone());
        let containers = Arc::new(containers);
        env.tasks().spawn(Arc::clone(&containers).run(env.tasks().shutdown().clone()));
        let invoker = Arc::new(Invoker::new(Parts {
            env: env.clone(),
            engine: Arc::new(Engines { wasm: Arc::new(wasm), containers: Arc::clone(&containers) as _ }),
            db: Arc::new(MuDb::new(Arc::clone(&kv) as _)),
            boxes: Arc::new(Boxes::open(Arc::new(blobs), key, &env)),
            logs: sinks.logs,
            receipts: sinks.receipts,
            ports: Ports::default(),
            config: config.invoke,
        }));
        Ok(Self { env, kv, invoker, containers, config })
    }

    /// Takes the gateway's address; port 0 stands for any free port. Clients can connect, and wait until
    /// [`Node::serve`]. What asks for authentication asks `ports`.
    ///
    /// # Errors
    /// When the address is in use or not one of this machine.
    pub fn listen(&self, address: SocketAddr, ports: GatewayPorts) -> Result<Gateway, StartError> {
        let gateway = Gateway::bind(address, self.env.clone(), Arc::clone(&self.invoker), self.config.gateway)?;
        Ok(gateway.with_ports(ports))
    }

    /// Serves what is deployed, until the node stops.
    pub fn serve(&self, gateway: Gateway) {
        let shutdown = self.env.tasks().shutdown().clone();
        self.env.tasks().spawn(gateway.serve(shutdown));
    }

    /// Deploys a stack, or another version of it. See [`Invoker::deploy`].
    ///
    /// # Errors
    /// When a function cannot be loaded or data cannot be prepared; the version before stays in service.
    pub async fn deploy(&self, params: DeployParams) -> Result<Arc<Deployment>, DeployError> {
        self.invoker.deploy(params).await
    }

    /// Takes a stack out of service; calls under way go on. Its data stays.
    pub fn remove(&self, stack: &StackId) {
        self.invoker.deployments().remove(stack);
    }

    /// An id for a call.
    #[must_use]
    pub fn new_invocation_id(&self) -> InvocationId {
        self.env.new_invocation_id()
    }

    /// Runs a handler, as its gateway would; `None` when the stack is not deployed or has no such function.
    pub async fn call(&self, params: CallParams) -> Option<Result<Response, InvokeError>> {
        let deployment = self.invoker.deployments().deployment(&params.stack)?;
        let target = deployment.target(&params.handler)?;
        Some(self.invoker.invoke(&deployment, &target, Cause::CommandLine, params.id, params.request).await)
    }

    /// What a stack has used since the node started.
    #[must_use]
    pub fn totals(&self, stack: &StackId) -> Totals {
        self.invoker.deployments().meter_of(stack).map(|meter| meter.totals()).unwrap_or_default()
    }

    /// Accepts nothing new, waits for what is under way for as long as the gateway's configuration allows, and closes
    /// the data.
    pub async fn stop(&self) {
        let timeout = self.config.gateway.drain_timeout;
        let mut tasks = pin!(self.env.tasks().stop());
        if tokio::time::timeout(timeout, &mut tasks).await.is_err() {
            // Connections are closed by now; what is left are handlers that go on after their answer.
            self.invoker.stop();
            tasks.await;
        }
        let drained = async {
            for deployment in self.invoker.deployments().all() {
                deployment.drained().await;
            }
        };
        if tokio::time::timeout(timeout, drained).await.is_err() {
            tracing::warn!("calls are still under way; closing the data all the same");
        }
        self.invoker.stop();
        self.containers.close().await;
        self.kv.close().await;
    }
}

/// Makes a directory, and those above it, that only its owner can enter. One that is there stays as it is.
pub(crate) fn create_private_dir(path: &Path) -> Result<(), StartError> {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(path);
    made.map_err(|source| StartError::Directory { path: path.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use mu_db::KvError;
    use mu_invoke::Receipt;
    use mu_telemetry::LogRecord;

    use super::*;

    struct Nowhere;

    impl LogSink for Nowhere {
        fn write(&self, _: LogRecord) {}
    }

    impl ReceiptSink for Nowhere {
        fn accept(&self, _: Receipt) {}
    }

    fn start(folder: &Path) -> Result<Node, StartError> {
        let sinks = Sinks { logs: Arc::new(Nowhere), receipts: Arc::new(Nowhere) };
        Node::start(NodeConfig::new(folder.join("data"), folder.join("cache")), sinks)
    }

    #[tokio::test]
    async fn a_data_directory_serves_one_node_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let first = start(folder.path()).unwrap();
        assert!(matches!(start(folder.path()), Err(StartError::Tables(KvError::InUse { .. }))));
        first.stop().await;
        start(folder.path()).unwrap().stop().await;
    }

    #[tokio::test]
    async fn only_the_owner_can_read_the_data() {
        let folder = tempfile::tempdir().unwrap();
        start(folder.path()).unwrap().stop().await;
        let mode = |path: &str| std::fs::metadata(folder.path().join(path)).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode("data"), mode("data/root.key")), (0o700, 0o600));
    }

    #[tokio::test]
    async fn an_address_in_use_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let node = start(folder.path()).unwrap();
        let gateway = node.listen("127.0.0.1:0".parse().unwrap(), GatewayPorts::default()).unwrap();
        let error = node.listen(gateway.address(), GatewayPorts::default()).err().unwrap();
        assert!(error.to_string().contains(&gateway.address().to_string()), "{error}");
        node.stop().await;
    }
}
