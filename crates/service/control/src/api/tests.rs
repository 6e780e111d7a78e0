//! The API from outside: requests go through everything that they go through on a node.

mod bad;
mod domains;
mod fn_api;
mod matrix;
mod quotas;
mod rollouts;
mod world;
mod writes;
