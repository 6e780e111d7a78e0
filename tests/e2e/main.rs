//! The real binary, driven as a user drives it.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

mod bad_modules;
mod bad_places;
mod command_line;
mod containers;
mod examples;
mod functions;
mod greedy;
mod init;
mod invoke;
mod languages;
mod overrides;
mod reload;
mod shutdown;
mod team;
mod websockets;
