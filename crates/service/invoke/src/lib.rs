//! The one path of every invocation: admission, concurrency, host services, receipts.
//!
//! An [`Invoker`] holds the [`Deployments`] of a node. Whoever has a request for a handler, whatever caused it, finds
//! the [`Deployment`], gets a [`Target`] from it and calls [`Invoker::invoke`]. What the call used ends up in one
//! [`Receipt`] and in the deployment's [`Meter`], also when the caller did not wait for the end.

mod admission;
mod config;
mod cors;
mod deploy;
mod deployment;
mod deployments;
mod error;
mod invoker;
mod meter;
mod receipt;
mod services;
mod tally;
mod websocket;

pub use config::{FailureDetail, InvokeConfig};
pub use cors::{CorsPolicy, HeaderRule, OriginRule};
pub use deploy::{DeployError, DeployParams};
pub use deployment::{DeployedFunction, DeployedGateway, Deployment, Routed, Target};
pub use deployments::{Deployments, Found};
pub use error::{InvokeError, Kind, code};
pub use invoker::{Invoker, Parts};
pub use meter::{Meter, Totals};
pub use receipt::{Cause, Receipt, ReceiptSink, Verdict};
pub use websocket::{
    Closing, MessageKind, OpenSocket, Outbound, SendError, Socket, SocketEvent, SocketMessage, SocketParams, Sockets,
    SocketsFull, SocketsMax,
};
