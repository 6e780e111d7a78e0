//! All connections of a node.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use mu_env::{ConnectionId, Timestamp};
use mu_stack::StackId;

use super::message::{Closing, SocketMessage};
use super::outbox::{Outbound, Outbox, SendError};

/// The connections of all stacks, found by their ids.
#[derive(Debug, Default)]
pub struct Sockets(Mutex<Open>);

/// One connection.
#[derive(Debug)]
pub struct Socket {
    id: ConnectionId,
    stack: StackId,
    gateway: Arc<str>,
    path: Box<str>,
    opened: Timestamp,
    outbox: Outbox,
}

/// What a new connection is.
#[derive(Debug)]
pub struct SocketParams {
    /// Its id.
    pub id: ConnectionId,
    /// The stack that it belongs to.
    pub stack: StackId,
    /// The gateway that it came through.
    pub gateway: Arc<str>,
    /// The path below the gateway, as the client wrote it.
    pub path: Box<str>,
    /// When it was opened.
    pub opened: Timestamp,
    /// The largest message that may be sent over it.
    pub message_bytes_max: u64,
}

/// How many connections there may be.
#[derive(Clone, Copy, Debug)]
pub struct SocketsMax {
    /// Of one gateway, over all versions of its stack.
    pub gateway: usize,
    /// Of the whole node.
    pub node: usize,
}

/// There are as many connections as there may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SocketsFull {
    /// Of this gateway.
    #[error("the gateway has as many WebSocket connections as it may have, {max}")]
    Gateway {
        /// Its limit.
        max: usize,
    },
    /// Of the node.
    #[error("the node has as many WebSocket connections as it may have, {max}")]
    Node {
        /// Its limit.
        max: usize,
    },
}

/// A connection that can be reached by its id until this is dropped.
#[derive(Debug)]
pub struct OpenSocket {
    socket: Arc<Socket>,
    sockets: Arc<Sockets>,
}

#[derive(Debug, Default)]
struct Open {
    by_id: HashMap<ConnectionId, Arc<Socket>>,
    of_gateway: HashMap<(StackId, Arc<str>), usize>,
}

impl Sockets {
    /// Takes a connection in, if there is room.
    ///
    /// # Errors
    /// When the gateway, or the node, has as many as it may have.
    pub fn open(self: &Arc<Self>, params: SocketParams, max: SocketsMax) -> Result<OpenSocket, SocketsFull> {
        let SocketParams { id, stack, gateway, path, opened, message_bytes_max } = params;
        let mut open = self.lock();
        if open.by_id.len() >= max.node {
            return Err(SocketsFull::Node { max: max.node });
        }
        let count = open.of_gateway.get(&(stack, Arc::clone(&gateway))).copied().unwrap_or(0);
        if count >= max.gateway {
            return Err(SocketsFull::Gateway { max: max.gateway });
        }
        open.of_gateway.insert((stack, Arc::clone(&gateway)), count + 1);
        let socket = Arc::new(Socket { id, stack, gateway, path, opened, outbox: Outbox::new(message_bytes_max) });
        open.by_id.insert(id, Arc::clone(&socket));
        Ok(OpenSocket { socket, sockets: Arc::clone(self) })
    }

    /// The connection of that id, if the stack has it.
    #[must_use]
    pub fn find(&self, stack: StackId, id: ConnectionId) -> Option<Arc<Socket>> {
        self.lock().by_id.get(&id).filter(|socket| socket.stack == stack).cloned()
    }

    /// How many connections there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.lock().by_id.len()
    }

    fn remove(&self, socket: &Socket) {
        let mut open = self.lock();
        open.by_id.remove(&socket.id);
        if let Entry::Occupied(mut count) = open.of_gateway.entry((socket.stack, Arc::clone(&socket.gateway))) {
            *count.get_mut() -= 1;
            if *count.get() == 0 {
                count.remove();
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Open> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Socket {
    /// Its id.
    #[must_use]
    pub fn id(&self) -> ConnectionId {
        self.id
    }

    /// The stack that it belongs to.
    #[must_use]
    pub fn stack(&self) -> StackId {
        self.stack
    }

    /// The gateway that it came through.
    #[must_use]
    pub fn gateway(&self) -> &Arc<str> {
        &self.gateway
    }

    /// The path below the gateway, as the client wrote it.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// When it was opened.
    #[must_use]
    pub fn opened(&self) -> Timestamp {
        self.opened
    }

    /// Messages that wait to be sent.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.outbox.len()
    }

    /// Lets a message wait to be sent.
    ///
    /// # Errors
    /// When it is too large, or too many wait already, or the connection has ended.
    pub fn send(&self, message: SocketMessage) -> Result<(), SendError> {
        self.outbox.send(message)
    }

    /// Ends the connection once all that waits is sent.
    ///
    /// # Errors
    /// When it has ended already, or was told to.
    pub fn close(&self, closing: Closing) -> Result<(), SendError> {
        self.outbox.close(closing)
    }

    /// Waits for something to do with the connection; for the one task that owns it. Cancellation-safe.
    pub async fn next(&self) -> Outbound {
        self.outbox.next().await
    }

    /// Something to do with the connection, if there is something now.
    #[must_use]
    pub fn try_next(&self) -> Option<Outbound> {
        self.outbox.take()
    }
}

impl OpenSocket {
    /// The connection.
    #[must_use]
    pub fn socket(&self) -> &Arc<Socket> {
        &self.socket
    }
}

impl Drop for OpenSocket {
    fn drop(&mut self) {
        self.sockets.remove(&self.socket);
        self.socket.outbox.shut();
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use mu_env::Env;

    use super::*;

    fn params(env: &Env, stack: u8, gateway: &str) -> SocketParams {
        SocketParams {
            id: env.new_connection_id(),
            stack: StackId::new([stack; 32]),
            gateway: gateway.into(),
            path: "/".into(),
            opened: env.now(),
            message_bytes_max: 10,
        }
    }

    #[test]
    fn gateways_and_the_node_have_limits() {
        let (env, sockets) = (Env::simulated(1, Timestamp::from_micros(0)), Arc::new(Sockets::default()));
        let max = SocketsMax { gateway: 2, node: 3 };
        let open = |stack, gateway: &str| sockets.open(params(&env, stack, gateway), max);
        let first = open(1, "a").unwrap();
        let _second = open(1, "a").unwrap();
        assert_eq!(open(1, "a").unwrap_err(), SocketsFull::Gateway { max: 2 });
        let _other = open(2, "a").unwrap();
        assert_eq!(open(1, "b").unwrap_err(), SocketsFull::Node { max: 3 });
        drop(first);
        assert_eq!(sockets.count(), 2);
        assert!(open(1, "a").is_ok());
    }

    #[test]
    fn a_connection_is_found_by_its_own_stack_until_it_ends() {
        let (env, sockets) = (Env::simulated(1, Timestamp::from_micros(0)), Arc::new(Sockets::default()));
        let open_socket = sockets.open(params(&env, 1, "a"), SocketsMax { gateway: 9, node: 9 }).unwrap();
        let id = open_socket.socket().id();
        assert!(sockets.find(StackId::new([2; 32]), id).is_none());
        assert!(sockets.find(StackId::new([1; 32]), env.new_connection_id()).is_none());
        let found = sockets.find(StackId::new([1; 32]), id).unwrap();
        drop(open_socket);
        assert!(sockets.find(StackId::new([1; 32]), id).is_none());
        assert_eq!(found.send(SocketMessage::text(Bytes::from_static(b"hi"))), Err(SendError::Gone));
    }
}
