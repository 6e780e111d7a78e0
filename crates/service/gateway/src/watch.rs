//! Watches over all connections with one timer, so that a request costs no timer of its own.
//!
//! Each connection counts what happens on it in an [`Activity`]. A [`Watch`] looks at all of them a few times per
//! timeout, and tells those that are slow, idle or no longer wanted to close.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, Ordering, fence};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::Waker;
use std::time::Duration;

use crate::config::GatewayConfig;
use crate::unread::{Progress, Unread};

/// What happens on one connection, and what it was told to do.
#[derive(Debug, Default)]
pub(crate) struct Activity {
    /// Wakes the connection's task, which never changes.
    task: OnceLock<Waker>,
    order: AtomicU8,
    /// Reads from the socket that gave something.
    reads: AtomicU32,
    /// How many of them there were when the last response was written. What came later begins another request.
    settled_reads: AtomicU32,
    /// Requests whose head has arrived.
    requests: AtomicU32,
    /// Requests whose response is not yet written.
    under_way: AtomicU32,
    is_http2: AtomicBool,
    /// What the client has not taken of its responses.
    unread: Unread,
}

/// What a connection is told; later ones overrule earlier ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(crate) enum Order {
    /// Go on.
    Serve = 0,
    /// Finish the requests under way and close.
    Finish = 1,
    /// Tell the client that it is too slow, and close.
    Expire = 2,
    /// Close at once.
    Close = 3,
}

impl Activity {
    /// Notes whom to wake when there is an order. To be called before [`Activity::order`] is read.
    pub(crate) fn register(&self, task: &Waker) {
        if self.task.get().is_none() {
            let _ = self.task.set(task.clone());
            // Pairs with the fence in `command`: either the order is seen there, or the waker here.
            fence(Ordering::SeqCst);
        }
    }

    /// What the connection is to do.
    pub(crate) fn order(&self) -> Order {
        match self.order.load(Ordering::SeqCst) {
            0 => Order::Serve,
            1 => Order::Finish,
            2 => Order::Expire,
            _ => Order::Close,
        }
    }

    /// Notes that the client sent something.
    pub(crate) fn read(&self) {
        self.reads.fetch_add(1, Ordering::Relaxed);
    }

    /// Notes that the client speaks HTTP/2.
    pub(crate) fn speaks_http2(&self) {
        self.is_http2.store(true, Ordering::Relaxed);
    }

    /// Whether the client speaks HTTP/2.
    pub(crate) fn is_http2(&self) -> bool {
        self.is_http2.load(Ordering::Relaxed)
    }

    /// What the client has not taken of its responses.
    pub(crate) fn unread(&self) -> &Unread {
        &self.unread
    }

    fn command(&self, order: Order) {
        self.order.fetch_max(order as u8, Ordering::SeqCst);
        fence(Ordering::SeqCst);
        if let Some(task) = self.task.get() {
            task.wake_by_ref();
        }
    }
}

/// A request under way on a connection, from its head to the last byte that its response hands out.
#[derive(Debug)]
pub(crate) struct UnderWay {
    activity: Arc<Activity>,
    /// Tells it from others of the connection.
    number: u32,
}

impl UnderWay {
    pub(crate) fn start(activity: &Arc<Activity>) -> Self {
        let number = activity.requests.fetch_add(1, Ordering::Relaxed);
        activity.under_way.fetch_add(1, Ordering::Relaxed);
        Self { activity: Arc::clone(activity), number }
    }

    /// The connection's counters.
    pub(crate) fn activity(&self) -> &Arc<Activity> {
        &self.activity
    }

    /// The request's number on the connection.
    pub(crate) fn number(&self) -> u32 {
        self.number
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        let activity = &self.activity;
        activity.settled_reads.store(activity.reads.load(Ordering::Relaxed), Ordering::Relaxed);
        activity.under_way.fetch_sub(1, Ordering::Relaxed);
    }
}

/// All connections of a gateway.
#[derive(Debug)]
pub(crate) struct Watch {
    period: Duration,
    periods_max: PeriodsMax,
    connections: Mutex<HashMap<u64, Watched>>,
}

/// How many periods a connection may spend on what.
#[derive(Clone, Copy, Debug)]
struct PeriodsMax {
    head: u32,
    idle: u32,
    unread: u32,
}

/// A connection, and what was seen of it the last time.
#[derive(Debug)]
struct Watched {
    activity: Arc<Activity>,
    requests: u32,
    /// Periods without a request.
    idle_periods: u32,
    /// Periods since the client began to send the head of a request.
    head_periods: u32,
    /// Periods since the connection was told to finish, while nothing was under way.
    finish_periods: u32,
}

impl Watch {
    pub(crate) fn new(config: &GatewayConfig) -> Self {
        let shortest = config.head_timeout.min(config.keep_alive).min(config.write_pause_max);
        let period = (shortest / 4).max(Duration::from_millis(1));
        let periods = |time: Duration| u32::try_from(time.as_nanos().div_ceil(period.as_nanos())).unwrap_or(u32::MAX);
        let periods_max = PeriodsMax {
            head: periods(config.head_timeout),
            idle: periods(config.keep_alive),
            unread: periods(config.write_pause_max),
        };
        Self { period, periods_max, connections: Mutex::default() }
    }

    /// How often [`Watch::look`] wants to be called.
    pub(crate) fn period(&self) -> Duration {
        self.period
    }

    /// Starts to watch a connection.
    pub(crate) fn add(&self, id: u64) -> Arc<Activity> {
        let activity = Arc::new(Activity::default());
        let watched = Watched {
            activity: Arc::clone(&activity),
            requests: 0,
            idle_periods: 0,
            head_periods: 0,
            finish_periods: 0,
        };
        self.lock().insert(id, watched);
        activity
    }

    /// Stops to watch a connection.
    pub(crate) fn remove(&self, id: u64) {
        self.lock().remove(&id);
    }

    /// Tells every connection the same.
    pub(crate) fn command_all(&self, order: Order) {
        for watched in self.lock().values() {
            watched.activity.command(order);
        }
    }

    /// Looks at every connection once per period.
    pub(crate) fn look(&self) {
        for watched in self.lock().values_mut() {
            let order = watched.look(self.periods_max);
            if order > Order::Serve {
                watched.activity.command(order);
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<u64, Watched>> {
        self.connections.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Watched {
    fn look(&mut self, periods_max: PeriodsMax) -> Order {
        let now = &self.activity;
        let unread = now.unread.look(periods_max.unread);
        if unread == Progress::Stalled {
            // To finish is no use: it would wait for the client to read.
            return Order::Close;
        }
        let requests = now.requests.load(Ordering::Relaxed);
        let is_busy = now.under_way.load(Ordering::Relaxed) > 0 || unread == Progress::Taking;
        if is_busy || requests != self.requests {
            (self.idle_periods, self.head_periods, self.finish_periods) = (0, 0, 0);
            self.requests = requests;
            return Order::Serve;
        }
        self.idle_periods += 1;
        // Before the first request a head is due. Afterwards it is due once the client has sent something; over
        // HTTP/2 that may as well be an answer to a ping.
        let has_more = now.reads.load(Ordering::Relaxed) != now.settled_reads.load(Ordering::Relaxed);
        if requests == 0 || (has_more && !now.is_http2()) {
            self.head_periods += 1;
        }
        if now.order() > Order::Serve {
            self.finish_periods += 1;
        }
        // One period more than the limit takes, because the first one seen may have just begun.
        if self.finish_periods > periods_max.head {
            Order::Close
        } else if self.head_periods > periods_max.head {
            Order::Expire
        } else if self.idle_periods > periods_max.idle {
            Order::Finish
        } else {
            Order::Serve
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::unread::Chunk;

    /// A watch that waits four periods for a head, and eight for a request.
    fn watch() -> (Watch, Arc<Activity>) {
        let config = GatewayConfig {
            head_timeout: Duration::from_secs(4),
            keep_alive: Duration::from_secs(8),
            ..GatewayConfig::default()
        };
        let watch = Watch::new(&config);
        assert_eq!(watch.period(), Duration::from_secs(1));
        let activity = watch.add(1);
        (watch, activity)
    }

    /// The order in force after each of `periods` looks.
    fn orders(watch: &Watch, activity: &Activity, periods: u32) -> Vec<Order> {
        let look = |_| {
            watch.look();
            activity.order()
        };
        (0..periods).map(look).collect()
    }

    #[test]
    fn a_connection_without_a_request_expires() {
        let (watch, activity) = watch();
        let seen = orders(&watch, &activity, 5);
        assert_eq!(seen, [Order::Serve, Order::Serve, Order::Serve, Order::Serve, Order::Expire]);
    }

    #[test]
    fn a_request_may_take_as_long_as_it_needs() {
        let (watch, activity) = watch();
        let request = UnderWay::start(&activity);
        assert_eq!(orders(&watch, &activity, 100), vec![Order::Serve; 100]);
        drop(request);
        // Then the connection is idle, and told to finish; one that doesn't is closed.
        assert_eq!(orders(&watch, &activity, 8), vec![Order::Serve; 8]);
        assert_eq!(orders(&watch, &activity, 5), vec![Order::Finish; 5]);
        assert_eq!(orders(&watch, &activity, 1), [Order::Close]);
    }

    #[test]
    fn a_response_that_nobody_reads_closes_the_connection() {
        let config = GatewayConfig { write_pause_max: Duration::from_secs(8), ..GatewayConfig::default() };
        let watch = Watch::new(&config);
        let activity = watch.add(1);
        let request = UnderWay::start(&activity);
        let chunk = Chunk::new(Bytes::from_static(b"never read"), Some(&request));
        // The protocol holds the bytes; that the response's body has ended changes nothing.
        drop(request);
        assert_eq!(orders(&watch, &activity, 4), vec![Order::Serve; 4]);
        assert_eq!(orders(&watch, &activity, 1), [Order::Close]);
        drop(chunk);
    }

    #[test]
    fn half_a_head_expires_before_an_idle_connection_does() {
        for (is_http2, expected) in [(false, Order::Expire), (true, Order::Serve)] {
            let (watch, activity) = watch();
            drop(UnderWay::start(&activity));
            if is_http2 {
                activity.speaks_http2();
            }
            orders(&watch, &activity, 2);
            activity.read();
            assert_eq!(orders(&watch, &activity, 4), vec![Order::Serve; 4]);
            assert_eq!(orders(&watch, &activity, 1), [expected]);
        }
    }

    #[test]
    fn orders_are_only_ever_sharpened() {
        let (watch, activity) = watch();
        watch.command_all(Order::Close);
        watch.command_all(Order::Finish);
        assert_eq!(activity.order(), Order::Close);
        watch.remove(1);
        watch.command_all(Order::Expire);
    }
}
