//! A stack to protobuf.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use prost::Message as _;

use super::messages::{
    AuthMessage, ClaimMessage, ContainerMessage, CorsMessage, EndpointMessage, EndpointsMessage, EnvVarMessage,
    FunctionMessage, GatewayMessage, JwtMessage, ServiceKind, ServiceMessage, StackMessage, StorageMessage,
    TableMessage, WebSocketMessage,
};
use crate::auth::{Auth, JwtAuth};
use crate::container::{ContainerSettings, Network};
use crate::cors::{AllowList, Cors};
use crate::route::Verb;
use crate::stack::{Artifact, Function, FunctionLimits, Gateway, Instances, NotUploaded, Runtime, Service, Stack};
use crate::websocket::WebSocketLimits;

impl Stack {
    /// The protobuf form. Services, paths and methods keep their order, environment variables are sorted by name.
    pub fn to_proto_bytes(&self) -> Result<Vec<u8>, NotUploaded> {
        let services = self.services.iter().map(service).collect::<Result<_, _>>()?;
        let message = StackMessage { name: self.name.to_string(), version: self.version.clone(), services };
        Ok(message.encode_to_vec())
    }

    /// The protobuf form as base64 text.
    pub fn to_proto_text(&self) -> Result<String, NotUploaded> {
        Ok(STANDARD.encode(self.to_proto_bytes()?))
    }
}

fn service(service: &Service<Function>) -> Result<ServiceMessage, NotUploaded> {
    let kind = match service {
        Service::Function(written) => ServiceKind::Function(function(written)?),
        Service::Gateway(written) => ServiceKind::Gateway(gateway(written)),
        Service::Table(table) => {
            ServiceKind::KeyValueTable(TableMessage { name: table.name.to_string(), delete: table.delete })
        }
        Service::Box(storage) => ServiceKind::Storage(StorageMessage {
            name: storage.name.to_string(),
            delete: storage.delete,
            public: storage.public,
        }),
    };
    Ok(ServiceMessage { service: Some(kind) })
}

fn function(function: &Function) -> Result<FunctionMessage, NotUploaded> {
    let Artifact::Binary(binary) = &function.artifact else {
        return Err(NotUploaded { function: function.name.clone() });
    };
    let (limits, usual) = (&function.limits, FunctionLimits::default());
    let env = function.env.iter().map(|(name, value)| EnvVarMessage { name: name.to_owned(), value: value.to_owned() });
    Ok(FunctionMessage {
        name: function.name.to_string(),
        binary: binary.to_string(),
        runtime: match function.runtime {
            Runtime::Wasi1 => 0,
            Runtime::WasiHttp => 1,
            Runtime::WasiHttp3 => 2,
            Runtime::Container => 3,
        },
        env: env.collect(),
        memory_limit: limits.memory.bytes(),
        timeout_ms: if limits.timeout == usual.timeout { 0 } else { millis(limits.timeout) },
        max_instructions: if limits.instructions == usual.instructions { 0 } else { limits.instructions.count() },
        max_concurrency: if limits.concurrency == usual.concurrency { 0 } else { limits.concurrency },
        instances: match function.instances {
            Instances::Fresh => 0,
            Instances::Reuse => 1,
        },
        auth: (!function.auth.is_none()).then(|| auth(&function.auth)),
        secrets: function.secrets.iter().map(ToString::to_string).collect(),
        container: (function.container != ContainerSettings::default()).then(|| container(&function.container)),
    })
}

fn container(settings: &ContainerSettings) -> ContainerMessage {
    let is_usual = settings.idle_timeout == ContainerSettings::default().idle_timeout;
    ContainerMessage {
        idle_timeout_ms: (!is_usual).then(|| millis(settings.idle_timeout)),
        min_instances: settings.min_instances,
        network: match settings.network {
            Network::None => 0,
            Network::Egress => 1,
        },
    }
}

fn gateway(gateway: &Gateway) -> GatewayMessage {
    let endpoints = gateway.routes.routes().iter().map(|route| EndpointsMessage {
        path: route.template().as_str().to_owned(),
        endpoints: route
            .handlers()
            .iter()
            .map(|(method, handler)| EndpointMessage {
                method: method.code().into(),
                route_to_assembly: handler.function.to_string(),
                route_to_function: handler.handler.to_string(),
                auth: route.auth(Verb::Method(*method)).map(auth),
            })
            .collect(),
        websocket: route.websocket().map(|handler| EndpointMessage {
            method: 0,
            route_to_assembly: handler.function.to_string(),
            route_to_function: handler.handler.to_string(),
            auth: route.auth(Verb::WebSocket).map(auth),
        }),
    });
    GatewayMessage {
        name: gateway.name.to_string(),
        endpoints: endpoints.collect(),
        cors: gateway.cors.as_ref().map(cross_origin),
        websocket: (gateway.websocket != WebSocketLimits::default()).then(|| websocket(&gateway.websocket)),
    }
}

fn auth(auth: &Auth) -> AuthMessage {
    match auth {
        Auth::None => AuthMessage { kind: 0, jwt: None },
        Auth::Token => AuthMessage { kind: 1, jwt: None },
        Auth::Jwt(JwtAuth { issuer, audience, claims }) => {
            let claims = claims.iter().map(|(name, value)| ClaimMessage { name: name.clone(), value: value.clone() });
            let (issuer, audience) = (issuer.to_string(), audience.clone());
            AuthMessage { kind: 2, jwt: Some(JwtMessage { issuer, audience, claims: claims.collect() }) }
        }
    }
}

fn websocket(limits: &WebSocketLimits) -> WebSocketMessage {
    let usual = WebSocketLimits::default();
    let unless = |is_usual: bool, value: u64| if is_usual { 0 } else { value };
    WebSocketMessage {
        max_message: unless(limits.message == usual.message, limits.message.bytes()),
        max_connections: if limits.connections == usual.connections { 0 } else { limits.connections },
        max_rate: if limits.rate == usual.rate { 0 } else { limits.rate },
        idle_timeout_ms: unless(limits.idle_timeout == usual.idle_timeout, millis(limits.idle_timeout)),
    }
}

fn cross_origin(cors: &Cors) -> CorsMessage {
    let allow = |list: &AllowList| match list {
        AllowList::Any => vec!["*".to_owned()],
        AllowList::Only(entries) => entries.clone(),
    };
    CorsMessage {
        allow_origins: allow(&cors.allow_origins),
        allow_methods: cors
            .allow_methods
            .iter()
            .flat_map(|set| set.iter())
            .map(|method| method.code().into())
            .collect(),
        allow_headers: allow(&cors.allow_headers),
        expose_headers: cors.expose_headers.clone(),
        allow_credentials: cors.allow_credentials,
        max_age_ms: cors.max_age.map(millis),
    }
}

/// The reader has bounded every duration to a day.
fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
