//! Tests of the catalog as a whole.
