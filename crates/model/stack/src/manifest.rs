//! `mu.yaml`: what a person writes to describe a stack and how it is built.

use crate::auth::Auth;
use crate::container::ContainerSettings;
use crate::env::{Env, EnvError};
use crate::image_ref::ImageRef;
use crate::keys;
use crate::language::Language;
use crate::name::{FunctionName, StackName};
use crate::problem::{Position, Problems, Report};
use crate::read::services::FunctionForm;
use crate::read::{Fields, function, services};
use crate::secret_name::SecretName;
use crate::stack::{Artifact, Function, FunctionLimits, Gateway, Instances, Runtime, Service, Stack};
use crate::stack_id::StackId;
use crate::yaml;

/// A validated `mu.yaml`.
///
/// # Example
///
/// ```
/// let manifest = mu_stack::Manifest::parse("mu.yaml", b"
/// name: hello
/// version: 0.1
/// services:
///   - {type: Function, name: hello, lang: rust}
///   - type: Gateway
///     name: api
///     endpoints:
///       /greet/{name}: {get: hello.greet}
/// ")?;
/// assert_eq!(manifest.deployed_stack().function("hello").unwrap().limits.timeout.as_secs(), 30);
/// # Ok::<(), mu_stack::Report>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifest {
    name: StackName,
    version: String,
    dev_id: Option<StackId>,
    services: Vec<Service<FunctionManifest>>,
}

/// A function as the manifest describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FunctionManifest {
    name: FunctionName,
    position: Position,
    build: Build,
    source: String,
    module: String,
    runtime: Runtime,
    env: Env,
    /// Read by [`Manifest::local_stack`] alone. There is no accessor, and [`Function`] has no such field.
    env_dev: Env,
    secrets: Vec<SecretName>,
    auth: Auth,
    limits: FunctionLimits,
    instances: Instances,
    container: ContainerSettings,
}

/// How a function's module comes to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Build {
    /// With the tools of this language.
    Language(Language),
    /// An image, from the func file or Dockerfile in the source directory.
    Container,
    /// An image that is in a registry already. The module only names it.
    Image(ImageRef),
    /// This command, run by the shell in the source directory.
    Command(String),
    /// It is there already.
    None,
}

impl Manifest {
    /// Reads a manifest. `file` is only what the report calls it.
    ///
    /// # Errors
    ///
    /// Every mistake that could be found, not only the first one.
    pub fn parse(file: &str, bytes: &[u8]) -> Result<Self, Report> {
        let mut problems = Problems::default();
        let manifest = read(bytes, &mut problems);
        problems.result(file, manifest)
    }

    /// A manifest that is not written as one. Nothing about the services is checked here.
    pub(crate) fn of_services(name: StackName, version: String, services: Vec<Service<FunctionManifest>>) -> Self {
        Self { name, version, dev_id: None, services }
    }

    /// The stack as this machine runs it: each function's `env`, then `env_dev` over it, then `overrides` over both.
    ///
    /// # Errors
    ///
    /// When the overrides make an environment too large.
    pub fn local_stack(&self, overrides: &Env) -> Result<Stack, EnvError> {
        self.stack(|function| function.env.overlaid(&function.env_dev)?.overlaid(overrides))
    }

    /// The stack as others run it: `env` alone.
    #[must_use]
    pub fn deployed_stack(&self) -> Stack {
        match self.stack(|function| Ok::<_, std::convert::Infallible>(function.env.clone())) {
            Ok(stack) => stack,
        }
    }

    /// Name of the stack.
    #[must_use]
    pub fn name(&self) -> &StackName {
        &self.name
    }

    /// Version of the stack, any text of at most 64 bytes.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.version
    }

    /// Id of the stack on this machine, when the manifest names one.
    #[must_use]
    pub fn dev_id(&self) -> Option<StackId> {
        self.dev_id
    }

    /// The services, as declared.
    #[must_use]
    pub fn services(&self) -> &[Service<FunctionManifest>] {
        &self.services
    }

    /// The functions, as declared.
    pub fn functions(&self) -> impl Iterator<Item = &FunctionManifest> {
        self.services
            .iter()
            .filter_map(|service| if let Service::Function(function) = service { Some(function) } else { None })
    }

    /// The gateways, as declared.
    pub fn gateways(&self) -> impl Iterator<Item = &Gateway> {
        self.services
            .iter()
            .filter_map(|service| if let Service::Gateway(gateway) = service { Some(gateway) } else { None })
    }

    fn stack<E>(&self, env: impl Fn(&FunctionManifest) -> Result<Env, E>) -> Result<Stack, E> {
        let services = self.services.iter().map(|service| {
            Ok(match service {
                Service::Function(function) => Service::Function(Function {
                    name: function.name.clone(),
                    artifact: Artifact::Module(function.module.clone()),
                    runtime: function.runtime,
                    env: env(function)?,
                    secrets: function.secrets.clone(),
                    auth: function.auth.clone(),
                    limits: function.limits,
                    instances: function.instances,
                    container: function.container,
                }),
                Service::Gateway(gateway) => Service::Gateway(gateway.clone()),
                Service::Table(table) => Service::Table(table.clone()),
                Service::Box(storage) => Service::Box(storage.clone()),
            })
        });
        Ok(Stack {
            name: self.name.clone(),
            version: self.version.clone(),
            services: services.collect::<Result<_, E>>()?,
        })
    }
}

impl FunctionManifest {
    #[expect(clippy::too_many_arguments, reason = "one for each key; called by the reader alone")]
    pub(crate) fn new(
        name: FunctionName,
        position: Position,
        build: Build,
        source: String,
        module: String,
        runtime: Runtime,
        env: Env,
        env_dev: Env,
        secrets: Vec<SecretName>,
        auth: Auth,
        limits: FunctionLimits,
        instances: Instances,
        container: ContainerSettings,
    ) -> Self {
        Self {
            name,
            position,
            build,
            source,
            module,
            runtime,
            env,
            env_dev,
            secrets,
            auth,
            limits,
            instances,
            container,
        }
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &FunctionName {
        &self.name
    }

    /// Where the manifest describes it.
    #[must_use]
    pub fn position(&self) -> Position {
        self.position
    }

    /// How its module is made.
    #[must_use]
    pub fn build(&self) -> &Build {
        &self.build
    }

    /// Directory of its source, relative to the manifest's, with `/` between directories.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Its module's file, relative to the manifest's directory, with `/` between directories.
    #[must_use]
    pub fn module(&self) -> &str {
        &self.module
    }

    /// The contract it is built for.
    #[must_use]
    pub fn runtime(&self) -> Runtime {
        self.runtime
    }

    /// What is said of its containers.
    #[must_use]
    pub fn container(&self) -> &ContainerSettings {
        &self.container
    }

    /// What one invocation may use.
    #[must_use]
    pub fn limits(&self) -> &FunctionLimits {
        &self.limits
    }
}

fn read(bytes: &[u8], problems: &mut Problems) -> Option<Manifest> {
    let document = yaml::parse(bytes, problems)?;
    let fields = Fields::of(&document, keys::MANIFEST, "a manifest", problems)?;
    let name = fields.parsed_text("name", problems);
    let version = fields.version(problems);
    let dev_id = fields.parsed("dev_id", problems).map(|(id, _)| id);
    let form = FunctionForm { keys: keys::FUNCTION, read: function::of_manifest };
    let services = services::read(&fields, &form, problems);
    Some(Manifest { name: name?.0, version: version?, dev_id, services })
}
