//! The listener: accepts connections, and drains them at the end.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use mu_env::{Env, Shutdown};
use mu_invoke::Invoker;
use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::Semaphore;
use tokio::time::MissedTickBehavior;
use tokio_util::task::TaskTracker;

use crate::config::GatewayConfig;
use crate::connection::Connections;
use crate::service::Service;
use crate::watch::{Order, Watch};
use crate::websocket::SocketTasks;

/// Connections that the operating system keeps waiting until they are accepted.
const BACKLOG: u32 = 1024;

/// How long to wait after a connection could not be accepted, which mostly means that the process has no file
/// descriptor left.
const ACCEPT_RETRY: Duration = Duration::from_millis(100);

/// A gateway bound to its address. Clients can connect; they are answered once [`Gateway::serve`] runs.
pub struct Gateway {
    listener: TcpListener,
    address: SocketAddr,
    service: Arc<Service>,
    config: GatewayConfig,
}

/// The gateway cannot listen where it was told to.
#[derive(Debug, thiserror::Error)]
#[error("the gateway cannot listen on {address}: {source}; stop what uses the address or choose another one")]
pub struct BindError {
    address: SocketAddr,
    source: io::Error,
}

impl Gateway {
    /// Binds `address`; port 0 stands for any free port.
    ///
    /// # Errors
    /// When the address is in use, or is not one of this machine.
    pub fn bind(
        address: SocketAddr,
        env: Env,
        invoker: Arc<Invoker>,
        config: GatewayConfig,
    ) -> Result<Self, BindError> {
        let bound = listen(address).and_then(|listener| Ok((listener.local_addr()?, listener)));
        let (address, listener) = bound.map_err(|source| BindError { address, source })?;
        let sockets = SocketTasks::new(TaskTracker::new());
        let service = Arc::new(Service::new(env, invoker, config, sockets));
        Ok(Self { listener, address, service, config })
    }

    /// Where the gateway listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until `shutdown` is requested; then accepts nothing new, lets the requests under way finish for as long
    /// as the configuration allows, and cuts what is left.
    pub async fn serve(self, shutdown: Shutdown) {
        let watch = Arc::new(Watch::new(&self.config));
        let sockets = self.service.sockets().clone();
        let tasks = sockets.tracker().clone();
        let connections = Connections::new(self.service, Arc::clone(&watch), tasks.clone(), self.config);
        let serving = async {
            accept_until(&shutdown, self.listener, connections, &tasks, self.config.connections_max).await;
            drain(&watch, &sockets, self.config.drain_timeout).await;
        };
        tokio::select! {
            () = serving => {}
            () = look_again_and_again(&watch) => {}
        }
    }
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    // A restarted node gets its port back while connections of the earlier one linger.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Accepts connections until `shutdown` is requested, then closes the listener.
async fn accept_until(
    shutdown: &Shutdown,
    listener: TcpListener,
    connections: Connections,
    tasks: &TaskTracker,
    connections_max: usize,
) {
    let places = Arc::new(Semaphore::new(connections_max.min(Semaphore::MAX_PERMITS)));
    for id in 0_u64.. {
        let accept = async {
            let place = Arc::clone(&places).acquire_owned().await.expect("the semaphore is never closed");
            let stream = accept(&listener).await;
            (place, stream)
        };
        let (place, stream) = tokio::select! {
            accepted = accept => accepted,
            () = shutdown.requested() => break,
        };
        let connection = connections.clone().serve(stream, id);
        tasks.spawn(async move {
            connection.await;
            drop(place);
        });
    }
}

async fn accept(listener: &TcpListener) -> tokio::net::TcpStream {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => return stream,
            Err(error) => {
                tracing::warn!(%error, "accepting a connection; trying again");
                tokio::time::sleep(ACCEPT_RETRY).await;
            }
        }
    }
}

async fn drain(watch: &Watch, sockets: &SocketTasks, timeout: Duration) {
    let tasks = sockets.tracker();
    tasks.close();
    watch.command_all(Order::Finish);
    sockets.finish();
    if tokio::time::timeout(timeout, tasks.wait()).await.is_err() {
        tracing::warn!(?timeout, "requests did not finish in time; closing their connections");
        watch.command_all(Order::Close);
        sockets.cut();
        tasks.wait().await;
    }
}

async fn look_again_and_again(watch: &Watch) {
    let mut ticks = tokio::time::interval(watch.period());
    // After a stall of the process clients must get their time, not several looks at once.
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        watch.look();
    }
}
