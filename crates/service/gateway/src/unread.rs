//! The bytes of responses that a client has not taken yet, and whether it is taking them.
//!
//! A socket that can be written to says little: over HTTP/2 the client's windows hold a response back while pings are
//! answered, and over HTTP/1 a client may take a byte now and then. What counts is each response's own bytes.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::io::IoSlice;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::{Buf, Bytes};

use crate::watch::{Activity, UnderWay};

/// What a client must take of a response within the pause it is allowed, or all that there is of it. A client that
/// reads at all takes more: the smallest usual window of HTTP/2 is eight times as large.
pub(crate) const PROGRESS_BYTES_MIN: u64 = 8 * 1024;

/// The responses of one connection of which the client has not taken everything that it could.
#[derive(Debug, Default)]
pub(crate) struct Unread(Mutex<HashMap<u32, Waiting>>);

/// What is left of one response, and how its client gets on with it.
#[derive(Debug, Default)]
struct Waiting {
    left_bytes: u64,
    /// Taken since the last time it was enough.
    taken_bytes: u64,
    /// Periods in which it was not enough.
    periods: u32,
}

/// What a connection's unread responses look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    /// Everything was taken.
    Done,
    /// The client takes what there is.
    Taking,
    /// A response is not taken, or too slowly.
    Stalled,
}

impl Unread {
    pub(crate) fn add(&self, response: u32, bytes: u64) {
        if bytes > 0 {
            self.lock().entry(response).or_default().left_bytes += bytes;
        }
    }

    pub(crate) fn take(&self, response: u32, bytes: u64) {
        let mut responses = self.lock();
        let Entry::Occupied(mut entry) = responses.entry(response) else { return };
        let waiting = entry.get_mut();
        waiting.left_bytes = waiting.left_bytes.saturating_sub(bytes);
        waiting.taken_bytes += bytes;
        if waiting.left_bytes == 0 {
            entry.remove();
        }
    }

    /// Looks at every response once per period; one that made too little progress for more than `periods_max` stalls.
    pub(crate) fn look(&self, periods_max: u32) -> Progress {
        let mut progress = Progress::Done;
        for waiting in self.lock().values_mut() {
            if waiting.taken_bytes >= PROGRESS_BYTES_MIN {
                (waiting.taken_bytes, waiting.periods) = (0, 0);
            } else {
                waiting.periods += 1;
            }
            if waiting.periods > periods_max {
                return Progress::Stalled;
            }
            progress = Progress::Taking;
        }
        progress
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<u32, Waiting>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Bytes of a response on their way to the client. They count as unread until the protocol has written them.
pub(crate) struct Chunk {
    data: Bytes,
    /// Whose bytes they are: the connection's counters, and the request's number.
    response: Option<(Arc<Activity>, u32)>,
}

impl Chunk {
    /// Bytes of the response to the request under way.
    pub(crate) fn new(data: Bytes, request: Option<&UnderWay>) -> Self {
        let response = request.map(|request| (Arc::clone(request.activity()), request.number()));
        if let Some((activity, number)) = &response {
            activity.unread().add(*number, data.len() as u64);
        }
        Self { data, response }
    }

    fn taken(&self, count: usize) {
        if let Some((activity, number)) = &self.response {
            activity.unread().take(*number, count as u64);
        }
    }
}

impl Buf for Chunk {
    fn remaining(&self) -> usize {
        self.data.len()
    }

    fn chunk(&self) -> &[u8] {
        &self.data
    }

    fn chunks_vectored<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        self.data.chunks_vectored(slices)
    }

    fn advance(&mut self, count: usize) {
        self.data.advance(count);
        self.taken(count);
    }
}

impl Drop for Chunk {
    fn drop(&mut self) {
        // What is dropped is no longer held for anybody.
        if !self.data.is_empty() {
            self.taken(self.data.len());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PERIODS_MAX: u32 = 3;

    /// What is seen in each period when the client takes so many bytes of a response of a megabyte before each.
    fn seen(taken_bytes: &[u64]) -> Vec<Progress> {
        let unread = Unread::default();
        unread.add(7, 1 << 20);
        let look = |&bytes: &u64| {
            unread.take(7, bytes);
            unread.look(PERIODS_MAX)
        };
        taken_bytes.iter().map(look).collect()
    }

    #[test]
    fn a_response_must_make_progress_within_the_pause() {
        use Progress::{Done, Stalled, Taking};
        let enough = PROGRESS_BYTES_MIN;
        for (taken_bytes, expected) in [
            (vec![0, 0, 0, 0], vec![Taking, Taking, Taking, Stalled]),
            // A byte per period is no progress.
            (vec![1, 1, 1, 1], vec![Taking, Taking, Taking, Stalled]),
            (vec![0, 0, 0, enough, 0, 0, 0, 0], [vec![Taking; 7], vec![Stalled]].concat()),
            (vec![enough / 2; 20], vec![Taking; 20]),
            (vec![0, 0, 0, 1 << 20, 0], vec![Taking, Taking, Taking, Done, Done]),
        ] {
            assert_eq!(seen(&taken_bytes), expected, "{taken_bytes:?}");
        }
    }

    #[test]
    fn one_response_that_is_read_does_not_hide_one_that_is_not() {
        let unread = Unread::default();
        unread.add(1, 1);
        for period in 0..=PERIODS_MAX {
            unread.add(2, 1 << 20);
            unread.take(2, 1 << 20);
            let expected = if period < PERIODS_MAX { Progress::Taking } else { Progress::Stalled };
            assert_eq!(unread.look(PERIODS_MAX), expected);
        }
    }

    #[test]
    fn a_chunk_is_unread_until_it_is_written_or_dropped() {
        let activity = Arc::new(Activity::default());
        let request = UnderWay::start(&activity);
        let mut chunk = Chunk::new(Bytes::from_static(b"12345"), Some(&request));
        let other = Chunk::new(Bytes::from_static(b"67"), Some(&request));
        assert_eq!((chunk.remaining(), chunk.chunk()), (5, &b"12345"[..]));
        chunk.advance(5);
        assert_eq!(activity.unread().look(1), Progress::Taking);
        drop(other);
        assert_eq!(activity.unread().look(1), Progress::Done);
        drop(chunk);
        assert_eq!(activity.unread().look(1), Progress::Done);
    }
}
