//! A real gateway on a real socket, in front of functions that are closures.

mod accounting;
mod client;
mod cors;
mod drain;
mod hostile;
mod requests;
mod responses;
mod world;
