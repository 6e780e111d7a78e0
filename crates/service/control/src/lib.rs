//! Who may do what on a node, what is deployed on it, and the API that manages both.
//!
//! Everything here is kept in the database port and survives the process; the running node is reached through a port of
//! its own, so that nothing here knows how functions run.

pub mod access;
pub mod api;
pub mod audit;
pub mod catalog;
pub mod domains;
pub mod logs;
pub mod quota;
pub mod region;
pub mod rollout;
pub mod secrets;
pub mod usage;
