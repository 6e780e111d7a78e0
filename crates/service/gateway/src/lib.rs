//! HTTP in: routing, limits, CORS, public boxes, WebSockets, graceful drain.
//!
//! A [`Gateway`] is one listener that speaks HTTP/1.1 and HTTP/2. It answers `/{stack}/{gateway}/{path}` by invoking
//! the handler that the stack's route names, and `/{stack}/{box}/{key}` with the objects of public boxes. What a client
//! sends is limited in size and in time, counted, and never more than an error of that client.

mod address;
mod client_io;
mod config;
mod connection;
mod cors;
mod error;
mod function;
mod headers;
mod object;
mod query;
mod request_body;
mod request_id;
mod response;
mod selection;
mod server;
mod service;
mod unread;
mod watch;
mod websocket;

pub use config::GatewayConfig;
pub use server::{BindError, Gateway};
