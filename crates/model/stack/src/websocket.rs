//! What the WebSocket connections of a gateway may do.

use std::time::Duration;

use crate::duration::HumanDuration;
use crate::limits::{
    WEBSOCKET_CONNECTIONS_DEFAULT, WEBSOCKET_CONNECTIONS_MAX, WEBSOCKET_IDLE_DEFAULT, WEBSOCKET_IDLE_MAX,
    WEBSOCKET_IDLE_MIN, WEBSOCKET_MESSAGE_DEFAULT, WEBSOCKET_MESSAGE_MAX, WEBSOCKET_MESSAGE_MIN,
    WEBSOCKET_RATE_DEFAULT, WEBSOCKET_RATE_MAX,
};
use crate::problem::outside;
use crate::size::ByteSize;

/// Limits of the WebSocket connections of one gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WebSocketLimits {
    /// Largest message in either direction: 128 bytes to 16 MiB.
    pub message: ByteSize,
    /// Most connections at the same time on one node: 1 to 1 000 000.
    pub connections: u32,
    /// Messages per second that are read from one connection, 1 to 100 000; twice as many at once.
    pub rate: u32,
    /// How long a connection may be without a message in either direction: 1 s to 24 h.
    pub idle_timeout: Duration,
}

impl Default for WebSocketLimits {
    fn default() -> Self {
        Self {
            message: WEBSOCKET_MESSAGE_DEFAULT,
            connections: WEBSOCKET_CONNECTIONS_DEFAULT,
            rate: WEBSOCKET_RATE_DEFAULT,
            idle_timeout: WEBSOCKET_IDLE_DEFAULT,
        }
    }
}

impl WebSocketLimits {
    /// What is out of bounds: the key and the message about it.
    pub(crate) fn mistakes(&self) -> Vec<(&'static str, String)> {
        let shown = HumanDuration::saturating_from;
        let (idle, least, most) = (shown(self.idle_timeout), shown(WEBSOCKET_IDLE_MIN), shown(WEBSOCKET_IDLE_MAX));
        [
            ("max_message", outside("`max_message`", &self.message, &WEBSOCKET_MESSAGE_MIN, &WEBSOCKET_MESSAGE_MAX)),
            ("max_connections", outside("`max_connections`", &self.connections, &1, &WEBSOCKET_CONNECTIONS_MAX)),
            ("max_rate", outside("`max_rate`", &self.rate, &1, &WEBSOCKET_RATE_MAX)),
            ("idle_timeout", outside("`idle_timeout`", &idle, &least, &most)),
        ]
        .into_iter()
        .filter_map(|(key, message)| Some((key, message?)))
        .collect()
    }
}
