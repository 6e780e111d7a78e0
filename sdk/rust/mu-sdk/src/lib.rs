//! What authors of mu functions import.
//!
//! A function is a program with one or more *handlers*. Each takes what it needs from the request as parameters and
//! answers with anything that can become a response:
//!
//! ```
//! #[mu_sdk::mu_functions]
//! mod greetings {
//!     use mu_sdk::*;
//!
//!     #[mu_function]
//!     fn greet(Path(name): Path<String>) -> String {
//!         format!("Hello, {name}!")
//!     }
//!
//!     #[mu_function]
//!     fn count(ctx: &mut MuContext, Path(name): Path<String>) -> Result<String> {
//!         let seen = ctx.db().get("visits", &name)?.map_or(0, |value| value.len());
//!         ctx.db().put("visits", &name, vec![b'x'; seen + 1])?;
//!         log::info!("{name} was here {seen} times before");
//!         Ok(format!("visit {}", seen + 1))
//!     }
//! }
//! ```
//!
//! | a parameter | reads |
//! |---|---|
//! | `&MuContext`, `&mut MuContext` (first) | the database, boxes, HTTP client, WebSockets and log |
//! | [`Path<T>`](Path), [`Query<T>`](Query), [`PathParams`], [`QueryParams`] | the URL, typed or as it is |
//! | [`Json<T>`](Json), [`Form<T>`](Form), `String`, `&str`, `Vec<u8>`, `&[u8]` | the body |
//! | [`Headers`], [`Cookies`], [`HttpMethod`], `&`[`Request`] | the rest |
//! | [`WebSocketEvent`] | what happened on a WebSocket connection |
//! | `Result<T>` of any of these | the same, leaving it to the handler what happens when it can't be read |
//!
//! | a result | responds with |
//! |---|---|
//! | `()` | 204 No Content |
//! | [`Status`] | that status and no body |
//! | `&str`, `String`, [`Html`], `&[u8]`, `Vec<u8>`, [`Json<T>`](Json) | 200 and that body |
//! | `(T, Status)`, `(T, Vec<Header>)`, `(T, Status, Vec<Header>)` | `T` with another status, or more headers |
//! | [`Response`] | itself |
//! | `Result<T, E>` | `T` or `E`; with [`Error`] as `E`, `?` works on every error |
//!
//! A program talks with its host over standard input and output: writing to standard output, as `println!` does, breaks
//! the conversation. Standard error is free, and becomes lines of the log, as what the [`log`] macros write does.
//!
//! Handlers are plain functions. [`test::TestContext`] stands in for the host in unit tests.

mod context;
mod cookie;
mod database;
mod error;
mod extract;
mod handler;
mod host;
#[cfg(feature = "http")]
mod http_client;
mod logger;
mod media_type;
mod percent;
mod respond;
mod serve;
mod stdio;
mod storage;
pub mod test;
mod websocket;

#[cfg(feature = "form")]
pub use crate::extract::Form;
#[cfg(feature = "json")]
pub use crate::extract::Json;
#[cfg(feature = "http")]
pub use crate::http_client::{HttpClient, HttpRequestBuilder};
pub use crate::{
    context::MuContext,
    cookie::{Cookies, SameSite, SetCookie},
    database::{Db, Swap},
    error::{Error, Result},
    extract::{FromRequest, Headers, Path, PathParams, Query, QueryParams},
    handler::Handler,
    respond::{Html, IntoResponse},
    serve::serve,
    storage::Storage,
    websocket::{Delivery, WebSocketEvent, WebSocketKind, WebSockets},
};
pub use log;
pub use mu_abi::{
    Header, HttpError, HttpMethod, HttpRequest, KeyValue, LogLevel, Object, Request, Response, Status, TableKey,
    TableKeyValue, UnknownMethod, Version,
};
/// Makes a function of a [`mu_functions`] module a handler.
///
/// The function's name is the handler's. Parameters are read from the request, and the result is made a response, as
/// the tables on [the first page](crate) tell. A reference to [`MuContext`] may come first. Named lifetimes are
/// permitted and never necessary.
pub use mu_sdk_macros::mu_function;
/// Makes the functions of a module that are marked [`mu_function`] the handlers of this program, and writes the
/// program's `main`.
///
/// The module also gets a constant `MU_FUNCTIONS`, seen by its parent, for
/// [`TestContext::call`](test::TestContext::call).
pub use mu_sdk_macros::mu_functions;
