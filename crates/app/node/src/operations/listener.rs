//! Connections: few, short, and each for one request.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::answer::Answers;

/// Connections that the operating system keeps waiting until they are accepted.
const BACKLOG: u32 = 64;

/// Connections at the same time; further ones wait. Metrics and health are asked every few seconds, by few.
const CONNECTIONS_MAX: usize = 32;

/// How long a client may take to send the head of its request.
const HEAD_TIMEOUT: Duration = Duration::from_secs(5);

/// How long a connection may last in all, so that who does not read the answer does not keep others from theirs.
const CONNECTION_TIMEOUT: Duration = Duration::from_secs(30);

/// The head of a request, in bytes; over it the answer is 431.
const HEADER_BYTES_MAX: usize = 16 * 1024;

/// How long to wait after a connection could not be accepted, which mostly means that the process has no file
/// descriptor left.
const ACCEPT_RETRY: Duration = Duration::from_millis(100);

pub(super) fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    // A restarted node gets its port back while connections of the earlier one linger.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Serves connections until `end` resolves, and cuts those that are left.
pub(super) async fn serve(listener: TcpListener, answers: Arc<Answers>, end: impl Future<Output = ()> + Send) {
    let tasks = TaskTracker::new();
    let cut = CancellationToken::new();
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let mut end = pin!(end);
    loop {
        let (stream, place) = tokio::select! {
            accepted = accept(&listener, &places) => accepted,
            () = &mut end => break,
        };
        let (answers, cut) = (Arc::clone(&answers), cut.clone());
        tasks.spawn(async move {
            tokio::select! {
                _ = tokio::time::timeout(CONNECTION_TIMEOUT, connection(stream, &answers)) => {}
                () = cut.cancelled() => {}
            }
            drop(place);
        });
    }
    drop(listener);
    cut.cancel();
    tasks.close();
    tasks.wait().await;
}

async fn accept(listener: &TcpListener, places: &Arc<Semaphore>) -> (TcpStream, OwnedSemaphorePermit) {
    let place = Arc::clone(places).acquire_owned().await.expect("the semaphore is never closed");
    loop {
        match listener.accept().await {
            Ok((stream, _)) => return (stream, place),
            Err(error) => {
                tracing::warn!(%error, "accepting a connection for metrics or health; trying again");
                tokio::time::sleep(ACCEPT_RETRY).await;
            }
        }
    }
}

async fn connection(stream: TcpStream, answers: &Answers) {
    let service = service_fn(async |request| Ok::<_, Infallible>(answers.answer(&request).await));
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_buf_size(HEADER_BYTES_MAX)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), service);
    if let Err(error) = served.await {
        // Clients come and go as they like; it is worth a look only when someone searches for a fault.
        tracing::debug!(%error, "a connection for metrics or health ended early");
    }
}
