//! WebSockets: a handler of the stack sees what happens on a connection as requests, one at a time.
//!
//! `open` answers the handshake by invoking the handler; `session` is the one task of an open connection. Between two
//! events a connection is a socket, a timer and a few numbers: no instance of the function, and no buffers.

mod events;
mod handshake;
mod liveness;
mod open;
mod rate;
mod reader;
mod session;
mod tasks;
mod wire;
mod writer;

pub(crate) use handshake::{is_asked_for, required};
pub(crate) use open::open;
pub(crate) use tasks::SocketTasks;
