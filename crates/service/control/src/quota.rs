//! What a client and a stack may use.
