//! The container engine, with containers that are tasks of the test.

mod calls;
mod failures;
mod life;
mod world;
