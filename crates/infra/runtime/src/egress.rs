//! Requests and connections that functions make to the outside.

mod client;
mod dial;
mod lookup;
mod node;
mod policy;

pub use client::{FetchError, HttpClient};
pub use dial::EgressDial;
pub use node::NODE_HOST;
pub(crate) use node::{is_node_host, is_to_node, send_to_node};
pub use policy::EgressPolicy;
