//! HTTP in: routing, limits, CORS, public boxes, WebSockets, graceful drain.
//!
//! A [`Gateway`] is a listener that speaks HTTP/1.1 and HTTP/2, and perhaps a second one that does so over TLS. It
//! answers `/{stack}/{gateway}/{path}` by invoking the handler that the stack's route names, and `/{stack}/{box}/{key}`
//! with the objects of public boxes. On hosts of their own, which [`Hosts`] lists, gateways answer everything. What a
//! client sends is limited in size and in time, counted, and never more than an error of that client.

mod address;
mod auth;
mod client_io;
mod client_stream;
mod config;
mod connection;
mod cors;
mod error;
mod function;
mod headers;
mod hosts;
mod locate;
mod object;
mod ports;
mod query;
mod request_body;
mod request_id;
mod response;
mod selection;
mod server;
mod service;
mod tls;
mod unread;
mod watch;
mod websocket;

pub use auth::{AuthRefusal, Authenticator, Identity, NobodyEnters};
pub use config::GatewayConfig;
pub use headers::{NotText, clean_request_headers};
pub use hosts::{Host, HostRoute, HostTable, Hosts, MalformedHost};
pub use ports::GatewayPorts;
pub use server::{BindError, Gateway};
pub use tls::{CertificateError, CertificateFiles, CertificateStore, Handshakes};
