//! The catalog as a whole: over the store in memory, over a file that is opened again, and over a store that dies
//! between any two commits.

mod artifacts;
mod crash;
mod deploy;
mod listing;
mod routing;
mod stacks;
mod world;
