//! WebSockets, from the handshake to the close event.

mod client;
mod ends;
mod events;
mod frames;
mod handshake;
mod limits;
mod sending;
mod world;
