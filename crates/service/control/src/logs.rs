//! What functions have logged, kept and searched.
