//! Contexts: the nodes that somebody works with, by name, and what says to each of them who asks.

pub(crate) mod commands;
mod contexts;
mod home;
mod identity;
mod name;
mod target;

pub(crate) use crate::context::contexts::{Context, Contexts, Proof};
pub(crate) use crate::context::home::Home;
pub(crate) use crate::context::name::ContextName;
pub(crate) use crate::context::target::{Surroundings, Target};
