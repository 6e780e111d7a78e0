//! From a stack to a deployment in service.

use std::collections::HashMap;
use std::sync::Arc;

use futures_util::future::try_join_all;
use mu_db::DbError;
use mu_runtime::{Artifact, LoadError, LoadParams, Program};
use mu_stack::{FunctionName, Stack, StackId};
use mu_storage::StorageError;

use crate::deployment::Deployment;
use crate::invoker::Invoker;

/// What to deploy.
#[derive(Debug)]
pub struct DeployParams {
    /// The stack's id.
    pub id: StackId,
    /// The stack.
    pub stack: Stack,
    /// The code of each of its functions.
    pub artifacts: HashMap<FunctionName, Artifact>,
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

impl Invoker {
    /// Loads all functions of a stack, prepares its tables and boxes, and puts it into service in place of the version
    /// deployed before. Calls under way end where they began; tables and boxes marked for deletion are gone for them
    /// too. Of two deploys of one stack at the same time, the one that is ready last stays.
    ///
    /// # Errors
    /// When a function cannot be loaded, or a table or box cannot be prepared. Nothing is put into service then.
    pub async fn deploy(&self, params: DeployParams) -> Result<Arc<Deployment>, DeployError> {
        let DeployParams { id, stack, artifacts } = params;
        let programs = self.load(&stack, &artifacts).await?;
        self.prepare_tables(&id, &stack).await?;
        self.prepare_boxes(&id, &stack).await?;
        let meter = self.deployments().meter(&id);
        let deployment = Arc::new(Deployment::new(id, stack, programs, meter, self.config()));
        self.deployments().put(Arc::clone(&deployment));
        Ok(deployment)
    }

    /// The programs of a stack's functions, in their order, or the first error.
    async fn load(
        &self,
        stack: &Stack,
        artifacts: &HashMap<FunctionName, Artifact>,
    ) -> Result<Vec<Arc<dyn Program>>, DeployError> {
        let load = |function: &mu_stack::Function| {
            let (name, runtime, instances) = (function.name.clone(), function.runtime, function.instances);
            let memory_limit_bytes = function.limits.memory.bytes();
            let artifact = artifacts.get(&name).cloned();
            async move {
                let Some(artifact) = artifact else { return Err(DeployError::NoArtifact { function: name }) };
                let params = LoadParams { artifact, runtime, instances, memory_limit_bytes };
                let loaded = self.engine().load(params).await;
                loaded.map_err(|source| DeployError::Load { function: name, source })
            }
        };
        try_join_all(stack.functions().map(load)).await
    }

    async fn prepare_tables(&self, id: &StackId, stack: &Stack) -> Result<(), DeployError> {
        let db = &self.backends().db;
        let prepare = async {
            let kept = stack.tables().filter(|table| !table.delete).map(|table| table.name.as_str());
            db.declare_tables(id.key(), &kept.collect::<Vec<_>>()).await?;
            for table in stack.tables().filter(|table| table.delete) {
                db.drop_table(id.key(), table.name.as_str()).await?;
            }
            Ok(())
        };
        prepare.await.map_err(|source| DeployError::Tables { stack: stack.name().to_string(), source })
    }

    async fn prepare_boxes(&self, id: &StackId, stack: &Stack) -> Result<(), DeployError> {
        let boxes = &self.backends().boxes;
        let prepare = async {
            let kept = stack.boxes().filter(|storage| !storage.delete).map(|storage| storage.name.as_str());
            boxes.declare_boxes(id.key(), &kept.collect::<Vec<_>>()).await?;
            for storage in stack.boxes().filter(|storage| storage.delete) {
                boxes.remove_box(id.key(), storage.name.as_str()).await?;
            }
            Ok(())
        };
        prepare.await.map_err(|source| DeployError::Boxes { stack: stack.name().to_string(), source })
    }
}
