//! What an operator can set about `mu serve`, read from layers: defaults, then `mu-node.yaml`, then variables
//! (`MU_SECTION__KEY`), then flags, where a later one wins.
//!
//! One table has every key. Reading, the JSON Schema, the names of variables, what `mu config show` prints and the page
//! in the documentation are made from it. [`Configuration::load`] finds every mistake of all layers before it gives up.

mod build;
mod checks;
mod containers;
mod file;
mod kind;
mod layers;
mod mistakes;
mod origin;
mod read;
mod reference;
mod schema;
mod secret;
mod show;
mod sources;
mod table;
#[cfg(test)]
mod tests;
mod value;
mod values;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use mu_gateway::{CertificateFiles, GatewayConfig};
use mu_invoke::InvokeConfig;
use mu_runtime::{EgressPolicy, WasmConfig};
use mu_telemetry::NodeLog;
use url::Url;

pub use containers::{ContainersSettings, RunnerChoice};
pub use mistakes::{Mistake, Mistakes};
pub use origin::Origin;
pub use reference::configuration_reference;
pub use schema::configuration_schema;
pub use secret::Secret;
pub use sources::{CONFIG_FILE, ConfigFile, Override, Sources};
pub use value::{OperatorKey, ParseOperatorKeyError};
use values::Values;

/// The configuration of a node, checked.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Tables, boxes and keys.
    pub data_dir: PathBuf,
    /// What can be made again, like compiled modules.
    pub cache_dir: PathBuf,
    /// The listeners for clients of functions.
    pub gateway: GatewaySettings,
    /// The listener of the management API.
    pub api: ApiSettings,
    /// The listener of metrics and health.
    pub metrics: MetricsSettings,
    /// What the node says about itself.
    pub log: NodeLog,
    /// Who may manage the node.
    pub access: AccessSettings,
    /// Limits of invocations.
    pub functions: InvokeConfig,
    /// The engine; its cache lies in `cache_dir`.
    pub wasm: WasmConfig,
    /// Functions that are images of containers.
    pub containers: ContainersSettings,
    /// Where functions may send HTTP requests, and where hosts may be that are claimed.
    pub egress: EgressPolicy,
    /// The DNS server that is asked for the proofs of claimed hosts; those of the system when there is none.
    pub resolver: Option<SocketAddr>,
    /// Logs of functions, as they are kept.
    pub logs: LogsSettings,
    /// What each client may use, over all of its stacks.
    pub client_quota: QuotaSettings,
    /// What each stack may use.
    pub stack_quota: QuotaSettings,
    /// How long requests under way may take to finish once the node stops. Also in `gateway.limits`.
    pub drain_timeout: Duration,
}

/// The listeners for clients of functions.
#[derive(Clone, Debug)]
pub struct GatewaySettings {
    /// Where plain HTTP is served.
    pub address: SocketAddr,
    /// Under which URL clients reach functions, if that is not its address.
    pub public_url: Option<Url>,
    /// Limits of each listener.
    pub limits: GatewayConfig,
    /// Where HTTPS is served, if it is.
    pub tls: Option<GatewayTlsSettings>,
}

/// A listener for HTTPS whose certificate depends on the host that a client asks for.
#[derive(Clone, Debug)]
pub struct GatewayTlsSettings {
    /// Where it listens.
    pub address: SocketAddr,
    /// The certificates, one at least. All could be used when the configuration was read, and no key was everyone's.
    pub certificates: Vec<CertificateFiles>,
}

/// The listener of the management API.
#[derive(Clone, Debug)]
pub struct ApiSettings {
    /// Where it listens.
    pub address: SocketAddr,
    /// Under which URL clients reach it, if that is not its address.
    pub public_url: Option<Url>,
    /// Its certificate, if it speaks TLS.
    pub tls: Option<CertificateFiles>,
    /// The largest body of a request other than an upload, in bytes.
    pub request_bytes_max: u64,
    /// The largest artifact that can be uploaded, in bytes.
    pub upload_bytes_max: u64,
}

/// The listener of metrics and health.
#[derive(Clone, Debug)]
pub struct MetricsSettings {
    /// Where it listens.
    pub address: SocketAddr,
    /// What readers of metrics must present, if anything.
    pub token: Option<Secret>,
    /// The most functions with metrics of their own.
    pub functions_max: usize,
}

/// Who may manage the node.
#[derive(Clone, Debug)]
pub struct AccessSettings {
    /// Clients that may do everything, besides those that the database names.
    pub operators: Vec<OperatorKey>,
    /// What a request without credentials may do.
    pub anonymous: AnonymousAccess,
    /// Issuers whose tokens are accepted. Their names differ.
    pub oidc: Vec<OidcSettings>,
}

/// What a request without credentials may do. Anything but nothing is for a management API on loopback alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AnonymousAccess {
    /// Nothing.
    None,
    /// Read everything but secrets.
    Viewer,
    /// Everything.
    Operator,
}

/// An issuer of OpenID Connect tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OidcSettings {
    /// What grants call it: `oidc:NAME:SUBJECT`.
    pub name: String,
    /// The issuer, to the letter as in its tokens: a URL with `https`, or `http` on this machine.
    pub issuer: String,
    /// What its tokens must name as their audience.
    pub audience: String,
    /// The signatures that are accepted; one at least.
    pub algorithms: Vec<OidcAlgorithm>,
}

/// A signature of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OidcAlgorithm {
    /// RSA with SHA-256.
    Rs256,
    /// ECDSA on P-256 with SHA-256.
    Es256,
    /// Ed25519.
    EdDsa,
}

/// Logs of functions, as they are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogsSettings {
    /// How long a line is kept.
    pub retention: Duration,
    /// The most that is kept of one stack, in bytes.
    pub bytes_per_stack: u64,
}

/// What someone may use; `None` is without a limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct QuotaSettings {
    /// Requests of a client to the management API per second.
    pub requests_per_second: Option<u32>,
    /// Invocations per second.
    pub invocations_per_second: Option<u32>,
    /// Invocations at the same time.
    pub concurrent_invocations: Option<u32>,
    /// Instructions within a day.
    pub instructions_per_day: Option<u64>,
    /// Bytes in tables.
    pub table_bytes: Option<u64>,
    /// Bytes in boxes.
    pub box_bytes: Option<u64>,
}

/// The settings, and where each of them comes from.
#[derive(Clone, Debug)]
pub struct Configuration {
    settings: Settings,
    values: Values,
}

impl Configuration {
    /// Reads all layers, and looks at the files that they name.
    ///
    /// # Errors
    /// Every mistake that could be found.
    pub fn load(sources: &Sources) -> Result<Self, Mistakes> {
        let mut found = mistakes::Collected::default();
        let values = layers::read(sources, &mut found);
        let settings = build::settings(&values);
        checks::check(&settings, &values, &mut found);
        found.result(Self { settings, values })
    }

    /// The settings.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The settings alone.
    #[must_use]
    pub fn into_settings(self) -> Settings {
        self.settings
    }

    /// Every key with its value and where that comes from, as a table for people. Secrets are not shown.
    #[must_use]
    pub fn to_table(&self) -> String {
        show::table(&self.values)
    }

    /// The same for programs: `{"gateway.address": {"value": "127.0.0.1:12080", "from": "default"}, ...}`.
    #[must_use]
    pub fn to_json(&self) -> serde_json::Value {
        show::json(&self.values)
    }
}
