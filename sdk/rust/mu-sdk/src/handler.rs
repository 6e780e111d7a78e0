//! A handler as the macros write it down.

use std::fmt;

use mu_abi::{Request, Response};

use crate::{context::MuContext, error::Result};

/// A handler: its name, and how to call it with a request. Written by [`mu_functions`](crate::mu_functions).
#[derive(Clone, Copy)]
pub struct Handler {
    name: &'static str,
    run: fn(&mut MuContext, &Request) -> Result<Response>,
}

// === impl Handler ===

impl Handler {
    /// A handler of this name. An error is one of reading the request, which `run` leaves to be answered.
    #[must_use]
    pub const fn new(name: &'static str, run: fn(&mut MuContext, &Request) -> Result<Response>) -> Self {
        Self { name, run }
    }

    /// The handler's name.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// The handler among `handlers` that has this name.
    ///
    /// # Errors
    /// A text that names the ones there are.
    pub(crate) fn find<'a>(handlers: &'a [Self], name: &str) -> std::result::Result<&'a Self, String> {
        handlers.iter().find(|handler| handler.name == name).ok_or_else(|| {
            let known = handlers.iter().map(Self::name).collect::<Vec<_>>().join("`, `");
            format!("this function has no handler `{name}`; it has `{known}`")
        })
    }

    pub(crate) fn run(&self, context: &mut MuContext, request: &Request) -> Result<Response> {
        (self.run)(context, request)
    }
}

impl fmt::Debug for Handler {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("Handler").field(&self.name).finish()
    }
}
