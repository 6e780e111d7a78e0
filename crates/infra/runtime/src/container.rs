//! Functions that are images of containers, with Project Fn's contract: `http-stream` over a Unix socket.
//!
//! A container has one call at a time and is kept for the next ones: idle ones wait, frozen, in the [pool] of their
//! function, which starts others when calls have waited long enough to be worth it, and within what the node has
//! [reserved](reserve) for containers.

mod engine;
mod exchange;
mod http_stream;
mod instance;
mod log;
mod machine;
mod meter;
mod pool;
mod program;
mod reserve;
mod socket;
mod waited;

pub use engine::{ContainerConfig, ContainerEngine, ContainerParts};
pub use meter::INSTRUCTIONS_PER_CPU_MICROSECOND;
