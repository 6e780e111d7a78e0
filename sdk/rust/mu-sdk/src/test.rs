//! A host for unit tests of handlers, all in memory.
//!
//! ```
//! use mu_sdk::{test::TestContext, *};
//!
//! fn remember(ctx: &mut MuContext, body: String) -> Result<Status> {
//!     ctx.db().put("notes", "last", body)?;
//!     Ok(Status::CREATED)
//! }
//!
//! let mut ctx = TestContext::new().with_table("notes");
//! assert_eq!(remember(&mut ctx, "milk".to_owned()).unwrap(), Status::CREATED);
//! assert_eq!(ctx.db().get("notes", "last").unwrap(), Some(b"milk".to_vec()));
//! ```

use std::{
    cell::RefCell,
    collections::VecDeque,
    ops::{Deref, DerefMut},
    rc::Rc,
};

use mu_abi::{HttpError, HttpRequest, Incoming, LogLevel, Outgoing, Request, Response};

use crate::{
    context::MuContext,
    error::{Error, Result},
    handler::Handler,
    host::Host,
    logger::{self, Lines},
    respond::IntoResponse,
};

mod boxes;
mod tables;

/// A [`MuContext`] for tests: its tables and boxes are in memory, other servers answer what the test says, and what is
/// logged can be looked at. It never touches standard input and output.
///
/// It lends itself as the context: give a handler `&mut test_context`.
///
/// The macros of [`log`] are collected by the newest context of their thread.
#[derive(Debug)]
pub struct TestContext {
    context: MuContext,
    host: Rc<TestHost>,
}

#[derive(Debug, Default)]
struct TestHost {
    tables: RefCell<tables::Tables>,
    boxes: RefCell<boxes::Boxes>,
    http: RefCell<Http>,
    lines: Lines,
}

#[derive(Debug, Default)]
struct Http {
    responses: VecDeque<Result<Response, HttpError>>,
    requests: Vec<HttpRequest>,
}

// === impl TestContext ===

impl TestContext {
    /// A context without tables and boxes.
    #[must_use]
    pub fn new() -> Self {
        let host = Rc::new(TestHost::default());
        logger::collect(host.lines.clone());
        Self { context: MuContext::new(host.clone()), host }
    }

    /// The context with an empty table of this name.
    #[must_use]
    pub fn with_table(self, name: &str) -> Self {
        self.host.tables.borrow_mut().declare(name);
        self
    }

    /// The context with an empty box of this name.
    #[must_use]
    pub fn with_box(self, name: &str) -> Self {
        self.host.boxes.borrow_mut().declare(name);
        self
    }

    /// Has the next HTTP request that is not yet provided for be answered with this. Without, requests fail.
    pub fn respond_to_http(&self, response: Result<Response, HttpError>) {
        self.host.http.borrow_mut().responses.push_back(response);
    }

    /// The HTTP requests that were sent, in order.
    #[must_use]
    pub fn http_requests(&self) -> Vec<HttpRequest> {
        self.host.http.borrow().requests.clone()
    }

    /// The lines that were logged, in order.
    #[must_use]
    pub fn logs(&self) -> Vec<(LogLevel, String)> {
        self.host.lines.borrow().clone()
    }

    /// Calls a handler by name with a request, as the host would: parameters are read from the request, and errors
    /// are made responses. `handlers` is the `MU_FUNCTIONS` of a [`mu_functions`](crate::mu_functions) module.
    ///
    /// # Errors
    /// If there is no such handler: what the host would be told.
    pub fn call(&mut self, handlers: &[Handler], name: &str, request: &Request) -> Result<Response, String> {
        let handler = Handler::find(handlers, name)?;
        Ok(handler.run(&mut self.context, request).unwrap_or_else(IntoResponse::into_response))
    }
}

impl Default for TestContext {
    fn default() -> Self {
        Self::new()
    }
}

impl Deref for TestContext {
    type Target = MuContext;

    fn deref(&self) -> &MuContext {
        &self.context
    }
}

impl DerefMut for TestContext {
    fn deref_mut(&mut self) -> &mut MuContext {
        &mut self.context
    }
}

// === impl TestHost ===

impl Host for TestHost {
    fn ask(&self, question: Outgoing) -> Result<Incoming> {
        match question {
            Outgoing::Db(request) => Ok(Incoming::Db(self.tables.borrow_mut().answer(request))),
            Outgoing::Storage(request) => Ok(Incoming::Storage(self.boxes.borrow_mut().answer(request))),
            Outgoing::Http(request) => Ok(Incoming::Http(self.http.borrow_mut().answer(request))),
            other => Err(Error::internal(format!("the host does not answer {other:?}"))),
        }
    }

    fn tell(&self, message: Outgoing) -> Result<()> {
        if let Outgoing::Log { body, level } = message {
            self.lines.borrow_mut().push((level, body));
        }
        Ok(())
    }
}

// === impl Http ===

impl Http {
    fn answer(&mut self, request: HttpRequest) -> Result<Response, HttpError> {
        let missing =
            format!("the test has no response to {} {}; add one with `respond_to_http`", request.method, request.url);
        self.requests.push(request);
        self.responses.pop_front().unwrap_or(Err(HttpError::Request(missing)))
    }
}
