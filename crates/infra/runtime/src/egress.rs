//! HTTP requests that functions make to the outside.

mod client;
mod policy;

pub use client::HttpClient;
pub use policy::EgressPolicy;
