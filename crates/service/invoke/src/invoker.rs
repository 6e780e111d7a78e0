//! The one path of every invocation.

use std::any::Any;
use std::fmt;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures_util::FutureExt;
use http::StatusCode;
use mu_db::MuDb;
use mu_env::{Env, InvocationId};
use mu_runtime::{Call, Engine, Failure, Ran, Request, Response, Rest, Services};
use mu_storage::Boxes;
use mu_telemetry::LogSink;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

use crate::config::InvokeConfig;
use crate::deployment::{Deployment, Target};
use crate::deployments::Deployments;
use crate::error::InvokeError;
use crate::gatekeeper::{Asks, Gatekeeper, OpenGate};
use crate::receipt::{Cause, ReceiptSink};
use crate::services::{Backends, CallServices};
use crate::tally::Tally;
use crate::wake::{NothingSleeps, Wake};
use crate::websocket::Sockets;

/// Runs handlers of deployed stacks, and accounts for it.
pub struct Invoker {
    env: Env,
    engine: Arc<dyn Engine>,
    backends: Arc<Backends>,
    logs: Arc<dyn LogSink>,
    receipts: Arc<dyn ReceiptSink>,
    config: InvokeConfig,
    ports: Ports,
    deployments: Deployments,
    /// Places to load dormant stacks in.
    wakers: Semaphore,
    stopped: CancellationToken,
}

/// What an [`Invoker`] is made of.
pub struct Parts {
    /// Time and ids.
    pub env: Env,
    /// Runs code.
    pub engine: Arc<dyn Engine>,
    /// The tables of all stacks.
    pub db: Arc<MuDb>,
    /// The boxes of all stacks.
    pub boxes: Arc<Boxes>,
    /// Where the functions' logs go.
    pub logs: Arc<dyn LogSink>,
    /// Where receipts go.
    pub receipts: Arc<dyn ReceiptSink>,
    /// What only some nodes have.
    pub ports: Ports,
    /// Limits.
    pub config: InvokeConfig,
}

/// What an invoker asks of the node it is part of. The default is a node on its own, where everything is permitted.
#[derive(Clone)]
pub struct Ports {
    /// Loads dormant stacks.
    pub wake: Arc<dyn Wake>,
    /// Limits how much a stack, or its owner, may use.
    pub gatekeeper: Arc<dyn Gatekeeper>,
}

impl Default for Ports {
    fn default() -> Self {
        Self { wake: Arc::new(NothingSleeps), gatekeeper: Arc::new(OpenGate) }
    }
}

impl Invoker {
    /// An invoker without deployments.
    #[must_use]
    pub fn new(parts: Parts) -> Self {
        let Parts { env, engine, db, boxes, logs, receipts, ports, config } = parts;
        let deployments = Deployments::new(env.random().clone(), Arc::clone(&receipts));
        let gatekeeper = Arc::clone(&ports.gatekeeper);
        let backends = Arc::new(Backends { db, boxes, sockets: Arc::default(), gatekeeper });
        Self {
            env,
            engine,
            backends,
            logs,
            receipts,
            config,
            ports,
            deployments,
            wakers: Semaphore::new(config.wakes_max.clamp(1, Semaphore::MAX_PERMITS)),
            stopped: CancellationToken::new(),
        }
    }

    /// Runs one handler: asks the gatekeeper, waits for a place, runs it within its limits, and writes one receipt. Waiting and running
    /// together take at most the function's timeout. Dropping the future stops the call; its receipt is written all the
    /// same.
    ///
    /// The response may be there before the handler has ended. It then runs on, within the same limits, whether or not
    /// the response's body is read.
    ///
    /// `target` must come from `deployment`.
    ///
    /// # Errors
    /// When the stack may not use more, or there is no room, or the handler ends without a response. Whatever happens inside the call, a panic of the
    /// engine included, ends as an error here.
    pub async fn invoke(
        self: &Arc<Self>,
        deployment: &Arc<Deployment>,
        target: &Target,
        cause: Cause,
        id: InvocationId,
        mut request: Request,
    ) -> Result<Response, InvokeError> {
        let function = deployment.function(target);
        let asks =
            Asks { stack: deployment.id(), owner: deployment.owner(), version: deployment.version(), cause: &cause };
        let pass = self.ports.gatekeeper.admit(&asks);
        let mut tally = Tally::start(self, deployment, target, cause, id);
        match pass {
            Ok(pass) => tally.holds(pass),
            Err(refusal) => return Err(tally.turned_away(refusal)),
        }
        let place = match function.admission.try_admit() {
            Some(place) => place,
            None => match function.admission.admit(function.limits.timeout).await {
                Ok(place) => {
                    tally.waited();
                    place
                }
                Err(refusal) => return Err(tally.refused(refusal)),
            },
        };
        let services = Arc::new(CallServices::new(Arc::clone(&self.backends), *deployment.id().key()));
        tally.runs(Arc::clone(&services));
        if let Some(begun) = request.begun.take_if(|_| !function.tells_begin) {
            let _ = begun.send(());
        }
        let call = Call {
            handler: Arc::clone(target.handler()),
            request,
            env: Arc::clone(&function.env),
            limits: target.limits(&function.limits),
            deadline: tally.start_instant() + function.limits.timeout,
            services: services as Arc<dyn Services>,
            log: tally.log(self.config.log_bytes_max),
        };
        match AssertUnwindSafe(function.program.run(call)).catch_unwind().await {
            Ok(Ran::Ended(outcome)) => tally.ran(outcome),
            Ok(Ran::Answered { response, rest }) => {
                self.run_on(tally, place, response.status, rest);
                Ok(response)
            }
            Err(panic) => Err(tally.panicked(&Failure::Internal(panic_message(&*panic)))),
        }
    }

    /// Lets a handler go on that has answered. It keeps its place until it ends, or the invoker is
    /// [stopped](Self::stop).
    fn run_on(&self, tally: Tally, place: OwnedSemaphorePermit, status: StatusCode, rest: Rest) {
        let stopped = self.stopped.clone();
        self.env.tasks().spawn(async move {
            let _place = place;
            let run = AssertUnwindSafe(rest.run()).catch_unwind();
            match stopped.run_until_cancelled(run).await {
                Some(Ok(outcome)) => tally.ran_on(status, outcome),
                Some(Err(panic)) => drop(tally.panicked(&Failure::Internal(panic_message(&*panic)))),
                // Dropped, the tally writes the receipt of an abandoned call.
                None => {}
            }
        });
    }

    /// Stops handlers that still run although they have answered. Nothing must be invoked afterwards.
    pub fn stop(&self) {
        self.stopped.cancel();
    }

    /// What is deployed.
    #[must_use]
    pub fn deployments(&self) -> &Deployments {
        &self.deployments
    }

    /// The boxes of all stacks.
    #[must_use]
    pub fn boxes(&self) -> &Arc<Boxes> {
        &self.backends.boxes
    }

    /// The WebSocket connections of all stacks.
    #[must_use]
    pub fn sockets(&self) -> &Arc<Sockets> {
        &self.backends.sockets
    }

    /// Limits of every invocation.
    #[must_use]
    pub fn config(&self) -> &InvokeConfig {
        &self.config
    }

    pub(crate) fn env(&self) -> &Env {
        &self.env
    }

    pub(crate) fn ports(&self) -> &Ports {
        &self.ports
    }

    pub(crate) fn wakers(&self) -> &Semaphore {
        &self.wakers
    }

    pub(crate) fn stopped(&self) -> &CancellationToken {
        &self.stopped
    }

    pub(crate) fn engine(&self) -> &dyn Engine {
        &*self.engine
    }

    pub(crate) fn backends(&self) -> &Backends {
        &self.backends
    }

    pub(crate) fn logs(&self) -> &Arc<dyn LogSink> {
        &self.logs
    }

    pub(crate) fn receipts(&self) -> &Arc<dyn ReceiptSink> {
        &self.receipts
    }
}

impl fmt::Debug for Invoker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Invoker").field("deployments", &self.deployments).finish_non_exhaustive()
    }
}

/// What is said of a call during which the node's own code panicked.
fn panic_message(panic: &(dyn Any + Send)) -> String {
    let message = panic.downcast_ref::<&str>().copied();
    let message = message.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("no message");
    tracing::error!(message, "the engine panicked");
    format!("the engine panicked: {message}")
}
