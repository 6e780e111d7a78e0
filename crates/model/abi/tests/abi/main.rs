//! The messages' bytes: pinned one by one, and held against what an untrusted peer may send.

mod golden;
mod hostile;
mod strategies;
mod vectors;
