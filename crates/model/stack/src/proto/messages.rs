//! The messages of the protobuf form, package `mu_stack`.
//!
//! Numbers below 100 are those of the first version of mu. Numbers from 100 on came later: old readers skip them, and
//! they are absent while they have their default value, so that a stack without anything new has the same bytes.

use prost::{Enumeration, Message, Oneof};

#[derive(Clone, PartialEq, Message)]
pub(super) struct StackMessage {
    #[prost(string, tag = "1")]
    pub(super) name: String,
    #[prost(string, tag = "2")]
    pub(super) version: String,
    #[prost(message, repeated, tag = "3")]
    pub(super) services: Vec<ServiceMessage>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct ServiceMessage {
    #[prost(oneof = "ServiceKind", tags = "1, 2, 3, 4")]
    pub(super) service: Option<ServiceKind>,
}

#[derive(Clone, PartialEq, Oneof)]
pub(super) enum ServiceKind {
    #[prost(message, tag = "1")]
    Gateway(GatewayMessage),
    #[prost(message, tag = "2")]
    Function(FunctionMessage),
    #[prost(message, tag = "3")]
    KeyValueTable(TableMessage),
    #[prost(message, tag = "4")]
    Storage(StorageMessage),
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct TableMessage {
    #[prost(string, tag = "1")]
    pub(super) name: String,
    #[prost(bool, tag = "2")]
    pub(super) delete: bool,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct StorageMessage {
    #[prost(string, tag = "1")]
    pub(super) name: String,
    #[prost(bool, tag = "2")]
    pub(super) delete: bool,
    #[prost(bool, tag = "100")]
    pub(super) public: bool,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct GatewayMessage {
    #[prost(string, tag = "1")]
    pub(super) name: String,
    #[prost(message, repeated, tag = "2")]
    pub(super) endpoints: Vec<EndpointsMessage>,
    #[prost(message, optional, tag = "100")]
    pub(super) cors: Option<CorsMessage>,
    /// Absent when all limits are the usual ones.
    #[prost(message, optional, tag = "101")]
    pub(super) websocket: Option<WebSocketMessage>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct EndpointsMessage {
    #[prost(string, tag = "1")]
    pub(super) path: String,
    #[prost(message, repeated, tag = "2")]
    pub(super) endpoints: Vec<EndpointMessage>,
    /// Where the events of WebSocket connections go; its method is left out.
    #[prost(message, optional, tag = "100")]
    pub(super) websocket: Option<EndpointMessage>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct EndpointMessage {
    #[prost(enumeration = "MethodCode", tag = "1")]
    pub(super) method: i32,
    #[prost(string, tag = "2")]
    pub(super) route_to_assembly: String,
    #[prost(string, tag = "3")]
    pub(super) route_to_function: String,
    /// Absent where the function says it.
    #[prost(message, optional, tag = "100")]
    pub(super) auth: Option<AuthMessage>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct FunctionMessage {
    #[prost(string, tag = "1")]
    pub(super) name: String,
    #[prost(string, tag = "2")]
    pub(super) binary: String,
    /// The place in [`Runtime::ALL`](crate::Runtime::ALL): 0 is `wasi1.0`.
    #[prost(int32, tag = "3")]
    pub(super) runtime: i32,
    #[prost(message, repeated, tag = "4")]
    pub(super) env: Vec<EnvVarMessage>,
    /// In bytes.
    #[prost(uint64, tag = "5")]
    pub(super) memory_limit: u64,
    /// In milliseconds; 0 is the default.
    #[prost(uint64, tag = "100")]
    pub(super) timeout_ms: u64,
    /// 0 is the default.
    #[prost(uint64, tag = "101")]
    pub(super) max_instructions: u64,
    /// 0 is the default.
    #[prost(uint32, tag = "102")]
    pub(super) max_concurrency: u32,
    /// The place in [`Instances::ALL`](crate::Instances::ALL): 0 is `fresh`.
    #[prost(int32, tag = "103")]
    pub(super) instances: i32,
    /// Absent where everyone may call.
    #[prost(message, optional, tag = "104")]
    pub(super) auth: Option<AuthMessage>,
    /// Names of secrets.
    #[prost(string, repeated, tag = "105")]
    pub(super) secrets: Vec<String>,
    /// Absent when everything in it is usual.
    #[prost(message, optional, tag = "106")]
    pub(super) container: Option<ContainerMessage>,
}

#[derive(Clone, Copy, PartialEq, Message)]
pub(super) struct ContainerMessage {
    /// Absent is the default; 0 is no time at all.
    #[prost(uint64, optional, tag = "1")]
    pub(super) idle_timeout_ms: Option<u64>,
    #[prost(uint32, tag = "2")]
    pub(super) min_instances: u32,
    /// The place in [`Network::ALL`](crate::Network::ALL): 0 is `none`.
    #[prost(int32, tag = "3")]
    pub(super) network: i32,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct AuthMessage {
    /// 0: nothing, 1: a token of the node, 2: a JSON Web Token.
    #[prost(int32, tag = "1")]
    pub(super) kind: i32,
    /// With 2 only.
    #[prost(message, optional, tag = "2")]
    pub(super) jwt: Option<JwtMessage>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct JwtMessage {
    #[prost(string, tag = "1")]
    pub(super) issuer: String,
    #[prost(string, optional, tag = "2")]
    pub(super) audience: Option<String>,
    /// Sorted by name.
    #[prost(message, repeated, tag = "3")]
    pub(super) claims: Vec<ClaimMessage>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct ClaimMessage {
    #[prost(string, tag = "1")]
    pub(super) name: String,
    #[prost(string, tag = "2")]
    pub(super) value: String,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct EnvVarMessage {
    #[prost(string, tag = "1")]
    pub(super) name: String,
    #[prost(string, tag = "2")]
    pub(super) value: String,
}

/// In the lists of origins and headers, `*` alone stands for any.
#[derive(Clone, PartialEq, Message)]
pub(super) struct CorsMessage {
    #[prost(string, repeated, tag = "1")]
    pub(super) allow_origins: Vec<String>,
    /// Empty means the methods that the requested path has.
    #[prost(enumeration = "MethodCode", repeated, tag = "2")]
    pub(super) allow_methods: Vec<i32>,
    #[prost(string, repeated, tag = "3")]
    pub(super) allow_headers: Vec<String>,
    #[prost(string, repeated, tag = "4")]
    pub(super) expose_headers: Vec<String>,
    #[prost(bool, tag = "5")]
    pub(super) allow_credentials: bool,
    #[prost(uint64, optional, tag = "6")]
    pub(super) max_age_ms: Option<u64>,
}

/// In all of them, 0 is the default.
#[derive(Clone, Copy, PartialEq, Message)]
pub(super) struct WebSocketMessage {
    /// In bytes.
    #[prost(uint64, tag = "1")]
    pub(super) max_message: u64,
    #[prost(uint32, tag = "2")]
    pub(super) max_connections: u32,
    /// Messages per second.
    #[prost(uint32, tag = "3")]
    pub(super) max_rate: u32,
    #[prost(uint64, tag = "4")]
    pub(super) idle_timeout_ms: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Enumeration)]
#[repr(i32)]
pub(super) enum MethodCode {
    Get = 0,
    Head = 1,
    Post = 2,
    Put = 3,
    Patch = 4,
    Delete = 5,
    Options = 6,
}
