//! What people write, turned into what runs: `mu.yaml` becomes a [`Manifest`], and a manifest becomes a [`Stack`].
//!
//! Everything here is a pure function of its input: no files, no clock, no network. Text becomes a type once, at this
//! edge, and the rest of mu never checks a name, a size or a route again.
//!
//! - [`Manifest::parse`] reads `mu.yaml` and reports *every* mistake with its line, column and a hint.
//! - [`Manifest::local_stack`] and [`Manifest::deployed_stack`] give the [`Stack`] of the two worlds; only the first
//!   one ever sees `env_dev`.
//! - [`Stack::to_proto_bytes`] and [`Stack::to_yaml`] are the two written forms of a deployed stack.
//! - [`RouteTable`] finds the handler of a request.
//! - [`schema`] is the JSON Schema of `mu.yaml`, made from the very list of keys that the reader checks against.
//! - [`func`] reads the files of Project Fn, `func.yaml` and `app.yaml`, which make a manifest as well.
//!
//! What else people write in YAML is read with the same [`yaml`] tree, whose nodes know their places.

mod auth;
mod container;
mod cors;
mod declarations;
mod duration;
mod env;
pub mod func;
mod image_artifact;
mod image_ref;
mod instructions;
mod keys;
mod language;
pub mod limits;
mod manifest;
mod method;
mod name;
mod problem;
mod proto;
mod read;
mod route;
mod schema;
mod secret_name;
mod size;
mod stack;
mod stack_id;
mod stack_yaml;
mod suggest;
mod websocket;
pub mod yaml;

pub use crate::auth::{Auth, JwtAuth};
pub use crate::container::{ContainerSettings, Network, TmpLimits};
pub use crate::cors::{AllowList, Cors};
pub use crate::duration::{HumanDuration, ParseDurationError};
pub use crate::env::{Env, EnvError};
pub use crate::image_artifact::{ContainerArtifact, InvalidArtifact};
pub use crate::image_ref::{ImageRef, InvalidImage};
pub use crate::instructions::{Instructions, ParseInstructionsError};
pub use crate::language::Language;
pub use crate::manifest::{Build, FunctionManifest, Manifest};
pub use crate::method::{Method, MethodSet, ParseMethodError};
pub use crate::name::{
    BinaryId, BoxName, FunctionName, GatewayName, HandlerName, HandlerRef, HandlerRefError, IssuerName, Name,
    NameError, NameKind, StackName, TableName, TriggerName, kind,
};
pub use crate::problem::{Position, Problem, Report};
pub use crate::route::{
    DuplicateAny, DuplicateMethod, DuplicateWebSocket, PathTemplate, Route, RouteConflict, RouteMatch, RouteTable,
    Segment, TemplateError, Verb,
};
pub use crate::schema::schema;
pub use crate::secret_name::{SecretName, SecretNameError};
pub use crate::size::{ByteSize, ParseSizeError};
pub use crate::stack::{
    Artifact, Function, FunctionLimits, Gateway, Instances, NotUploaded, Runtime, Service, Stack, StorageBox, Table,
};
pub use crate::stack_id::{ParseStackIdError, StackId};
pub use crate::suggest::closest;
pub use crate::websocket::WebSocketLimits;
