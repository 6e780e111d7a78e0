//! One version of a stack, ready to run.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use mu_runtime::{Limits, Program};
use mu_stack::{
    Auth, BoxName, FunctionName, Gateway, GatewayName, HandlerRef, Method, MethodSet, PathTemplate, Route, RouteMatch,
    RouteTable, Runtime, Stack, StackId, WebSocketLimits,
};
use tokio::sync::Notify;

use crate::admission::Admission;
use crate::config::InvokeConfig;
use crate::cors::CorsPolicy;
use crate::deploy::Variables;
use crate::meter::Meter;
use crate::stats::VersionStats;

/// A stack with its functions loaded. Everything that a request would otherwise have to look up or convert is here in
/// the form in which it is needed.
pub struct Deployment {
    id: StackId,
    version: u64,
    owner: Option<Arc<str>>,
    name: Arc<str>,
    stack: Stack,
    functions: Vec<DeployedFunction>,
    gateways: HashMap<GatewayName, DeployedGateway>,
    public_boxes: HashSet<BoxName>,
    meter: Arc<Meter>,
    stats: VersionStats,
    in_flight: InFlight,
}

/// A loaded function.
pub struct DeployedFunction {
    pub(crate) name: Arc<str>,
    pub(crate) program: Arc<dyn Program>,
    pub(crate) env: Variables,
    pub(crate) limits: Limits,
    /// Whether its runtime reads requests and writes responses whole.
    buffers_bodies: bool,
    /// Whether its engine tells when it begins to run, because it may have to be started first.
    pub(crate) tells_begin: bool,
    pub(crate) admission: Admission,
}

/// A gateway whose routes lead to loaded functions.
pub struct DeployedGateway {
    name: Arc<str>,
    routes: RouteTable,
    targets: HashMap<HandlerRef, Target>,
    /// The handlers of WebSocket events.
    socket_targets: HashMap<HandlerRef, Target>,
    websocket: WebSocketLimits,
    cors: Option<CorsPolicy>,
}

/// A handler of a deployed function. Valid for the [`Deployment`] it came from.
#[derive(Clone, Debug)]
pub struct Target {
    /// Index among the deployment's functions.
    function: usize,
    handler: Arc<str>,
    /// Bodies of at least this size are permitted in both directions, whatever the function's own limits are.
    body_bytes_min: u64,
    /// What the function asks of callers.
    auth: Arc<Auth>,
}

/// Where functions are in a deployment, and what they ask of callers.
type Slots<'s> = HashMap<&'s FunctionName, (usize, Arc<Auth>)>;

/// What a request's method and path lead to.
#[derive(Debug)]
pub enum Routed<'d> {
    /// A handler.
    Found {
        /// What to invoke.
        target: &'d Target,
        /// Parameters of the path in their order, percent-decoded.
        params: Vec<(&'d str, String)>,
        /// The route.
        template: &'d PathTemplate,
        /// What callers must bring along.
        auth: &'d Auth,
    },
    /// The path exists, without this method.
    MethodNotAllowed {
        /// The methods it has.
        allow: MethodSet,
    },
    /// The path is there for WebSockets only.
    UpgradeRequired,
    /// No route has this path.
    NotFound,
    /// The path cannot be percent-decoded to text.
    BadEncoding,
}

impl Deployment {
    /// Puts a stack and its loaded programs together; `programs` are in the order of the stack's functions, each with
    /// its environment.
    pub(crate) fn new(
        id: StackId,
        version: u64,
        owner: Option<Arc<str>>,
        stack: Stack,
        programs: Vec<(Arc<dyn Program>, Variables)>,
        meter: Arc<Meter>,
        config: &InvokeConfig,
    ) -> Self {
        let functions: Vec<_> = stack
            .functions()
            .zip(programs)
            .map(|(function, (program, env))| DeployedFunction {
                name: function.name.as_str().into(),
                program,
                env,
                buffers_bodies: !function.runtime.is_component(),
                tells_begin: function.runtime == Runtime::Container,
                limits: Limits {
                    memory_bytes: function.limits.memory.bytes(),
                    timeout: function.limits.timeout,
                    instructions: function.limits.instructions.count(),
                    request_bytes: config.request_bytes_max,
                    message_bytes: config.message_bytes_max,
                    response_bytes: config.response_bytes_max,
                },
                admission: Admission::new(
                    config.concurrency_max.min(function.limits.concurrency as usize),
                    config.queue_max,
                ),
            })
            .collect();
        let slots: Slots<'_> = stack
            .functions()
            .enumerate()
            .map(|(slot, function)| (&function.name, (slot, Arc::new(function.auth.clone()))))
            .collect();
        let gateways = stack.gateways().map(|gateway| (gateway.name.clone(), DeployedGateway::new(gateway, &slots)));
        let public_boxes = stack.boxes().filter(|storage| storage.public && !storage.delete);
        Self {
            id,
            version,
            owner,
            name: stack.name().as_str().into(),
            functions,
            gateways: gateways.collect(),
            public_boxes: public_boxes.map(|storage| storage.name.clone()).collect(),
            meter,
            stats: VersionStats::default(),
            in_flight: InFlight::default(),
            stack,
        }
    }

    /// The stack's id.
    #[must_use]
    pub fn id(&self) -> StackId {
        self.id
    }

    /// The stack's name.
    #[must_use]
    pub fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// Which version of the stack this is.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.version
    }

    /// Whose stack it is, if that is known.
    #[must_use]
    pub fn owner(&self) -> Option<&Arc<str>> {
        self.owner.as_ref()
    }

    /// The stack.
    #[must_use]
    pub fn stack(&self) -> &Stack {
        &self.stack
    }

    /// The gateway of that name.
    #[must_use]
    pub fn gateway(&self, name: &str) -> Option<&DeployedGateway> {
        self.gateways.get(name)
    }

    /// The gateway of a stack that has no other one.
    #[must_use]
    pub fn only_gateway(&self) -> Option<&DeployedGateway> {
        self.gateways.values().next().filter(|_| self.gateways.len() == 1)
    }

    /// Whether a box of that name exists that everyone may read.
    #[must_use]
    pub fn has_public_box(&self, name: &str) -> bool {
        self.public_boxes.contains(name)
    }

    /// The handler that a reference names; `None` when the stack has no such function. Whether the function has the
    /// handler, only the function knows.
    #[must_use]
    pub fn target(&self, reference: &HandlerRef) -> Option<Target> {
        let function = self.functions.iter().position(|function| *function.name == *reference.function.as_str())?;
        let auth = self.stack.functions().nth(function).map(|function| function.auth.clone());
        let (handler, auth) = (reference.handler.as_str().into(), Arc::new(auth.unwrap_or_default()));
        Some(Target { function, handler, body_bytes_min: 0, auth })
    }

    /// Its functions.
    #[must_use]
    pub fn functions(&self) -> &[DeployedFunction] {
        &self.functions
    }

    /// The function that a target belongs to.
    ///
    /// # Panics
    /// When the target came from another deployment that has more functions.
    #[must_use]
    pub fn function(&self, target: &Target) -> &DeployedFunction {
        &self.functions[target.function]
    }

    /// What the stack has used so far, over all of its versions.
    #[must_use]
    pub fn meter(&self) -> &Arc<Meter> {
        &self.meter
    }

    /// How this version does.
    #[must_use]
    pub fn stats(&self) -> &VersionStats {
        &self.stats
    }

    /// Calls that wait or run.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.in_flight.count.load(Ordering::Acquire)
    }

    /// Waits until no call waits or runs. Meant for a deployment that was replaced or removed, to which no new calls
    /// come.
    pub async fn drained(&self) {
        self.in_flight.none_left().await;
    }

    pub(crate) fn enter(self: &Arc<Self>) -> InFlightGuard {
        self.in_flight.count.fetch_add(1, Ordering::AcqRel);
        InFlightGuard(Arc::clone(self))
    }
}

impl fmt::Debug for Deployment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Deployment").field("id", &self.id).field("version", &self.version).finish_non_exhaustive()
    }
}

impl DeployedFunction {
    /// Its name.
    #[must_use]
    pub fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// Calls of it that run or wait for a place, about.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.admission.in_flight()
    }

    /// What one call may use.
    #[must_use]
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// The largest body of a request, in bytes, that the function can be called with; `None` when it reads them as they
    /// come.
    #[must_use]
    pub fn request_bytes_max(&self) -> Option<u64> {
        self.buffers_bodies.then_some(self.limits.request_bytes)
    }
}

impl DeployedGateway {
    fn new(gateway: &Gateway, slots: &Slots<'_>) -> Self {
        let references = gateway.routes.routes().iter().flat_map(|route| route.handlers().iter().map(|(_, to)| to));
        // A stack's routes lead to functions of the stack; the type of a stack says so.
        let target = |reference: &HandlerRef, body_bytes_min: u64| {
            let (function, auth) = slots.get(&reference.function)?;
            let (function, handler, auth) = (*function, reference.handler.as_str().into(), Arc::clone(auth));
            Some((reference.clone(), Target { function, handler, body_bytes_min, auth }))
        };
        let targets = references.filter_map(|reference| target(reference, 0));
        let sockets = gateway.routes.routes().iter().filter_map(Route::websocket);
        let message_bytes_max = gateway.websocket.message.bytes();
        Self {
            name: gateway.name.as_str().into(),
            targets: targets.collect(),
            socket_targets: sockets.filter_map(|reference| target(reference, message_bytes_max)).collect(),
            websocket: gateway.websocket,
            routes: gateway.routes.clone(),
            cors: gateway.cors.as_ref().map(CorsPolicy::from),
        }
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// Its cross-origin rules.
    #[must_use]
    pub fn cors(&self) -> Option<&CorsPolicy> {
        self.cors.as_ref()
    }

    /// Finds the handler of a request; `path` is what follows the gateway's name in the URL, still percent-encoded.
    #[must_use]
    pub fn route(&self, method: Method, path: &str) -> Routed<'_> {
        match self.routes.find(method, path) {
            RouteMatch::Found { handler, params, template, auth } => {
                found(&self.targets, handler, params, template, auth)
            }
            RouteMatch::MethodNotAllowed { allow, .. } => Routed::MethodNotAllowed { allow },
            RouteMatch::UpgradeRequired { .. } => Routed::UpgradeRequired,
            RouteMatch::NotFound => Routed::NotFound,
            RouteMatch::BadEncoding => Routed::BadEncoding,
        }
    }

    /// Finds the handler of the WebSocket connections of a path; [`Routed::MethodNotAllowed`] when it has none.
    #[must_use]
    pub fn websocket(&self, path: &str) -> Routed<'_> {
        match self.routes.find_websocket(path) {
            RouteMatch::Found { handler, params, template, auth } => {
                found(&self.socket_targets, handler, params, template, auth)
            }
            RouteMatch::MethodNotAllowed { allow, .. } => Routed::MethodNotAllowed { allow },
            RouteMatch::UpgradeRequired { .. } => Routed::UpgradeRequired,
            RouteMatch::NotFound => Routed::NotFound,
            RouteMatch::BadEncoding => Routed::BadEncoding,
        }
    }

    /// Whether any of its routes takes WebSocket connections.
    #[must_use]
    pub fn has_websockets(&self) -> bool {
        !self.socket_targets.is_empty()
    }

    /// Limits of its WebSocket connections.
    #[must_use]
    pub fn websocket_limits(&self) -> &WebSocketLimits {
        &self.websocket
    }

    /// The methods of a path, `HEAD` and `OPTIONS` included where the gateway itself answers them; `None` when no
    /// route has the path.
    #[must_use]
    pub fn methods(&self, path: &str) -> Option<MethodSet> {
        match self.routes.find(Method::Options, path) {
            RouteMatch::MethodNotAllowed { allow, .. } => Some(allow),
            RouteMatch::Found { template, .. } => {
                let route = self.routes.routes().iter().find(|route| route.template() == template)?;
                let declared: MethodSet = route.handlers().iter().map(|&(method, _)| method).collect();
                let declared = if route.websocket().is_some() { declared.with(Method::Get) } else { declared };
                Some(if declared.contains(Method::Get) { declared.with(Method::Head) } else { declared })
            }
            RouteMatch::UpgradeRequired { .. } | RouteMatch::NotFound | RouteMatch::BadEncoding => None,
        }
    }
}

impl Target {
    /// The handler's name.
    #[must_use]
    pub fn handler(&self) -> &Arc<str> {
        &self.handler
    }

    /// What one call may use, given what its function may.
    pub(crate) fn limits(&self, function: &Limits) -> Limits {
        Limits {
            request_bytes: function.request_bytes.max(self.body_bytes_min),
            response_bytes: function.response_bytes.max(self.body_bytes_min),
            ..*function
        }
    }
}

/// The target of a handler. A stack's routes lead to functions of the stack, so that there always is one.
fn found<'d>(
    targets: &'d HashMap<HandlerRef, Target>,
    handler: &HandlerRef,
    params: Vec<(&'d str, String)>,
    template: &'d PathTemplate,
    auth: Option<&'d Auth>,
) -> Routed<'d> {
    match targets.get(handler) {
        Some(target) => Routed::Found { target, params, template, auth: auth.unwrap_or(&target.auth) },
        None => Routed::NotFound,
    }
}

/// Counts calls, and tells when there is none left.
#[derive(Debug, Default)]
struct InFlight {
    count: AtomicUsize,
    left: Notify,
}

/// One call in flight, until dropped.
pub(crate) struct InFlightGuard(Arc<Deployment>);

impl InFlightGuard {
    pub(crate) fn deployment(&self) -> &Arc<Deployment> {
        &self.0
    }
}

impl InFlight {
    async fn none_left(&self) {
        loop {
            let left = self.left.notified();
            if self.count.load(Ordering::Acquire) == 0 {
                return;
            }
            left.await;
        }
    }
}

impl Drop for InFlightGuard {
    fn drop(&mut self) {
        let in_flight = &self.0.in_flight;
        if in_flight.count.fetch_sub(1, Ordering::AcqRel) == 1 {
            in_flight.left.notify_waiters();
        }
    }
}
