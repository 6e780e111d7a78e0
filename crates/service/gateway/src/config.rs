//! What an operator can set about the gateway.

use std::time::Duration;

/// Limits of one gateway listener. Each protects the node from clients that send too much, or too slowly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GatewayConfig {
    /// Connections open at the same time. Further clients wait in the operating system's queue.
    pub connections_max: usize,
    /// A request's target (path and query), in bytes; over it the answer is 414.
    pub uri_bytes_max: usize,
    /// A request's head over HTTP/1, and its header list over HTTP/2, in bytes; over it the answer is 431. At least
    /// 8 KiB. The number of headers is limited to 100 over HTTP/1.
    pub header_bytes_max: u32,
    /// How long a client may take to send the head of a request, from when it connected or sent the first byte. Over
    /// it the answer is 408. Also how long a client may take to close a connection it was asked to close.
    pub head_timeout: Duration,
    /// How long a client may pause inside a request's body.
    pub body_pause_max: Duration,
    /// How long a client may leave a response, or what is sent over a WebSocket, unread before the connection is cut. Taking less than 8 KiB of what is
    /// there counts as leaving it unread.
    pub write_pause_max: Duration,
    /// How long a connection is kept open without a request.
    pub keep_alive: Duration,
    /// How long requests under way may take to finish once the gateway stops.
    pub drain_timeout: Duration,
    /// How long a client may take for a TLS handshake, waiting for its turn included.
    pub handshake_timeout: Duration,
    /// TLS handshakes under way at the same time. Further clients wait for their turn.
    pub handshakes_max: usize,
    /// How often it is looked whether files of certificates have changed.
    pub certificate_period: Duration,
    /// Requests under way at the same time on one HTTP/2 connection.
    pub streams_max: u32,
    /// WebSocket connections of all stacks together; over it the answer is 503. They do not count as connections above.
    pub websockets_max: usize,
    /// How long a WebSocket client may be silent before it is pinged.
    pub ping_after: Duration,
    /// How long it may stay silent then before it counts as gone.
    pub pong_timeout: Duration,
    /// How long a WebSocket client may take to answer that the connection ends.
    pub close_timeout: Duration,
}

impl Default for GatewayConfig {
    fn default() -> Self {
        Self {
            connections_max: 8192,
            uri_bytes_max: 16 * 1024,
            header_bytes_max: 64 * 1024,
            head_timeout: Duration::from_secs(10),
            body_pause_max: Duration::from_secs(15),
            write_pause_max: Duration::from_secs(30),
            keep_alive: Duration::from_secs(75),
            drain_timeout: Duration::from_secs(30),
            handshake_timeout: Duration::from_secs(10),
            handshakes_max: 1024,
            certificate_period: Duration::from_secs(5),
            streams_max: 128,
            websockets_max: 65_536,
            ping_after: Duration::from_secs(30),
            pong_timeout: Duration::from_secs(30),
            close_timeout: Duration::from_secs(10),
        }
    }
}
