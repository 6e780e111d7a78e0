//! The engine port and the wasm engine: isolation, metering, limits.
//!
//! A service sees three things: an [`Engine`] turns an [`Artifact`] into a [`Program`]; a [`Program`] runs one
//! [`Call`] and answers with an [`Outcome`]; while it runs, it asks the node for data through [`Services`].

mod artifact;
mod call;
mod container;
mod egress;
mod engine;
mod engines;
mod error;
mod lines;
mod message;
mod route_headers;
mod wasm;

pub use artifact::{Artifact, ArtifactSource, ContentHash};
pub use call::{Call, ExecutionUsage, Limits, Outcome, Ran, Rest, RestOutcome};
pub use container::{ContainerConfig, ContainerEngine, ContainerParts, INSTRUCTIONS_PER_CPU_MICROSECOND};
pub use egress::{EgressDial, EgressPolicy, FetchError, HttpClient, NODE_HOST};
pub use engine::{Engine, LoadParams, Owner, Program, Services};
pub use engines::Engines;
pub use error::{Failure, LoadError};
pub use message::{Body, BodyError, Form, Request, Response, collect_body, empty_body, full_body};
pub use wasm::{StartError, WasmConfig, WasmEngine, metered_settings};
