//! Whether a connection still works, and whether it is still used: decided from when what was seen of it.

use std::time::Duration;

use tokio::time::Instant;

use crate::unread::PROGRESS_BYTES_MIN;

/// How long a connection may be what.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    /// Silent, before it is pinged.
    pub(super) ping_after: Duration,
    /// Silent after that, before it is given up.
    pub(super) pong: Duration,
    /// Without taking what is written, or as much of it as a client must take of a response.
    pub(super) write_pause: Duration,
    /// Without a message in either direction.
    pub(super) idle: Duration,
}

/// When what was seen of a connection.
#[derive(Debug)]
pub(super) struct Liveness {
    patience: Patience,
    /// The client sent something.
    heard: Instant,
    is_pinged: bool,
    /// A message passed.
    used: Instant,
    /// Bytes began to wait for the client, or it took enough of them; and what it took since.
    stalled: Option<(Instant, usize)>,
}

/// What is to be looked at besides the time.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Attention {
    /// The client is being read. While it isn't, nothing can be heard of it.
    pub(super) is_reading: bool,
    /// An event is on its way: the connection is not idle.
    pub(super) is_busy: bool,
}

/// What is to be done about a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Due {
    /// Send a ping.
    Ping,
    /// Nobody is there any more.
    Gone,
    /// The client does not read.
    Stalled,
    /// Nobody uses it.
    Idle,
}

impl Liveness {
    pub(super) fn new(patience: Patience, now: Instant) -> Self {
        Self { patience, heard: now, is_pinged: false, used: now, stalled: None }
    }

    /// The client sent something, or could not because it was not read.
    pub(super) fn hear(&mut self, now: Instant) {
        self.heard = now;
        self.is_pinged = false;
    }

    /// A ping was sent.
    pub(super) fn pinged(&mut self) {
        self.is_pinged = true;
    }

    /// A message passed.
    pub(super) fn used(&mut self, now: Instant) {
        self.used = now;
    }

    /// Something waits to be written.
    pub(super) fn wait_for_write(&mut self, now: Instant) {
        self.stalled.get_or_insert((now, 0));
    }

    /// The client took bytes; `is_all` when nothing waits any more.
    pub(super) fn wrote(&mut self, bytes: usize, is_all: bool, now: Instant) {
        let Some((_, taken)) = self.stalled.as_mut() else { return };
        *taken += bytes;
        if is_all {
            self.stalled = None;
        } else if *taken as u64 >= PROGRESS_BYTES_MIN {
            self.stalled = Some((now, 0));
        }
    }

    /// The next time at which something may be due.
    pub(super) fn deadline(&self, attention: Attention) -> Option<Instant> {
        let all = self.all(attention);
        all.into_iter().filter_map(|(at, _)| at).min()
    }

    /// What is due.
    pub(super) fn due(&self, now: Instant, attention: Attention) -> Option<Due> {
        let all = self.all(attention);
        all.into_iter().find(|(at, _)| at.is_some_and(|at| at <= now)).map(|(_, due)| due)
    }

    /// Everything that can become due, and when; the most urgent first.
    fn all(&self, attention: Attention) -> [(Option<Instant>, Due); 4] {
        let Patience { ping_after, pong, write_pause, idle } = self.patience;
        let silent = attention.is_reading.then_some(self.heard + ping_after);
        [
            (self.stalled.map(|(since, _)| since + write_pause), Due::Stalled),
            (silent.filter(|_| self.is_pinged).map(|at| at + pong), Due::Gone),
            ((!attention.is_busy).then_some(self.used + idle), Due::Idle),
            (silent.filter(|_| !self.is_pinged), Due::Ping),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const READING: Attention = Attention { is_reading: true, is_busy: false };

    fn seconds(count: u64) -> Duration {
        Duration::from_secs(count)
    }

    fn liveness() -> (Liveness, Instant) {
        let start = Instant::now();
        let patience =
            Patience { ping_after: seconds(30), pong: seconds(20), write_pause: seconds(10), idle: seconds(600) };
        (Liveness::new(patience, start), start)
    }

    /// The next deadline, in seconds after the start, and what is due then.
    fn next(liveness: &Liveness, start: Instant, attention: Attention) -> Option<(u64, Due)> {
        let at = liveness.deadline(attention)?;
        Some(((at - start).as_secs(), liveness.due(at, attention)?))
    }

    #[test]
    fn silence_is_answered_by_a_ping_and_then_by_giving_up() {
        let (mut liveness, start) = liveness();
        assert_eq!(next(&liveness, start, READING), Some((30, Due::Ping)));
        liveness.pinged();
        assert_eq!(next(&liveness, start, READING), Some((50, Due::Gone)));
        liveness.hear(start + seconds(45));
        assert_eq!(next(&liveness, start, READING), Some((75, Due::Ping)));
    }

    #[test]
    fn a_client_that_is_not_read_is_not_given_up() {
        let (mut liveness, start) = liveness();
        liveness.pinged();
        let busy = Attention { is_reading: false, is_busy: true };
        assert_eq!(next(&liveness, start, busy), None);
        assert_eq!(next(&liveness, start, Attention { is_busy: false, ..busy }), Some((600, Due::Idle)));
    }

    #[test]
    fn messages_keep_a_connection_and_pongs_do_not() {
        let (mut liveness, start) = liveness();
        liveness.used(start + seconds(100));
        liveness.hear(start + seconds(690));
        assert_eq!(next(&liveness, start, READING), Some((700, Due::Idle)));
        assert_eq!(next(&liveness, start, Attention { is_busy: true, ..READING }), Some((720, Due::Ping)));
    }

    #[test]
    fn whoever_takes_little_stalls() {
        let (mut liveness, start) = liveness();
        liveness.wait_for_write(start + seconds(1));
        liveness.wait_for_write(start + seconds(2));
        assert_eq!(next(&liveness, start, READING), Some((11, Due::Stalled)));
        liveness.wrote(8_000, false, start + seconds(5));
        assert_eq!(next(&liveness, start, READING), Some((11, Due::Stalled)));
        liveness.wrote(1_000, false, start + seconds(6));
        assert_eq!(next(&liveness, start, READING), Some((16, Due::Stalled)));
        liveness.wrote(1, true, start + seconds(7));
        assert_eq!(next(&liveness, start, READING), Some((30, Due::Ping)));
    }
}
