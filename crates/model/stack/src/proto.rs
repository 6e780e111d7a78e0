//! The protobuf form of a deployed stack, byte for byte that of the first version of mu.

mod decode;
mod encode;
mod messages;
