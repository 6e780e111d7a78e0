//! A stack: what runs.

use std::fmt;
use std::time::Duration;

use crate::auth::Auth;
use crate::container::ContainerSettings;
use crate::cors::Cors;
use crate::env::{Env, EnvError};
use crate::instructions::Instructions;
use crate::limits::{CONCURRENCY_DEFAULT, INSTRUCTIONS_DEFAULT, MEMORY_DEFAULT, TIMEOUT_DEFAULT};
use crate::name::{BinaryId, BoxName, FunctionName, GatewayName, StackName, TableName};
use crate::route::RouteTable;
use crate::secret_name::SecretName;
use crate::size::ByteSize;
use crate::websocket::WebSocketLimits;

/// A validated stack: names are unique within their kind, and every route leads to a function of the stack.
///
/// Made by [`Manifest::local_stack`](crate::Manifest::local_stack),
/// [`Manifest::deployed_stack`](crate::Manifest::deployed_stack), [`Stack::from_proto_bytes`] and [`Stack::parse_yaml`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stack {
    pub(crate) name: StackName,
    pub(crate) version: String,
    pub(crate) services: Vec<Service<Function>>,
}

/// One service of a stack or, with another `F`, of a manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Service<F> {
    /// Runs code.
    Function(F),
    /// Maps HTTP paths to handlers.
    Gateway(Gateway),
    /// A key/value table.
    Table(Table),
    /// A box of mu Storage.
    Box(StorageBox),
}

/// A function as it runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Function {
    /// Its name.
    pub name: FunctionName,
    /// Where its code is.
    pub artifact: Artifact,
    /// The contract it was built for.
    pub runtime: Runtime,
    /// Its environment variables.
    pub env: Env,
    /// The secrets that it is given beside them. Their values are no part of a stack.
    pub secrets: Vec<SecretName>,
    /// What callers of its routes must bring along, where a route does not say otherwise.
    pub auth: Auth,
    /// What one invocation may use.
    pub limits: FunctionLimits,
    /// How long an instance lives.
    pub instances: Instances,
    /// What is said of its containers; the usual settings with any other runtime.
    pub container: ContainerSettings,
}

/// Where a function's code is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Artifact {
    /// A file, relative to the manifest's directory.
    Module(String),
    /// Uploaded already, under this id.
    Binary(BinaryId),
}

/// The contract between a function and mu.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Runtime {
    /// `wasi1.0`: a WASI preview 1 command that speaks Borsh over stdin and stdout.
    #[default]
    Wasi1,
    /// `wasi-http`: a component that exports `wasi:http/incoming-handler` of WASI 0.2.
    WasiHttp,
    /// `wasi-http-0.3`: a component that exports `wasi:http/handler` of WASI 0.3.
    WasiHttp3,
    /// `container`: an image whose containers speak HTTP on a unix socket, as Project Fn's do.
    Container,
}

/// How long an instance of a function lives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Instances {
    /// `fresh`: for one invocation. Nothing of it is seen by another.
    #[default]
    Fresh,
    /// `reuse`: for many invocations, one at a time. What the function keeps in memory, the next invocation finds.
    Reuse,
}

/// What one invocation of a function may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FunctionLimits {
    /// Most memory: 64 KiB to 8 GiB.
    pub memory: ByteSize,
    /// Most wall-clock time: 1 ms to 300 s.
    pub timeout: Duration,
    /// Most instructions.
    pub instructions: Instructions,
    /// Most invocations at once: 1 to 1 000. More wait, in a queue of bounded length.
    pub concurrency: u32,
}

/// HTTP paths and methods mapped to handlers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gateway {
    /// Its name, the second part of the URL's path.
    pub name: GatewayName,
    /// Its routes.
    pub routes: RouteTable,
    /// What pages of other origins may do; nothing without it.
    pub cors: Option<Cors>,
    /// What its WebSocket connections may do.
    pub websocket: WebSocketLimits,
}

/// A key/value table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    /// Its name.
    pub name: TableName,
    /// Whether deploying the stack removes it with everything in it.
    pub delete: bool,
}

/// A box of mu Storage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StorageBox {
    /// Its name.
    pub name: BoxName,
    /// Whether deploying the stack removes it with everything in it.
    pub delete: bool,
    /// Whether everyone may read its objects over HTTP.
    pub public: bool,
}

/// A stack can't be written for others while a function's code is a file on this machine.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the code of function `{function}` is not uploaded yet")]
pub struct NotUploaded {
    /// The first such function.
    pub function: FunctionName,
}

impl Stack {
    /// A stack of one function, without routes: whoever calls it names it.
    #[must_use]
    pub fn of_function(name: StackName, function: Function) -> Self {
        Self { name, version: String::new(), services: vec![Service::Function(function)] }
    }

    /// The same stack with the code of every function taken from where `binary` says it was uploaded to.
    pub fn with_binaries(mut self, mut binary: impl FnMut(&Function) -> BinaryId) -> Self {
        for service in &mut self.services {
            if let Service::Function(function) = service {
                function.artifact = Artifact::Binary(binary(function));
            }
        }
        self
    }

    /// The same stack whose functions have these environment variables too, unless they set them themselves.
    ///
    /// # Errors
    /// When a function has too many, or they are too large together.
    pub fn with_environment(mut self, variables: &Env) -> Result<Self, EnvError> {
        for service in &mut self.services {
            if let Service::Function(function) = service {
                function.env = variables.overlaid(&function.env)?;
            }
        }
        Ok(self)
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &StackName {
        &self.name
    }

    /// Its version, any text of at most 64 bytes.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.version
    }

    /// Its services, as declared.
    #[must_use]
    pub fn services(&self) -> &[Service<Function>] {
        &self.services
    }

    /// Its functions, as declared.
    pub fn functions(&self) -> impl Iterator<Item = &Function> {
        self.services
            .iter()
            .filter_map(|service| if let Service::Function(function) = service { Some(function) } else { None })
    }

    /// Its gateways, as declared.
    pub fn gateways(&self) -> impl Iterator<Item = &Gateway> {
        self.services
            .iter()
            .filter_map(|service| if let Service::Gateway(gateway) = service { Some(gateway) } else { None })
    }

    /// Its tables, as declared, also those to be deleted.
    pub fn tables(&self) -> impl Iterator<Item = &Table> {
        self.services.iter().filter_map(|service| if let Service::Table(table) = service { Some(table) } else { None })
    }

    /// Its boxes, as declared, also those to be deleted.
    pub fn boxes(&self) -> impl Iterator<Item = &StorageBox> {
        self.services
            .iter()
            .filter_map(|service| if let Service::Box(storage) = service { Some(storage) } else { None })
    }

    /// The function of that name.
    #[must_use]
    pub fn function(&self, name: &str) -> Option<&Function> {
        self.functions().find(|function| function.name.as_str() == name)
    }

    /// The gateway of that name.
    #[must_use]
    pub fn gateway(&self, name: &str) -> Option<&Gateway> {
        self.gateways().find(|gateway| gateway.name.as_str() == name)
    }

    /// The table of that name.
    #[must_use]
    pub fn table(&self, name: &str) -> Option<&Table> {
        self.tables().find(|table| table.name.as_str() == name)
    }

    /// The box of that name.
    #[must_use]
    pub fn storage_box(&self, name: &str) -> Option<&StorageBox> {
        self.boxes().find(|storage| storage.name.as_str() == name)
    }
}

impl Runtime {
    /// All of them, as they are numbered in the protobuf form.
    pub const ALL: [Self; 4] = [Self::Wasi1, Self::WasiHttp, Self::WasiHttp3, Self::Container];

    /// As manifests write it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Wasi1 => "wasi1.0",
            Self::WasiHttp => "wasi-http",
            Self::WasiHttp3 => "wasi-http-0.3",
            Self::Container => "container",
        }
    }

    /// Whether its artifacts are components of WebAssembly.
    #[must_use]
    pub const fn is_component(self) -> bool {
        match self {
            Self::Wasi1 | Self::Container => false,
            Self::WasiHttp | Self::WasiHttp3 => true,
        }
    }
}

impl Instances {
    /// All of them, as they are numbered in the protobuf form.
    pub const ALL: [Self; 2] = [Self::Fresh, Self::Reuse];

    /// As manifests write it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Fresh => "fresh",
            Self::Reuse => "reuse",
        }
    }
}

impl fmt::Display for Runtime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl Default for FunctionLimits {
    fn default() -> Self {
        Self {
            memory: MEMORY_DEFAULT,
            timeout: TIMEOUT_DEFAULT,
            instructions: INSTRUCTIONS_DEFAULT,
            concurrency: CONCURRENCY_DEFAULT,
        }
    }
}
