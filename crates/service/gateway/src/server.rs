//! The listener: accepts connections, and drains them at the end.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use mu_env::{Env, Shutdown};
use mu_invoke::Invoker;
use mu_telemetry::Limit;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::MissedTickBehavior;
use tokio_util::task::TaskTracker;

use crate::client_stream::ClientStream;
use crate::config::GatewayConfig;
use crate::connection::Connections;
use crate::ports::GatewayPorts;
use crate::service::Service;
use crate::tls::{CertificateStore, Handshakes};
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
    encrypted: Option<Encrypted>,
    env: Env,
    invoker: Arc<Invoker>,
    ports: GatewayPorts,
    config: GatewayConfig,
}

/// The second listener, whose clients speak TLS.
struct Encrypted {
    listener: TcpListener,
    address: SocketAddr,
    certificates: Arc<CertificateStore>,
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
        let (address, listener) = listen(address)?;
        Ok(Self { listener, address, encrypted: None, env, invoker, ports: GatewayPorts::default(), config })
    }

    /// The same with these ports.
    #[must_use]
    pub fn with_ports(mut self, ports: GatewayPorts) -> Self {
        self.ports = ports;
        self
    }

    /// The same with a second listener, for TLS 1.2 and 1.3 with these certificates, which are read again when their
    /// files change. Port 0 stands for any free port.
    ///
    /// # Errors
    /// When the address is in use, or is not one of this machine.
    pub fn with_tls(mut self, address: SocketAddr, certificates: Arc<CertificateStore>) -> Result<Self, BindError> {
        let (address, listener) = listen(address)?;
        self.encrypted = Some(Encrypted { listener, address, certificates });
        Ok(self)
    }

    /// Where the gateway listens for TLS, if it does.
    #[must_use]
    pub fn tls_address(&self) -> Option<SocketAddr> {
        self.encrypted.as_ref().map(|encrypted| encrypted.address)
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
        let sockets = SocketTasks::new(TaskTracker::new());
        let tasks = sockets.tracker().clone();
        let service = Arc::new(Service::new(self.env, self.invoker, self.ports, self.config, sockets.clone()));
        let connections = Connections::new(Arc::clone(&service), Arc::clone(&watch), tasks.clone(), self.config);
        let places = Arc::new(Semaphore::new(self.config.connections_max.min(Semaphore::MAX_PERMITS)));
        let door = |handshakes| Door {
            connections: connections.clone(),
            handshakes,
            service: Arc::clone(&service),
            places: Arc::clone(&places),
            tasks: tasks.clone(),
            shutdown: shutdown.clone(),
        };
        let certificates = self.encrypted.as_ref().map(|encrypted| Arc::clone(&encrypted.certificates));
        let serving = async {
            let plain = door(None).accept_until_shutdown(self.listener);
            match self.encrypted {
                Some(Encrypted { listener, certificates, .. }) => {
                    let handshakes = Handshakes::new(certificates, &self.config);
                    tokio::join!(plain, door(Some(handshakes)).accept_until_shutdown(listener));
                }
                None => plain.await,
            }
            drain(&watch, &sockets, self.config.drain_timeout).await;
        };
        let following = async {
            match certificates {
                Some(certificates) => certificates.follow(self.config.certificate_period).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = serving => {}
            () = look_again_and_again(&watch) => {}
            () = following => {}
        }
    }
}

fn listen(address: SocketAddr) -> Result<(SocketAddr, TcpListener), BindError> {
    let bound = try_listen(address).and_then(|listener| Ok((listener.local_addr()?, listener)));
    bound.map_err(|source| BindError { address, source })
}

fn try_listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    // A restarted node gets its port back while connections of the earlier one linger.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// What the clients of one listener meet.
struct Door {
    connections: Connections,
    /// What comes first, where they speak TLS.
    handshakes: Option<Handshakes>,
    service: Arc<Service>,
    /// Connections of all listeners together.
    places: Arc<Semaphore>,
    tasks: TaskTracker,
    shutdown: Shutdown,
}

impl Door {
    /// Accepts connections until `shutdown` is requested, then closes the listener.
    async fn accept_until_shutdown(self, listener: TcpListener) {
        loop {
            let accept = async {
                // In this order, or one listener would keep the last place while it waits for a client.
                let stream = accept(&listener).await;
                (self.place().await, stream)
            };
            let (place, stream) = tokio::select! {
                accepted = accept => accepted,
                () = self.shutdown.requested() => break,
            };
            let (connections, handshakes, shutdown) =
                (self.connections.clone(), self.handshakes.clone(), self.shutdown.clone());
            self.tasks.spawn(async move {
                if let Some(stream) = enter(stream, handshakes, &shutdown).await {
                    connections.serve(stream).await;
                }
                drop(place);
            });
        }
    }

    /// A place for a connection, once there is one.
    async fn place(&self) -> OwnedSemaphorePermit {
        if let Ok(place) = Arc::clone(&self.places).try_acquire_owned() {
            return place;
        }
        self.service.limit_hit(Limit::GatewayConnections);
        Arc::clone(&self.places).acquire_owned().await.expect("the semaphore is never closed")
    }
}

/// Makes of a new connection one that can be served; `None` when there is nothing to serve.
async fn enter(stream: TcpStream, handshakes: Option<Handshakes>, shutdown: &Shutdown) -> Option<ClientStream> {
    // Small responses must not wait for an acknowledgement of earlier ones.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "setting TCP_NODELAY on a client's connection");
    }
    match handshakes {
        // Boxed, so that the connection's task does not keep room for it for ever.
        Some(handshakes) => {
            let stream = Box::pin(handshakes.accept(stream, shutdown)).await?;
            Some(ClientStream::Tls(Box::new(stream)))
        }
        None => Some(ClientStream::Plain(stream)),
    }
}

async fn accept(listener: &TcpListener) -> TcpStream {
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
