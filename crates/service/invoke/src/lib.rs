//! The one path of every invocation: admission, concurrency, host services, receipts.
//!
//! An [`Invoker`] holds the [`Deployments`] of a node: for each stack the versions that are served, of which a request
//! goes to one by weight, or the note that it is loaded when something asks for it. Whoever has a request for a handler, whatever caused it, finds
//! the [`Deployment`], gets a [`Target`] from it and calls [`Invoker::invoke`]. What the call used ends up in one
//! [`Receipt`] and in the deployment's [`Meter`], also when the caller did not wait for the end.

mod admission;
mod config;
mod cors;
mod deploy;
mod deployment;
mod deployments;
mod error;
mod gatekeeper;
mod invoker;
mod meter;
mod receipt;
mod secrets;
mod services;
mod shards;
mod stats;
mod tally;
mod wake;
mod websocket;

pub use config::{FailureDetail, InvokeConfig};
pub use cors::{CorsPolicy, HeaderRule, OriginRule};
pub use deploy::{DeployError, DeployParams};
pub use deployment::{DeployedFunction, DeployedGateway, Deployment, Routed, Target};
pub use deployments::{Deployments, Dormant, Found, KnownStack, Weighted};
pub use error::{InvokeError, Kind, code};
pub use gatekeeper::{Asks, DataKind, Gatekeeper, OpenGate, Pass, Refusal, WritePermit};
pub use invoker::{Invoker, Parts, Ports};
pub use meter::{Meter, Totals};
pub use receipt::{Cause, Receipt, ReceiptSink, Verdict};
pub use secrets::Secrets;
pub use stats::{StatsSnapshot, VersionStats};
pub use wake::{Asleep, NothingSleeps, Wake, WakeError};
pub use websocket::{
    Closing, MessageKind, OpenSocket, Outbound, SendError, Socket, SocketEvent, SocketMessage, SocketParams, Sockets,
    SocketsFull, SocketsMax,
};
