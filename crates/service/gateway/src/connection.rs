//! One client's connection, from its first byte to its last.

use std::convert::Infallible;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Poll;

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::rt::Executor;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use hyper_util::server::conn::auto;
use tokio_util::task::TaskTracker;

use crate::client_io::ClientIo;
use crate::client_stream::ClientStream;
use crate::config::GatewayConfig;
use crate::response::ResponseBody;
use crate::service::Service;
use crate::watch::{Activity, Order, UnderWay, Watch};

/// What a client may send of one request's body before it is read, over HTTP/2.
const STREAM_WINDOW_BYTES: u32 = 128 * 1024;

/// The same for all requests of a connection. With as many connections as there may be by default, 8192, clients can
/// make the node hold 2 GiB in this way.
const CONNECTION_WINDOW_BYTES: u32 = 256 * 1024;

/// The least size of the buffer in which a head is collected, given by the HTTP library.
const HEADER_BYTES_MIN: u32 = 8192;

/// How connections are served: HTTP/1.1, or HTTP/2 when the client starts with it.
#[derive(Clone)]
pub(crate) struct Connections {
    protocols: auto::Builder<TrackedTasks>,
    service: Arc<Service>,
    watch: Arc<Watch>,
    /// The next connection's number.
    ids: Arc<AtomicU64>,
    config: GatewayConfig,
}

impl Connections {
    pub(crate) fn new(service: Arc<Service>, watch: Arc<Watch>, tasks: TaskTracker, config: GatewayConfig) -> Self {
        let header_bytes_max = config.header_bytes_max.max(HEADER_BYTES_MIN);
        let mut protocols = auto::Builder::new(TrackedTasks(tasks));
        // No timer is given to HTTP/1: `Watch` limits the time for a head without one timer per request.
        protocols.http1().max_buf_size(header_bytes_max as usize);
        protocols
            .http2()
            .max_header_list_size(header_bytes_max)
            .max_concurrent_streams(config.streams_max)
            .initial_stream_window_size(STREAM_WINDOW_BYTES)
            .initial_connection_window_size(CONNECTION_WINDOW_BYTES);
        Self { protocols, service, watch, ids: Arc::default(), config }
    }

    /// Serves one connection until it ends. Dropping the future cuts it.
    pub(crate) async fn serve(self, stream: ClientStream) {
        let id = self.ids.fetch_add(1, Ordering::Relaxed);
        let watched = Watched { id, activity: self.watch.add(id), watch: Arc::clone(&self.watch) };
        let activity = &watched.activity;
        let io = ClientIo::new(stream, Arc::clone(activity), self.config.write_pause_max);
        let mut connection = pin!(self.protocols.serve_connection_with_upgrades(
            TokioIo::new(io),
            service_fn(|request| answer(Arc::clone(&self.service), activity, request)),
        ));
        let mut is_finishing = false;
        let ended = poll_fn(|cx| {
            activity.register(cx.waker());
            match activity.order() {
                Order::Close => return Poll::Ready(Ok(())),
                Order::Finish if !is_finishing => {
                    is_finishing = true;
                    connection.as_mut().graceful_shutdown();
                }
                // The socket itself reports a client that is too slow.
                Order::Serve | Order::Finish | Order::Expire => {}
            }
            connection.as_mut().poll(cx)
        });
        if let Err(error) = ended.await {
            // Clients come and go as they like; it is worth a look only when someone searches for a fault.
            tracing::debug!(%error, "a client's connection ended early");
        }
    }
}

/// Answers one request. What it returns owns all that it needs, as the HTTP library demands.
fn answer(
    service: Arc<Service>,
    activity: &Arc<Activity>,
    request: Request<Incoming>,
) -> impl Future<Output = Result<Response<ResponseBody>, Infallible>> + use<> {
    let under_way = UnderWay::start(activity);
    async move {
        let response = service.answer(request).await;
        Ok(response.map(|body| body.holding(under_way)))
    }
}

/// A connection in the watch's list, taken off it when dropped, also by a panic.
struct Watched {
    id: u64,
    activity: Arc<Activity>,
    watch: Arc<Watch>,
}

impl Drop for Watched {
    fn drop(&mut self) {
        self.watch.remove(self.id);
    }
}

/// Runs the streams of HTTP/2 connections as tasks that the gateway waits for.
#[derive(Clone)]
struct TrackedTasks(TaskTracker);

impl<F> Executor<F> for TrackedTasks
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    fn execute(&self, task: F) {
        self.0.spawn(task);
    }
}
