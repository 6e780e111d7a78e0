//! Hosts that stacks are reached at, and the proof that a client owns them.
