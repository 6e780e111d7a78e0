//! The real binary, driven as a user drives it.

mod support;

mod bad_modules;
mod bad_places;
mod command_line;
mod examples;
mod init;
mod invoke;
mod overrides;
mod reload;
mod shutdown;
