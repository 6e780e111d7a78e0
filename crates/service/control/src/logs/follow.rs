//! Lines as they come, after those that have come.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use futures_util::Stream;
use mu_env::Timestamp;
use mu_stack::StackId;
use tokio::sync::Notify;

use super::filter::Matcher;
use super::{LogError, LogFilter, LogLine, LogOrder, LogPage, LogQuery, LogStore};

/// Who may follow logs at the same time.
const FOLLOWERS_MAX: usize = 256;
/// Lines that wait for one follower.
const WAITING_LINES_MAX: usize = 4_096;
/// Bytes of text that wait for one follower.
const WAITING_BYTES_MAX: usize = 1 << 20;
/// How many queries the newest lines of a history are looked for with.
const HISTORY_QUERIES_MAX: usize = 16;

/// With which of the lines that are stored already a follower begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum History {
    /// None.
    Nothing,
    /// At most so many of the newest, and no more than [`LINES_MAX`](super::LINES_MAX).
    Newest(usize),
    /// All since then.
    Since(Timestamp),
}

/// What a follower gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Followed {
    /// The next line.
    Line(Arc<LogLine>),
    /// So many lines are missing here, because they were not fetched in time.
    Lost(u64),
}

/// Follows the logs of a stack: first the history, then lines as they are stored. No line is missing between them, and
/// none comes twice.
pub struct Follow {
    store: Arc<LogStore>,
    subscription: Arc<Subscription>,
    /// The history ends before this number; the subscription begins with it.
    start: u64,
    fetched: VecDeque<LogLine>,
    /// What is left of the history.
    rest: Option<LogQuery>,
}

/// Those who follow, and the number of the first line they were not told of.
#[derive(Debug, Default)]
pub(super) struct Followers(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    published: u64,
    is_closed: bool,
    subscriptions: Vec<Weak<Subscription>>,
}

/// The lines that wait for one follower.
#[derive(Debug)]
pub(super) struct Subscription {
    matcher: Matcher,
    waiting: Mutex<Waiting>,
    wake: Notify,
}

#[derive(Debug, Default)]
struct Waiting {
    items: VecDeque<Followed>,
    bytes: usize,
    is_closed: bool,
}

impl Follow {
    pub(super) async fn open(
        store: Arc<LogStore>,
        stack: StackId,
        filter: LogFilter,
        history: History,
    ) -> Result<Self, LogError> {
        let (start, subscription) = store.followers.subscribe(Matcher::new(stack, &filter)?)?;
        let mut follow = Self { store, subscription, start, fetched: VecDeque::new(), rest: None };
        let query = LogQuery { filter, ..LogQuery::newest(stack) };
        match history {
            History::Nothing => {}
            History::Newest(lines) => follow.fetched = follow.newest(query, lines).await?,
            History::Since(since) => {
                follow.rest = Some(LogQuery { since: Some(since), order: LogOrder::OldestFirst, ..query });
            }
        }
        Ok(follow)
    }

    /// The next line; `None` when the node stops. Cancellation-safe.
    ///
    /// # Errors
    /// When the history cannot be read.
    pub async fn next(&mut self) -> Result<Option<Followed>, LogError> {
        loop {
            if let Some(line) = self.fetched.pop_front() {
                return Ok(Some(Followed::Line(Arc::new(line))));
            }
            let Some(query) = &self.rest else { break };
            let LogPage { lines, next } = query.answer(&*self.store.kv, Some(self.start)).await?;
            self.fetched = lines.into();
            self.rest = next.and(self.rest.take()).map(|query| LogQuery { cursor: next, ..query });
        }
        Ok(self.subscription.next().await)
    }

    /// The lines as a stream, which ends after an error.
    pub fn into_stream(self) -> impl Stream<Item = Result<Followed, LogError>> + Send {
        futures_util::stream::unfold(Some(self), |follow| async {
            let mut follow = follow?;
            match follow.next().await {
                Ok(followed) => Some((Ok(followed?), Some(follow))),
                Err(error) => Some((Err(error), None)),
            }
        })
    }

    async fn newest(&self, mut query: LogQuery, lines: usize) -> Result<VecDeque<LogLine>, LogError> {
        let mut newest = VecDeque::new();
        query.limit = lines.min(super::LINES_MAX);
        for _ in 0..HISTORY_QUERIES_MAX {
            let page = query.answer(&*self.store.kv, Some(self.start)).await?;
            query.limit -= page.lines.len();
            page.lines.into_iter().for_each(|line| newest.push_front(line));
            query.cursor = page.next;
            if query.limit == 0 || query.cursor.is_none() {
                break;
            }
        }
        Ok(newest)
    }
}

impl Followers {
    /// Nobody follows yet; the first line that will be published has this number.
    pub(super) fn new(published: u64) -> Self {
        Self(Mutex::new(State { published, ..State::default() }))
    }

    /// Tells of lines that are stored. Their numbers end before `end`.
    pub(super) fn publish(&self, lines: Vec<LogLine>, end: u64) {
        let mut state = self.lock();
        state.published = end;
        let followers: Vec<_> = state.subscriptions.iter().filter_map(Weak::upgrade).collect();
        for line in lines {
            let wanted: Vec<_> = followers.iter().filter(|follower| follower.matcher.wants(&line)).collect();
            if !wanted.is_empty() {
                let line = Arc::new(line);
                wanted.into_iter().for_each(|follower| follower.push(&line));
            }
        }
    }

    /// Ends all subscriptions, after what waits for them.
    pub(super) fn close(&self) {
        let mut state = self.lock();
        state.is_closed = true;
        state.subscriptions.iter().filter_map(Weak::upgrade).for_each(|follower| follower.close());
    }

    /// How many follow.
    pub(super) fn count(&self) -> usize {
        self.lock().subscriptions.iter().filter(|follower| follower.strong_count() > 0).count()
    }

    /// From the line with this number on, which is not stored yet.
    fn subscribe(&self, matcher: Matcher) -> Result<(u64, Arc<Subscription>), LogError> {
        let mut state = self.lock();
        state.subscriptions.retain(|follower| follower.strong_count() > 0);
        if state.subscriptions.len() >= FOLLOWERS_MAX {
            return Err(LogError::TooManyFollowers { followers_max: FOLLOWERS_MAX });
        }
        let waiting = Mutex::new(Waiting { is_closed: state.is_closed, ..Waiting::default() });
        let subscription = Arc::new(Subscription { matcher, waiting, wake: Notify::new() });
        state.subscriptions.push(Arc::downgrade(&subscription));
        Ok((state.published, subscription))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Subscription {
    async fn next(&self) -> Option<Followed> {
        loop {
            {
                let mut waiting = self.lock();
                if let Some(item) = waiting.items.pop_front() {
                    waiting.bytes -= item.bytes();
                    return Some(item);
                }
                if waiting.is_closed {
                    return None;
                }
            }
            self.wake.notified().await;
        }
    }

    fn push(&self, line: &Arc<LogLine>) {
        let mut waiting = self.lock();
        let item = Followed::Line(Arc::clone(line));
        if waiting.items.len() < WAITING_LINES_MAX && waiting.bytes + item.bytes() <= WAITING_BYTES_MAX {
            waiting.bytes += item.bytes();
            waiting.items.push_back(item);
        } else if let Some(Followed::Lost(lost)) = waiting.items.back_mut() {
            *lost += 1;
        } else {
            waiting.items.push_back(Followed::Lost(1));
        }
        drop(waiting);
        self.wake.notify_one();
    }

    fn close(&self) {
        self.lock().is_closed = true;
        self.wake.notify_one();
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Followed {
    fn bytes(&self) -> usize {
        match self {
            Self::Line(line) => line.message.len(),
            Self::Lost(_) => 0,
        }
    }
}
