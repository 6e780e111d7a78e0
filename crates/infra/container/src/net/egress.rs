//! The node's end of a container's connections: its DNS server, and the other side of everything it connects to.

use std::io;
use std::net::{self, IpAddr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::dns::{MESSAGE_BYTES_MAX, Query};
use super::names::{self, Names};
use super::{DNS_ADDRESS, Dial};

/// Connections of one container at once. More are reset.
pub(super) const CONNECTIONS_MAX: usize = 256;

/// Questions by datagram at once. More are not answered, and are asked again.
const QUESTIONS_MAX: usize = 64;

/// Names that are looked up for one container at once: a part of those that are for all.
const LOOKUPS_MAX: usize = 8;

/// The longest time to look a name up, or to connect.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);

/// A connection on which nothing moves ends after this, or after twice as long.
const IDLE_TIMEOUT: Duration = Duration::from_secs(600);

/// How long a listener rests when the node has no file left for a connection.
const REST: Duration = Duration::from_millis(100);

const BUFFER_BYTES: usize = 16 << 10;

struct Egress {
    dial: Arc<dyn Dial>,
    names: Mutex<Names>,
    room: Arc<Semaphore>,
    lookups: Semaphore,
}

/// Serves what was made inside a namespace, until the tasks are dropped.
pub(super) fn serve(
    dial: Arc<dyn Dial>,
    dns: net::UdpSocket,
    listeners: Vec<net::TcpListener>,
    tasks: &mut JoinSet<()>,
) -> io::Result<()> {
    let room = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let egress = Arc::new(Egress { dial, names: Mutex::default(), room, lookups: Semaphore::new(LOOKUPS_MAX) });
    dns.set_nonblocking(true)?;
    tasks.spawn(Arc::clone(&egress).answer_datagrams(UdpSocket::from_std(dns)?));
    for listener in listeners {
        listener.set_nonblocking(true)?;
        tasks.spawn(Arc::clone(&egress).accept(TcpListener::from_std(listener)?));
    }
    Ok(())
}

impl Egress {
    async fn accept(self: Arc<Self>, listener: TcpListener) {
        let mut connections = JoinSet::new();
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                Some(_) = connections.join_next() => continue,
            };
            let Ok((stream, _)) = accepted else {
                sleep(REST).await;
                continue;
            };
            let place = Arc::clone(&self.room).try_acquire_owned().ok();
            let Some(places) = place.and_then(|place| Some((place, self.dial.place()?))) else {
                tracing::debug!(CONNECTIONS_MAX, "a container has too many connections, or all have together");
                let _ = stream.set_zero_linger();
                continue;
            };
            let egress = Arc::clone(&self);
            connections.spawn(async move {
                egress.connection(stream).await;
                drop(places);
            });
        }
    }

    /// What fails is reset, so that nobody takes a part for the whole.
    async fn connection(&self, mut stream: TcpStream) {
        if let Err(reason) = self.carry(&mut stream).await {
            tracing::debug!(reason, "a connection of a container ended");
            let _ = stream.set_zero_linger();
        }
    }

    async fn carry(&self, inside: &mut TcpStream) -> Result<(), String> {
        let wanted = inside.local_addr().map_err(|e| e.to_string())?;
        let wanted = SocketAddr::new(wanted.ip().to_canonical(), wanted.port());
        if wanted == DNS_ADDRESS.into() {
            let answered = timeout(CONNECT_TIMEOUT, self.answer_stream(inside)).await;
            return answered.map_err(|e| e.to_string())?.map_err(|e| e.to_string());
        }
        let host = self.host_of(wanted.ip()).ok_or_else(|| format!("{wanted} stands for nothing"))?;
        let dialed = timeout(CONNECT_TIMEOUT, self.dial.dial(&host, wanted.port())).await;
        let connected = dialed.unwrap_or_else(|_| Err("nobody answered in time".to_owned()));
        let mut outside = connected.map_err(|e| format!("{host}:{}: {e}", wanted.port()))?;
        let copied = copy_both_ways(inside, &mut outside).await;
        if copied.is_err() {
            let _ = outside.set_zero_linger();
        }
        copied.map_err(|e| format!("{host}:{}: {e}", wanted.port()))
    }

    /// Whom the container means by an address.
    fn host_of(&self, address: IpAddr) -> Option<String> {
        match address {
            IpAddr::V4(v4) if names::is_of_pool(v4) => self.names().name_of(v4).map(|name| name.to_string()),
            // The container itself, where nobody listens but this.
            _ if address.is_loopback() => None,
            _ => Some(address.to_string()),
        }
    }

    async fn answer_datagrams(self: Arc<Self>, socket: UdpSocket) {
        let socket = Arc::new(socket);
        let mut answers = JoinSet::new();
        let mut buffer = [0; MESSAGE_BYTES_MAX];
        loop {
            let received = tokio::select! {
                received = socket.recv_from(&mut buffer) => received,
                Some(_) = answers.join_next() => continue,
            };
            let Ok((length, from)) = received else {
                sleep(REST).await;
                continue;
            };
            if answers.len() < QUESTIONS_MAX
                && let Some(query) = Query::parse(&buffer[..length])
            {
                let (egress, socket) = (Arc::clone(&self), Arc::clone(&socket));
                answers.spawn(async move {
                    let answer = egress.answer(&query).await;
                    // Whoever does not get it asks again.
                    let _ = socket.send_to(&answer, from).await;
                });
            }
        }
    }

    /// Answers questions that have their length in front, one after the other.
    async fn answer_stream(&self, stream: &mut TcpStream) -> io::Result<()> {
        let mut buffer = [0; MESSAGE_BYTES_MAX];
        loop {
            let length = match stream.read_u16().await {
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(()),
                length => usize::from(length?),
            };
            let too_long = || io::Error::new(io::ErrorKind::InvalidData, "a question is too long");
            let message = buffer.get_mut(..length).ok_or_else(too_long)?;
            stream.read_exact(message).await?;
            let Some(query) = Query::parse(message) else { return Ok(()) };
            let answer = self.answer(&query).await;
            let length = u16::try_from(answer.len()).expect("an answer is hardly longer than its question");
            stream.write_all(&[&length.to_be_bytes(), answer.as_slice()].concat()).await?;
        }
    }

    async fn answer(&self, query: &Query) -> Vec<u8> {
        let address = match query.host() {
            Some(host) => self.address_of(host).await,
            None => None,
        };
        query.answer(address)
    }

    /// The address that stands for a name, if that may be connected to.
    async fn address_of(&self, host: &str) -> Option<net::Ipv4Addr> {
        let known = self.names().address_of(host);
        if known.is_some() {
            return known;
        }
        let resolve = async {
            let _place = self.lookups.acquire().await.ok()?;
            Some(self.dial.resolve(host).await)
        };
        let addresses = timeout(CONNECT_TIMEOUT, resolve).await.ok()??;
        (!addresses.is_empty()).then(|| self.names().assign(host))
    }

    fn names(&self) -> MutexGuard<'_, Names> {
        self.names.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Copies until both sides have finished, or one fails, or nothing moves any more.
async fn copy_both_ways(inside: &mut TcpStream, outside: &mut TcpStream) -> io::Result<()> {
    // What arrives is passed on at once: it was gathered by whoever sent it.
    inside.set_nodelay(true)?;
    outside.set_nodelay(true)?;
    let moved = AtomicBool::new(false);
    let (inside_reader, inside_writer) = inside.split();
    let (outside_reader, outside_writer) = outside.split();
    let out = copy(inside_reader, outside_writer, &moved);
    let back = copy(outside_reader, inside_writer, &moved);
    tokio::select! {
        copied = async { tokio::try_join!(out, back) } => copied.map(|_| ()),
        () = stands_still(&moved) => Err(io::ErrorKind::TimedOut.into()),
    }
}

async fn copy(mut from: ReadHalf<'_>, mut to: WriteHalf<'_>, moved: &AtomicBool) -> io::Result<()> {
    let mut buffer = vec![0; BUFFER_BYTES];
    loop {
        let length = from.read(&mut buffer).await?;
        if length == 0 {
            return to.shutdown().await;
        }
        to.write_all(&buffer[..length]).await?;
        moved.store(true, Ordering::Relaxed);
    }
}

async fn stands_still(moved: &AtomicBool) {
    loop {
        sleep(IDLE_TIMEOUT).await;
        if !moved.swap(false, Ordering::Relaxed) {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn pair() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback has room");
        let address = listener.local_addr().expect("it is bound");
        let (connected, accepted) = tokio::join!(TcpStream::connect(address), listener.accept());
        (connected.expect("it is listened on"), accepted.expect("somebody connects").0)
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_that_stands_still_ends() {
        let ((_one, mut inside), (_two, mut outside)) = (pair().await, pair().await);
        let error = copy_both_ways(&mut inside, &mut outside).await.expect_err("nobody says anything");
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }
}
