//! A real gateway on a real socket, in front of functions that are closures.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panicking, as tests do")]

mod accounting;
mod auth;
mod client;
mod cors;
mod drain;
mod hostile;
mod hosts;
mod objects;
mod requests;
mod responses;
mod tls;
mod websocket;
mod world;
