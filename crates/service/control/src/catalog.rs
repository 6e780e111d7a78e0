//! Stacks, their numbered versions, and the artifacts they are made of.
