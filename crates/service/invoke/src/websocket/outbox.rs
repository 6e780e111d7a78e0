//! What waits to be sent over one connection: bounded in number and in bytes.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use super::message::{Closing, SocketMessage};

/// Messages that may wait.
const MESSAGES_MAX: usize = 64;

/// Their bytes, as a multiple of the largest message.
const LARGEST_MESSAGES_MAX: u64 = 4;

/// Something that a gateway is to do with a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outbound {
    /// Send this.
    Message(SocketMessage),
    /// Send nothing more, and end the connection like this.
    Close(Closing),
}

/// Why a message does not wait to be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// The connection has ended, or is told to.
    #[error("the connection has ended")]
    Gone,
    /// The message is larger than messages of this gateway may be.
    #[error("the message is larger than {limit_bytes} bytes")]
    TooLarge {
        /// The limit of the gateway.
        limit_bytes: u64,
    },
    /// The client takes its messages more slowly than they come.
    #[error("too many messages wait to be sent already")]
    Full,
}

/// The queue of one connection. One task takes from it; anyone puts into it.
#[derive(Debug)]
pub(super) struct Outbox {
    queue: Mutex<Queue>,
    news: Notify,
    message_bytes_max: u64,
}

#[derive(Debug, Default)]
struct Queue {
    waiting: VecDeque<Outbound>,
    bytes: u64,
    is_shut: bool,
}

impl Outbox {
    pub(super) fn new(message_bytes_max: u64) -> Self {
        Self { queue: Mutex::default(), news: Notify::new(), message_bytes_max }
    }

    pub(super) fn send(&self, message: SocketMessage) -> Result<(), SendError> {
        let bytes = message.data().len() as u64;
        if bytes > self.message_bytes_max {
            return Err(SendError::TooLarge { limit_bytes: self.message_bytes_max });
        }
        let mut queue = self.lock();
        if queue.is_shut {
            return Err(SendError::Gone);
        }
        let bytes_max = self.message_bytes_max.saturating_mul(LARGEST_MESSAGES_MAX);
        if queue.waiting.len() >= MESSAGES_MAX || queue.bytes + bytes > bytes_max {
            return Err(SendError::Full);
        }
        queue.bytes += bytes;
        queue.waiting.push_back(Outbound::Message(message));
        drop(queue);
        self.news.notify_one();
        Ok(())
    }

    /// Ends the connection once all that waits is sent.
    pub(super) fn close(&self, closing: Closing) -> Result<(), SendError> {
        let mut queue = self.lock();
        if queue.is_shut {
            return Err(SendError::Gone);
        }
        queue.is_shut = true;
        queue.waiting.push_back(Outbound::Close(closing));
        drop(queue);
        self.news.notify_one();
        Ok(())
    }

    /// Takes nothing more, and forgets what waits.
    pub(super) fn shut(&self) {
        let mut queue = self.lock();
        *queue = Queue { is_shut: true, ..Queue::default() };
    }

    /// Messages that wait.
    pub(super) fn len(&self) -> usize {
        self.lock().waiting.len()
    }

    /// Waits for the next thing to do. Cancellation-safe.
    pub(super) async fn next(&self) -> Outbound {
        loop {
            let news = self.news.notified();
            if let Some(next) = self.take() {
                return next;
            }
            news.await;
        }
    }

    /// The next thing to do, if there is one.
    pub(super) fn take(&self) -> Option<Outbound> {
        let mut queue = self.lock();
        let next = queue.waiting.pop_front()?;
        if let Outbound::Message(message) = &next {
            queue.bytes -= message.data().len() as u64;
        }
        if queue.waiting.is_empty() {
            // A connection that has caught up holds no memory for it.
            queue.waiting = VecDeque::new();
        }
        Some(next)
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn message(bytes: usize) -> SocketMessage {
        SocketMessage::binary(Bytes::from(vec![b'x'; bytes]))
    }

    #[tokio::test]
    async fn messages_leave_in_their_order_and_the_end_comes_last() {
        let outbox = Outbox::new(10);
        assert_eq!(outbox.send(message(1)), Ok(()));
        assert_eq!(outbox.send(message(2)), Ok(()));
        let closing = Closing::new(1000, "bye");
        assert_eq!(outbox.close(closing.clone()), Ok(()));
        assert_eq!(outbox.send(message(3)), Err(SendError::Gone));
        assert_eq!(outbox.close(closing.clone()), Err(SendError::Gone));
        assert_eq!(outbox.next().await, Outbound::Message(message(1)));
        assert_eq!(outbox.next().await, Outbound::Message(message(2)));
        assert_eq!(outbox.next().await, Outbound::Close(closing));
    }

    #[test]
    fn number_and_bytes_are_limited() {
        let outbox = Outbox::new(10);
        assert_eq!(outbox.send(message(11)), Err(SendError::TooLarge { limit_bytes: 10 }));
        for _ in 0..4 {
            assert_eq!(outbox.send(message(10)), Ok(()));
        }
        assert_eq!(outbox.send(message(1)), Err(SendError::Full));
        assert_eq!(outbox.send(message(0)), Ok(()));

        let outbox = Outbox::new(10);
        for _ in 0..MESSAGES_MAX {
            assert_eq!(outbox.send(message(0)), Ok(()));
        }
        assert_eq!(outbox.send(message(0)), Err(SendError::Full));
        assert_eq!(outbox.len(), MESSAGES_MAX);
        outbox.shut();
        assert_eq!((outbox.len(), outbox.send(message(0))), (0, Err(SendError::Gone)));
    }

    #[tokio::test]
    async fn whoever_waits_is_told() {
        let outbox = Outbox::new(10);
        let (next, sent) = tokio::join!(outbox.next(), async { outbox.send(message(1)) });
        assert_eq!((next, sent), (Outbound::Message(message(1)), Ok(())));
    }
}
