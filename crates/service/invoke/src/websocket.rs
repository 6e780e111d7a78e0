//! The WebSocket connections of a node, as functions reach them: by id, within their own stack.
//!
//! A gateway owns the sockets. What functions want sent waits in a bounded queue per connection, from which the gateway
//! takes it.

mod message;
mod outbox;
mod sockets;

use std::fmt;

pub use message::{Closing, MessageKind, SocketMessage};
pub use outbox::{Outbound, SendError};
pub use sockets::{OpenSocket, Socket, SocketParams, Sockets, SocketsFull, SocketsMax};

/// What happens on a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SocketEvent {
    /// A client asks for a connection; the answer decides whether it gets one.
    Open,
    /// The client sent a message.
    Message,
    /// The connection has ended.
    Close,
}

impl SocketEvent {
    /// The event's name in lower case, as functions see it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Message => "message",
            Self::Close => "close",
        }
    }
}

impl fmt::Display for SocketEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
