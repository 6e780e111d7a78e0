//! What a function and the runtime say to each other: Borsh messages over stdio.
//!
//! A `wasi1.0` function reads [`Incoming`] messages from its standard input and writes [`Outgoing`] messages to its
//! standard output. A message is a `u16` code, little-endian, followed by one Borsh structure; there is no outer
//! length, so the only way to find a message's end is to decode it. [`Outgoing::decode`] and [`Incoming::decode`] do
//! that on whatever has arrived so far, and say how much more is needed.
//!
//! The conversation: the host sends one [`Incoming::ExecuteFunction`]; the function asks any number of questions
//! ([`Outgoing::Db`], [`Outgoing::Storage`], [`Outgoing::Http`]), each answered before the next one is asked, and ends
//! with [`Outgoing::FunctionResult`] or [`Outgoing::FatalError`]. [`Outgoing::Log`] is not answered.
//!
//! The codes and layouts are fixed: modules already built by others depend on each byte. The encoding is written by
//! hand, without a Borsh library, because the host must decode partial input from untrusted guests within a limit, and
//! because this crate is compiled into every function.

mod codec;
mod database;
mod decode;
mod http;
mod incoming;
mod log;
mod outgoing;
mod status;
mod storage;

pub use crate::{
    database::{DbReply, DbRequest, KeyValue, TableKey, TableKeyValue},
    decode::{DecodeError, Decoded},
    http::{Header, HttpError, HttpMethod, HttpRequest, Request, Response, UnknownMethod, Version},
    incoming::Incoming,
    log::LogLevel,
    outgoing::Outgoing,
    status::Status,
    storage::{Object, StorageReply, StorageRequest},
};
