//! Protobuf to a stack, from bytes nobody vouches for: bounded, and validated as `mu.yaml` is.

use std::collections::BTreeMap;
use std::str::FromStr;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use prost::Message as _;

use super::messages::{
    AuthMessage, ContainerMessage, CorsMessage, EndpointMessage, EndpointsMessage, FunctionMessage, GatewayMessage,
    JwtMessage, ServiceKind, ServiceMessage, StackMessage, WebSocketMessage,
};
use crate::auth::{Auth, JwtAuth};
use crate::container::{ContainerSettings, Network};
use crate::cors::{AllowList, Cors};
use crate::declarations::Declarations;
use crate::env::Env;
use crate::instructions::Instructions;
use crate::limits::FILE_BYTES_MAX;
use crate::method::Method;
use crate::name::{HandlerRef, Name, NameKind};
use crate::problem::{Problems, Report};
use crate::read::auth::secret_mistake;
use crate::read::function::{instances_mistake, limit_mistakes};
use crate::read::routes::{RouteList, handler};
use crate::read::{cross_origin, shown, version_problem};
use crate::route::Verb;
use crate::size::ByteSize;
use crate::stack::{
    Artifact, Function, FunctionLimits, Gateway, Instances, Runtime, Service, Stack, StorageBox, Table,
};
use crate::websocket::WebSocketLimits;

/// What reports call the input.
const INPUT: &str = "stack";

impl Stack {
    /// Reads the protobuf form. Unknown fields are skipped; an unknown kind of service, runtime or method is a mistake,
    /// because leaving it out would change what the stack does.
    ///
    /// # Errors
    ///
    /// Every mistake that could be found; they have no positions.
    pub fn from_proto_bytes(bytes: &[u8]) -> Result<Self, Report> {
        let mut problems = Problems::default();
        let stack = read(bytes, &mut problems);
        problems.result(INPUT, stack)
    }

    /// Reads the protobuf form from base64 text.
    pub fn from_proto_text(text: &str) -> Result<Self, Report> {
        match STANDARD.decode(text.trim()) {
            Ok(bytes) => Self::from_proto_bytes(&bytes),
            Err(error) => {
                let mut problems = Problems::default();
                problems.add(None, format!("this is not base64: {error}"));
                problems.result(INPUT, None)
            }
        }
    }
}

fn read(bytes: &[u8], problems: &mut Problems) -> Option<Stack> {
    if bytes.len() > FILE_BYTES_MAX {
        problems.add(None, format!("the stack has {} bytes, more than the most, {FILE_BYTES_MAX}", bytes.len()));
        return None;
    }
    let message = match StackMessage::decode(bytes) {
        Ok(message) => message,
        Err(error) => {
            problems.add(None, format!("this is not the protobuf form of a stack: {error}"));
            return None;
        }
    };
    let name = parsed(&message.name, problems);
    if let Some(mistake) = version_problem(&message.version) {
        problems.add(None, mistake);
    }
    let mut declared = Declarations::default();
    let mut services = Vec::new();
    for (index, message) in message.services.into_iter().enumerate() {
        if !declared.service(None, problems) {
            break;
        }
        services.extend(service(index, message, &mut declared, problems));
    }
    declared.check(problems);
    Some(Stack { name: name?, version: message.version, services })
}

fn service(
    index: usize,
    message: ServiceMessage,
    declared: &mut Declarations,
    problems: &mut Problems,
) -> Option<Service<Function>> {
    problems.enter(Some(format!("service {}", index + 1)));
    match message.service {
        Some(ServiceKind::Function(message)) => function(message, declared, problems).map(Service::Function),
        Some(ServiceKind::Gateway(message)) => gateway(message, declared, problems).map(Service::Gateway),
        Some(ServiceKind::KeyValueTable(message)) => {
            let name = named(&message.name, problems)?;
            declared.table(&name, None, problems);
            Some(Service::Table(Table { name, delete: message.delete }))
        }
        Some(ServiceKind::Storage(message)) => {
            let name = named(&message.name, problems)?;
            declared.storage(&name, None, problems);
            if message.public {
                declared.public_box(&name);
            }
            Some(Service::Box(StorageBox { name, delete: message.delete, public: message.public }))
        }
        None => {
            problems.add(None, "the service is empty, or of a kind that this version doesn't know");
            None
        }
    }
}

fn function(message: FunctionMessage, declared: &mut Declarations, problems: &mut Problems) -> Option<Function> {
    let name = named(&message.name, problems);
    if let Some(name) = &name {
        declared.function(name, None, problems);
    }
    let binary = parsed(&message.binary, problems);
    let runtime = numbered(&Runtime::ALL, message.runtime, "runtime", problems);
    let instances = numbered(&Instances::ALL, message.instances, "kind of instances", problems);
    if let Some(mistake) = instances_mistake(instances, runtime) {
        problems.add(None, mistake);
    }
    let mut env = Env::new();
    for variable in message.env {
        if env.value(&variable.name).is_some() {
            problems.add(None, format!("the variable `{}` is set twice", shown(&variable.name)));
        } else if let Err(error) = env.set(variable.name, variable.value) {
            problems.add(None, error.to_string());
        }
    }
    let mut limits = FunctionLimits::default();
    if message.memory_limit != 0 {
        limits.memory = ByteSize::from_bytes(message.memory_limit);
    }
    if message.timeout_ms != 0 {
        limits.timeout = Duration::from_millis(message.timeout_ms);
    }
    if message.max_instructions != 0 {
        limits.instructions = Instructions::new(message.max_instructions);
    }
    if message.max_concurrency != 0 {
        limits.concurrency = message.max_concurrency;
    }
    for (_, mistake) in limit_mistakes(&limits) {
        problems.add(None, mistake);
    }
    let mut secrets = Vec::new();
    for secret in &message.secrets {
        let Some(secret) = parsed(secret, problems) else { continue };
        match secret_mistake(&secrets, &secret, &env) {
            Some(mistake) => problems.add(None, mistake),
            None => secrets.push(secret),
        }
    }
    let auth = message.auth.map(|message| auth(message, problems)).unwrap_or_default();
    let container = message.container.map(|message| container(message, problems)).unwrap_or_default();
    for (_, mistake) in container.mistakes(runtime, &limits, instances) {
        problems.add(None, mistake);
    }
    let artifact = Artifact::Binary(binary?);
    Some(Function { name: name?, artifact, runtime, env, secrets, auth, limits, instances, container })
}

fn container(message: ContainerMessage, problems: &mut Problems) -> ContainerSettings {
    let usual = ContainerSettings::default();
    ContainerSettings {
        idle_timeout: message.idle_timeout_ms.map_or(usual.idle_timeout, Duration::from_millis),
        min_instances: message.min_instances,
        network: numbered(&Network::ALL, message.network, "network", problems),
    }
}

/// The value of that number, or the first one with a problem noted.
fn numbered<T: Copy + Default>(all: &[T], number: i32, what: &str, problems: &mut Problems) -> T {
    let known = usize::try_from(number).ok().and_then(|number| all.get(number)).copied();
    known.unwrap_or_else(|| {
        problems.add(None, format!("unknown {what}, number {number}"));
        T::default()
    })
}

fn gateway(message: GatewayMessage, declared: &mut Declarations, problems: &mut Problems) -> Option<Gateway> {
    let name = named(&message.name, problems);
    if let Some(name) = &name {
        declared.gateway(name, None, problems);
    }
    let mut list = RouteList::default();
    for EndpointsMessage { path, endpoints, websocket } in message.endpoints {
        let mut route = list.path(&path, None, problems);
        if endpoints.is_empty() && websocket.is_none() {
            problems.add(None, format!("the path `{}` has no handlers", shown(&path)));
        }
        for endpoint in endpoints {
            let verb = method(endpoint.method, problems).map(Verb::Method);
            let target = verb.zip(reference(&endpoint, problems));
            let auth = endpoint.auth.map(|message| auth(message, problems));
            handler(&mut route, target, auth, None, declared, problems);
        }
        if let Some(endpoint) = websocket {
            let target = reference(&endpoint, problems).map(|reference| (Verb::WebSocket, reference));
            let auth = endpoint.auth.map(|message| auth(message, problems));
            handler(&mut route, target, auth, None, declared, problems);
        }
        if let Some(route) = route {
            list.add(route, None);
        }
    }
    let routes = list.table(problems);
    let cors = message.cors.map(|message| cors(message, problems));
    let websocket = message.websocket.map(|message| websocket(message, problems)).unwrap_or_default();
    Some(Gateway { name: name?, routes, cors, websocket })
}

fn reference(endpoint: &EndpointMessage, problems: &mut Problems) -> Option<HandlerRef> {
    let function = parsed(&endpoint.route_to_assembly, problems);
    let handler = parsed(&endpoint.route_to_function, problems);
    Some(HandlerRef { function: function?, handler: handler? })
}

/// An unknown kind is a mistake, because leaving it out would let in whom it should not.
fn auth(message: AuthMessage, problems: &mut Problems) -> Auth {
    let auth = match (message.kind, message.jwt) {
        (0, None) => Some(Auth::None),
        (1, None) => Some(Auth::Token),
        (2, Some(JwtMessage { issuer, audience, claims })) => parsed(&issuer, problems).map(|issuer| {
            let count = claims.len();
            let claims: BTreeMap<_, _> = claims.into_iter().map(|claim| (claim.name, claim.value)).collect();
            if claims.len() < count {
                problems.add(None, "a claim stands there twice");
            }
            Auth::Jwt(JwtAuth { issuer, audience, claims })
        }),
        (kind, _) => {
            problems.add(None, format!("unknown kind of `auth`, number {kind}"));
            None
        }
    };
    let auth = auth.unwrap_or_default();
    for mistake in auth.mistakes() {
        problems.add(None, mistake);
    }
    auth
}

fn websocket(message: WebSocketMessage, problems: &mut Problems) -> WebSocketLimits {
    let mut limits = WebSocketLimits::default();
    if message.max_message != 0 {
        limits.message = ByteSize::from_bytes(message.max_message);
    }
    if message.max_connections != 0 {
        limits.connections = message.max_connections;
    }
    if message.max_rate != 0 {
        limits.rate = message.max_rate;
    }
    if message.idle_timeout_ms != 0 {
        limits.idle_timeout = Duration::from_millis(message.idle_timeout_ms);
    }
    for (_, mistake) in limits.mistakes() {
        problems.add(None, mistake);
    }
    limits
}

fn cors(message: CorsMessage, problems: &mut Problems) -> Cors {
    let allow = |entries: Vec<String>| if entries == ["*"] { AllowList::Any } else { AllowList::Only(entries) };
    let methods: Vec<Method> = message.allow_methods.iter().filter_map(|&code| method(code, problems)).collect();
    let cors = Cors {
        allow_origins: allow(message.allow_origins),
        allow_methods: (!methods.is_empty()).then(|| methods.into_iter().collect()),
        allow_headers: allow(message.allow_headers),
        expose_headers: message.expose_headers,
        allow_credentials: message.allow_credentials,
        max_age: message.max_age_ms.map(Duration::from_millis),
    };
    for mistake in cross_origin::mistakes(&cors) {
        problems.hint(None, mistake.message, mistake.hint.map(str::to_owned));
    }
    cors
}

fn method(code: i32, problems: &mut Problems) -> Option<Method> {
    let method = u8::try_from(code).ok().and_then(Method::from_code);
    if method.is_none() {
        problems.add(None, format!("unknown method, number {code}"));
    }
    method
}

/// The name of a service, which the problems that follow are then put under.
fn named<K: NameKind>(text: &str, problems: &mut Problems) -> Option<Name<K>> {
    let name = parsed::<Name<K>>(text, problems)?;
    problems.enter(Some(format!("{} `{name}`", K::WHAT)));
    Some(name)
}

fn parsed<T: FromStr<Err: std::fmt::Display>>(text: &str, problems: &mut Problems) -> Option<T> {
    text.parse().map_err(|error| problems.add(None, format!("{error}"))).ok()
}
