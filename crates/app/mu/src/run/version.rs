//! A version of a project: its manifest, and the code that was built for it.

use std::collections::HashMap;
use std::fs;
use std::io;

use mu_invoke::{DeployParams, Secrets};
use mu_runtime::{Artifact, ContentHash};
use mu_stack::{Env, FunctionName, Manifest, Position, Stack, StackId};

use crate::build::{self, Options};
use crate::failure::{Cause, Failure};
use crate::project::{self, Project};
use crate::run::overrides::overrides;
use crate::run::secrets::secrets;

/// Everything that is deployed of a project.
pub(crate) struct Version {
    id: StackId,
    stack: Stack,
    artifacts: HashMap<FunctionName, Artifact>,
    secrets: Secrets,
    positions: HashMap<FunctionName, Position>,
}

/// What makes two versions the same.
#[derive(PartialEq, Eq)]
pub(super) struct Identity {
    id: StackId,
    stack: Stack,
    modules: Vec<Option<ContentHash>>,
    secrets: Secrets,
}

impl Version {
    /// Builds what needs building, and reads the modules. Blocking.
    pub(crate) fn build(project: &Project, manifest: &Manifest, options: Options) -> Result<Self, Failure> {
        build::build(project, manifest, manifest.functions(), options)?;
        let mut local = Env::new();
        for (name, value) in overrides()? {
            local.set(name, value).map_err(|e| Failure::from_error(Cause::Failed, "MU_FN_*", &e))?;
        }
        let stack = manifest
            .local_stack(&local)
            .map_err(|e| Failure::from_error(Cause::Manifest, "the environment of a function", &e))?;
        let secrets = secrets(project, &stack)?;
        let read = |function: &mu_stack::FunctionManifest| -> Result<_, Failure> {
            let path = build::module_path(project.root(), function);
            let bytes = fs::read(&path).map_err(|e: io::Error| {
                let reading = format!("function `{}`: reading {}", function.name(), function.module());
                Failure::from_error(Cause::Build, reading, &e)
            })?;
            Ok((function.name().clone(), Artifact::from_bytes(bytes)))
        };
        let artifacts = manifest.functions().map(read).collect::<Result<_, _>>()?;
        // The functions of an app have files of their own.
        let described = manifest.functions().filter(|_| !project.is_app());
        let positions = described.map(|function| (function.name().clone(), function.position())).collect();
        Ok(Self { id: project::stack_id(manifest), stack, artifacts, secrets, positions })
    }

    pub(super) fn identity(&self) -> Identity {
        let hash = |function: &mu_stack::Function| self.artifacts.get(&function.name).map(|artifact| artifact.hash);
        let (stack, modules) = (self.stack.clone(), self.stack.functions().map(hash).collect());
        Identity { id: self.id, stack, modules, secrets: self.secrets.clone() }
    }

    /// Where the manifest describes each function.
    pub(crate) fn positions(&self) -> &HashMap<FunctionName, Position> {
        &self.positions
    }

    pub(crate) fn into_params(self) -> DeployParams {
        let Self { id, stack, artifacts, secrets, .. } = self;
        DeployParams { id, version: 1, owner: None, stack, artifacts, secrets, function_id: None }
    }
}

impl Identity {
    pub(super) fn id(&self) -> StackId {
        self.id
    }

    pub(super) fn stack(&self) -> &Stack {
        &self.stack
    }
}
