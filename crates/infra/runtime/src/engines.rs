//! One engine for all runtimes.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use mu_stack::Runtime;

use crate::{Engine, LoadError, LoadParams, Program};

/// Loads every artifact with the engine for its runtime.
pub struct Engines {
    /// For modules and components.
    pub wasm: Arc<dyn Engine>,
    /// For images of containers.
    pub containers: Arc<dyn Engine>,
}

#[async_trait]
impl Engine for Engines {
    async fn load(&self, params: LoadParams) -> Result<Arc<dyn Program>, LoadError> {
        match params.runtime {
            Runtime::Wasi1 | Runtime::WasiHttp | Runtime::WasiHttp3 => self.wasm.load(params).await,
            Runtime::Container => self.containers.load(params).await,
        }
    }
}

impl fmt::Debug for Engines {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Engines")
    }
}
