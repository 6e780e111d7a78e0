//! What an invoker does, shown with functions that are closures.

mod calls;
mod data;
mod deployments;
mod world;
