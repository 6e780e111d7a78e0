//! Secrets of stacks, sealed and in versions.
