//! Network namespaces of containers, and their way out: through the node, under the node's rules.
//!
//! A container never touches the machine's network. Its namespace has a loopback interface and nothing else; no bridge,
//! no address translation, no forwarding, nothing that the machine's own network knows of. With egress, every address is
//! routed to that interface, where the container's TCP connections are caught by sockets that belong to the node: they
//! were made by a thread that had entered the namespace. The node finds out whom the container meant, connects by
//! [`Dial`], which has all the rules, and copies both ways.
//!
//! What a container reaches with egress:
//! - TCP, any port, by name. The node is its DNS server, which answers for every name that may be connected to with an
//!   address of its own choice (`names`), and so knows the name when that address is connected to. Names are looked
//!   up once more, by the rules, for every connection.
//! - TCP, any port, to literal addresses, IPv4 and IPv6, which the rules see as text.
//! - Itself: 127.0.0.0/8, ::1, and its own address.
//!
//! What it does not: UDP other than questions to its DNS server, records other than addresses, and ICMP (its own kernel
//! answers every ping). Names have IPv4 addresses alone inside; what the node connects to may be of either kind.
//! Catching takes `nft_tproxy` in the machine's kernel, as distributions have it; without, ports 80 and 443 alone are
//! reached.
//!
//! Nothing has to be cleaned up, even after a node that was killed: the namespace is held by open files of the node and
//! by the container's processes, and ends with them.

mod dns;
mod egress;
mod names;
mod netlink;
#[cfg(test)]
mod tests;

use std::fs::File;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, UdpSocket};
use std::os::fd::AsRawFd;
use std::path::PathBuf;
use std::sync::{Arc, Once};
use std::{io, process, thread};

use rustix::thread::UnshareFlags;
use socket2::SockRef;
use tokio::sync::oneshot;
use tokio::task::JoinSet;

use crate::{Dial, RunnerError};

/// What a container finds in `/etc/resolv.conf`. Without egress nobody listens there, and lookups fail at once.
pub(crate) const RESOLV_CONF: &str = "nameserver 127.0.0.1\n";

/// The container's own address beside loopback: programs that ask for addresses of the kinds that the machine has
/// (`AI_ADDRCONFIG`) get none where there is only 127.0.0.1.
const OWN_ADDRESS: Ipv4Addr = Ipv4Addr::new(198, 18, 0, 1);

const DNS_ADDRESS: (Ipv4Addr, u16) = (Ipv4Addr::LOCALHOST, 53);

/// Where connections to all ports arrive. Containers cannot listen on such a low one, so it is taken from nobody.
const CATCH_PORT: u16 = 1;

/// The ports that are listened on where the kernel cannot catch all.
const WEB_PORTS: [u16; 2] = [80, 443];

/// A network namespace. It exists until this is dropped and no process is in it; its connections end with this.
#[derive(Debug)]
pub(crate) struct Namespace {
    file: File,
    _egress: JoinSet<()>,
}

/// What the thread inside leaves to the node.
struct Made {
    file: File,
    dns: Option<UdpSocket>,
    listeners: Vec<TcpListener>,
}

type Catch = fn() -> io::Result<()>;

impl Namespace {
    /// Makes a namespace with no way out, or with the one that `dial` is. Dropping the future leaves nothing behind.
    ///
    /// # Errors
    /// When the machine does not allow it.
    pub(crate) async fn create(dial: Option<Arc<dyn Dial>>) -> Result<Self, RunnerError> {
        Self::create_by(dial, netlink::catch_all).await
    }

    async fn create_by(dial: Option<Arc<dyn Dial>>, catch: Catch) -> Result<Self, RunnerError> {
        let (sender, receiver) = oneshot::channel();
        let catch = dial.is_some().then_some(catch);
        // A thread of its own, which ends: one that has left the node's namespace is of no use to anybody else.
        thread::Builder::new()
            .name("mu-netns".to_owned())
            .spawn(move || sender.send(make(catch)))
            .map_err(while_doing("starting a thread"))?;
        let made = receiver.await.expect("the thread always answers")?;
        let mut tasks = JoinSet::new();
        if let (Some(dial), Some(dns)) = (dial, made.dns) {
            egress::serve(dial, dns, made.listeners, &mut tasks).map_err(while_doing("serving a namespace"))?;
        }
        Ok(Self { file: made.file, _egress: tasks })
    }

    /// Where OCI runtimes find it, while this process lives.
    pub(crate) fn path(&self) -> PathBuf {
        format!("/proc/{}/fd/{}", process::id(), self.file.as_raw_fd()).into()
    }
}

/// Moves this thread into a new namespace, and makes it ready.
fn make(catch: Option<Catch>) -> Result<Made, RunnerError> {
    #[expect(deprecated, reason = "only a thread with files of its own would be unsafe, and that is not asked for")]
    rustix::thread::unshare(UnshareFlags::NEWNET)
        .map_err(|e| while_doing("making a network namespace (the node has to be root)")(e.into()))?;
    let file = File::open("/proc/thread-self/ns/net").map_err(while_doing("opening a network namespace"))?;
    netlink::bring_up().map_err(while_doing("bringing a loopback interface up"))?;
    let Some(catch) = catch else {
        return Ok(Made { file, dns: None, listeners: Vec::new() });
    };
    netlink::route_all().map_err(while_doing("routing a container's connections"))?;
    let (dns, listeners) = listen(catch).map_err(while_doing("listening in a network namespace"))?;
    Ok(Made { file, dns: Some(dns), listeners })
}

fn listen(catch: Catch) -> io::Result<(UdpSocket, Vec<TcpListener>)> {
    let dns = UdpSocket::bind(DNS_ADDRESS)?;
    let mut listeners = vec![TcpListener::bind(DNS_ADDRESS)?];
    match catch() {
        Ok(()) => {
            let listener = listen_on(CATCH_PORT)?;
            SockRef::from(&listener).set_ip_transparent_v4(true)?;
            listeners.push(listener);
        }
        Err(error) => {
            warn_of_ports(&error);
            for port in WEB_PORTS {
                listeners.push(listen_on(port)?);
            }
        }
    }
    Ok((dns, listeners))
}

/// Listens on all addresses of both kinds, or of IPv4 where there is no other.
fn listen_on(port: u16) -> io::Result<TcpListener> {
    let both: SocketAddr = (Ipv6Addr::UNSPECIFIED, port).into();
    TcpListener::bind([both, (Ipv4Addr::UNSPECIFIED, port).into()].as_slice())
}

fn warn_of_ports(error: &io::Error) {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let hint = "load the kernel module nft_tproxy";
        tracing::warn!(%error, hint, "containers with egress reach ports 80 and 443 alone");
    });
}

fn while_doing(action: &str) -> impl Fn(io::Error) -> RunnerError {
    move |source| RunnerError::Io { action: action.to_owned(), source }
}
