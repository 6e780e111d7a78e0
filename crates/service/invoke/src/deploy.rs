//! From a stack to a deployment in service: prepared first, served then.

use std::collections::HashMap;
use std::sync::Arc;

use futures_util::future::try_join_all;
use mu_db::DbError;
use mu_runtime::{Artifact, LoadError, LoadParams, Owner, Program};
use mu_stack::{EnvError, Function, FunctionName, SecretName, Stack, StackId};
use mu_storage::StorageError;

use crate::deployment::Deployment;
use crate::deployments::Weighted;
use crate::invoker::Invoker;
use crate::secrets::Secrets;

/// What to deploy.
#[derive(Debug)]
pub struct DeployParams {
    /// The stack's id.
    pub id: StackId,
    /// Which version of the stack this is; told apart by nothing else.
    pub version: u64,
    /// Whose stack it is, as the [`Gatekeeper`](crate::Gatekeeper) knows them; `None` where that means nothing.
    pub owner: Option<Arc<str>>,
    /// The stack.
    pub stack: Stack,
    /// The code of each of its functions.
    pub artifacts: HashMap<FunctionName, Artifact>,
    /// Values of the secrets that its functions declare. Others are given to nobody.
    pub secrets: Secrets,
    /// The id of its function, of a stack that has one whose id is not made of the stack's and its name.
    pub function_id: Option<Arc<str>>,
}

/// Why a stack was not deployed. What was deployed before goes on serving.
#[derive(Debug, thiserror::Error)]
pub enum DeployError {
    /// No code was given for a function.
    #[error("function `{function}` has no code")]
    NoArtifact {
        /// The function.
        function: FunctionName,
    },
    /// A function declares a secret that has no value.
    #[error("function `{function}` needs the secret `{secret}`, which has no value: set it first")]
    NoSecret {
        /// The function.
        function: FunctionName,
        /// The secret.
        secret: SecretName,
    },
    /// A secret does not fit into the environment of a function.
    #[error("giving function `{function}` its secrets: {source}")]
    Secret {
        /// The function.
        function: FunctionName,
        /// What is wrong; it does not tell the value.
        source: EnvError,
    },
    /// The code of a function cannot run.
    #[error("loading function `{function}`: {source}")]
    Load {
        /// The function.
        function: FunctionName,
        /// What is wrong with its code.
        source: LoadError,
    },
    /// The stack's tables could not be declared or deleted.
    #[error("preparing the tables of stack `{stack}`: {source}")]
    Tables {
        /// The stack's name.
        stack: String,
        /// What failed.
        source: DbError,
    },
    /// The stack's boxes could not be declared or deleted.
    #[error("preparing the boxes of stack `{stack}`: {source}")]
    Boxes {
        /// The stack's name.
        stack: String,
        /// What failed.
        source: StorageError,
    },
}

/// A function's environment, in the order in which it sees it.
pub(crate) type Variables = Arc<[(String, String)]>;

impl Invoker {
    /// Puts a version into service in place of what was served of its stack: [prepares](Self::prepare) and then
    /// [serves](Self::serve) it. Calls under way end where they began; tables and boxes marked for deletion are gone for
    /// them too. Of two deploys of one stack at the same time, the one that is ready last stays.
    ///
    /// # Errors
    /// When a function cannot be loaded, or a table or box cannot be prepared: nothing is put into service then. Also
    /// when one that is marked for deletion cannot be deleted; the version serves then, and another deploy tries again.
    pub async fn deploy(&self, params: DeployParams) -> Result<Arc<Deployment>, DeployError> {
        let id = params.id;
        let deployment = self.prepare(params).await?;
        self.serve(id, vec![(Arc::clone(&deployment), 1)]).await?;
        Ok(deployment)
    }

    /// Loads all functions of a version and declares its tables and boxes. Nothing of it is served, and nothing that is
    /// served notices.
    ///
    /// # Errors
    /// When a function cannot be loaded, or lacks a secret, or a table or box cannot be declared.
    pub async fn prepare(&self, params: DeployParams) -> Result<Arc<Deployment>, DeployError> {
        let DeployParams { id, version, owner, stack, artifacts, secrets, function_id } = params;
        let envs = stack.functions().map(|function| environment(function, &secrets)).collect::<Result<Vec<_>, _>>()?;
        let programs =
            self.load(&id, function_id.as_ref(), &stack, &envs, &artifacts).await?.into_iter().zip(envs).collect();
        self.declare(&id, &stack).await?;
        let meter = self.deployments().meter(&id);
        Ok(Arc::new(Deployment::new(id, version, owner, stack, programs, meter, self.config())))
    }

    /// Serves exactly these versions of a stack from now on, see [`Deployments::serve`](crate::Deployments::serve), and
    /// then deletes the tables and boxes that one of them marks for deletion and none of them keeps. Answers the
    /// versions that are no longer served.
    ///
    /// # Errors
    /// When a table or box that is kept cannot be declared again, in case an earlier version had deleted it: then
    /// nothing changes. When one cannot be deleted: then the versions are served, and serving them once more tries
    /// again.
    pub async fn serve(&self, id: StackId, versions: Vec<Weighted>) -> Result<Vec<Arc<Deployment>>, DeployError> {
        let stacks: Vec<_> = versions.iter().map(|(deployment, _)| Arc::clone(deployment)).collect();
        for deployment in &stacks {
            self.declare(&id, deployment.stack()).await?;
        }
        let drained = self.deployments().serve(id, versions);
        let stacks: Vec<&Stack> = stacks.iter().map(|deployment| deployment.stack()).collect();
        self.delete(&id, &stacks).await?;
        Ok(drained)
    }

    /// The programs of a stack's functions, in their order, or the first error.
    async fn load(
        &self,
        id: &StackId,
        function_id: Option<&Arc<str>>,
        stack: &Stack,
        envs: &[Variables],
        artifacts: &HashMap<FunctionName, Artifact>,
    ) -> Result<Vec<Arc<dyn Program>>, DeployError> {
        let load = |(function, env): (&Function, &Variables)| {
            let (name, runtime, instances) = (function.name.clone(), function.runtime, function.instances);
            let memory_limit_bytes = function.limits.memory.bytes();
            let artifact = artifacts.get(&name).cloned();
            let mut owner = Owner {
                env: Arc::clone(env),
                container: function.container,
                ..Owner::of(*id, stack.name().as_str(), name.as_str())
            };
            if let Some(id) = function_id {
                owner.function_id = Arc::clone(id);
            }
            async move {
                let Some(artifact) = artifact else { return Err(DeployError::NoArtifact { function: name }) };
                let params = LoadParams { artifact, runtime, instances, memory_limit_bytes, owner };
                let loaded = self.engine().load(params).await;
                loaded.map_err(|source| DeployError::Load { function: name, source })
            }
        };
        try_join_all(stack.functions().zip(envs).map(load)).await
    }

    /// Declares the tables and boxes that a version keeps.
    async fn declare(&self, id: &StackId, stack: &Stack) -> Result<(), DeployError> {
        let tables = stack.tables().filter(|table| !table.delete).map(|table| table.name.as_str());
        let tables: Vec<_> = tables.collect();
        if !tables.is_empty() {
            let declared = self.backends().db.declare_tables(id.key(), &tables).await;
            declared.map_err(|source| DeployError::Tables { stack: stack.name().to_string(), source })?;
        }
        let boxes = stack.boxes().filter(|storage| !storage.delete).map(|storage| storage.name.as_str());
        let declared = self.backends().boxes.declare_boxes(id.key(), &boxes.collect::<Vec<_>>()).await;
        declared.map_err(|source| DeployError::Boxes { stack: stack.name().to_string(), source })
    }

    /// Deletes the tables and boxes that one of these versions marks for deletion and none keeps.
    async fn delete(&self, id: &StackId, versions: &[&Stack]) -> Result<(), DeployError> {
        for stack in versions {
            for table in stack.tables().filter(|table| table.delete) {
                let name = table.name.as_str();
                if versions.iter().any(|other| other.table(name).is_some_and(|table| !table.delete)) {
                    continue;
                }
                let dropped = self.backends().db.drop_table(id.key(), name).await;
                dropped.map_err(|source| DeployError::Tables { stack: stack.name().to_string(), source })?;
            }
            for storage in stack.boxes().filter(|storage| storage.delete) {
                let name = storage.name.as_str();
                if versions.iter().any(|other| other.storage_box(name).is_some_and(|storage| !storage.delete)) {
                    continue;
                }
                let removed = self.backends().boxes.remove_box(id.key(), name).await;
                removed.map_err(|source| DeployError::Boxes { stack: stack.name().to_string(), source })?;
            }
        }
        Ok(())
    }
}

/// The environment of a function: its variables, and the secrets that it declares over them.
fn environment(function: &Function, secrets: &Secrets) -> Result<Variables, DeployError> {
    let mut env = function.env.clone();
    for secret in &function.secrets {
        let (function, secret) = (function.name.clone(), secret.clone());
        match secrets.value(&secret) {
            Some(value) => {
                env.set(secret.as_str(), value).map_err(|source| DeployError::Secret { function, source })?;
            }
            None => return Err(DeployError::NoSecret { function, secret }),
        }
    }
    Ok(env.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
}
