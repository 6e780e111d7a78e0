//! The listener of the management API.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::GracefulShutdown;
use mu_control::api::PeerAddress;
use mu_env::{Env, Shutdown};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tower_service::Service as _;

use super::tls::ApiTls;
use crate::error::StartError;
use crate::settings::{ApiSettings, Settings};

/// Clients at once; the next ones wait.
const CONNECTIONS_MAX: usize = 1_024;
/// The time in which a request's head must arrive.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
const HEADER_BYTES_MAX: u32 = 64 << 10;
/// Between two attempts to accept, when the system refuses for a while.
const PAUSE: Duration = Duration::from_millis(50);

/// Takes connections of clients that manage the node.
pub(super) struct ApiListener {
    listener: TcpListener,
    address: SocketAddr,
    tls: Option<ApiTls>,
    env: Env,
}

/// Under which URL clients reach the API that listens on this address.
pub(super) fn url(settings: &ApiSettings, address: SocketAddr) -> String {
    match &settings.public_url {
        Some(url) => url.as_str().trim_end_matches('/').to_owned(),
        None => format!("{}://{address}", if settings.tls.is_some() { "https" } else { "http" }),
    }
}

impl ApiListener {
    pub(super) fn bind(settings: &Settings, env: Env) -> Result<Self, StartError> {
        let address = settings.api.address;
        let tls = settings.api.tls.as_ref().map(|files| ApiTls::load(files, &settings.gateway.limits)).transpose()?;
        let failed = |source| StartError::Api { address, source };
        let listener = std::net::TcpListener::bind(address).map_err(failed)?;
        listener.set_nonblocking(true).map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        Ok(Self { listener: TcpListener::from_std(listener).map_err(failed)?, address, tls, env })
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until the node stops; requests under way are answered.
    pub(super) async fn serve(self, router: Router, shutdown: Shutdown) {
        let (graceful, room) = (GracefulShutdown::new(), Arc::new(Semaphore::new(CONNECTIONS_MAX)));
        let handshakes = self.tls.as_ref().map(|tls| tls.handshakes().clone());
        if let Some(tls) = self.tls {
            self.env.tasks().spawn(tls.follow(shutdown.clone()));
        }
        loop {
            // The node also stops when no place is free.
            let accept = async { (Arc::clone(&room).acquire_owned().await, self.listener.accept().await) };
            let (place, accepted) = tokio::select! {
                () = shutdown.requested() => break,
                accepted = accept => accepted,
            };
            let Ok((stream, peer)) = accepted else {
                tokio::time::sleep(PAUSE).await;
                continue;
            };
            let watched = graceful.watcher();
            let (router, handshakes, shutdown) = (router.clone(), handshakes.clone(), shutdown.clone());
            self.env.tasks().spawn(async move {
                let _place = place;
                let _ = stream.set_nodelay(true);
                match handshakes {
                    None => serve_client(stream, peer, router, watched).await,
                    Some(handshakes) => {
                        if let Some(stream) = handshakes.accept(stream, &shutdown).await {
                            serve_client(stream, peer, router, watched).await;
                        }
                    }
                }
            });
        }
        drop(self.listener);
        graceful.shutdown().await;
    }
}

async fn serve_client(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    peer: SocketAddr,
    router: Router,
    watcher: hyper_util::server::graceful::Watcher,
) {
    let service = service_fn(move |mut request: http::Request<Incoming>| {
        request.extensions_mut().insert(PeerAddress(peer.ip()));
        router.clone().call(request)
    });
    let mut protocols = auto::Builder::new(TokioExecutor::new());
    protocols
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_buf_size(HEADER_BYTES_MAX as usize);
    protocols.http2().timer(TokioTimer::new()).max_header_list_size(HEADER_BYTES_MAX);
    let connection = protocols.serve_connection(TokioIo::new(stream), service).into_owned();
    if let Err(error) = watcher.watch(connection).await {
        tracing::debug!(%error, "a client of the management API ended early");
    }
}

#[cfg(test)]
mod tests;
