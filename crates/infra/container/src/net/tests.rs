//! Real namespaces, and programs' system calls in them: the tests need root, and say so where they are skipped.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{self, ErrorKind, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::{AsFd, AsRawFd};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use std::{env, process, thread};

use async_trait::async_trait;
use rustix::process::{Resource, Rlimit, getrlimit, getuid, setrlimit};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::task::yield_now;
use tokio::time::timeout;

use super::egress::CONNECTIONS_MAX;
use super::{Catch, DNS_ADDRESS, Dial, Namespace, netlink};

/// For what a test waits on that does come: a mistake ends the test rather than hangs it.
const PATIENCE: Duration = Duration::from_secs(60);

const KNOWN: &str = "db.example";

/// Leads everybody to one server, and remembers whom they asked for.
#[derive(Debug)]
struct OneServer {
    address: SocketAddr,
    refused: HashSet<&'static str>,
    asked: Mutex<Vec<String>>,
    places: Arc<Semaphore>,
}

#[async_trait]
impl Dial for OneServer {
    async fn dial(&self, host: &str, port: u16) -> Result<tokio::net::TcpStream, String> {
        self.asked.lock().expect("no test panics in it").push(format!("{host} {port}"));
        if self.refused.contains(host) {
            return Err("the rules forbid it".to_owned());
        }
        tokio::net::TcpStream::connect(self.address).await.map_err(|e| e.to_string())
    }

    async fn resolve(&self, host: &str) -> Vec<SocketAddr> {
        if host == KNOWN { vec![self.address] } else { Vec::new() }
    }

    fn place(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.places).try_acquire_owned().ok()
    }
}

impl OneServer {
    /// Each of its connections is a thread that runs `serve`.
    fn start(serve: fn(TcpStream) -> io::Result<()>) -> Arc<Self> {
        Self::with_places(1_000, serve)
    }

    /// The same with room for so many connections of all containers.
    fn with_places(places: usize, serve: fn(TcpStream) -> io::Result<()>) -> Arc<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("loopback has room");
        let address = listener.local_addr().expect("it is bound");
        thread::spawn(move || {
            for stream in listener.incoming() {
                thread::spawn(move || serve(stream?));
            }
        });
        let (asked, places) = (Mutex::default(), Arc::new(Semaphore::new(places)));
        Arc::new(Self { address, refused: HashSet::from(["203.0.113.66"]), asked, places })
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().expect("no test panics in it").clone()
    }
}

/// Answers when everything has been said.
fn echo(mut stream: TcpStream) -> io::Result<()> {
    let mut said = Vec::new();
    stream.read_to_end(&mut said)?;
    stream.write_all(&said)
}

/// Greets, and stays until the other one leaves.
fn greet(mut stream: TcpStream) -> io::Result<()> {
    stream.write_all(b"!")?;
    stream.read_to_end(&mut Vec::new()).map(|_| ())
}

fn may_run() -> bool {
    let may = getuid().is_root();
    assert!(may || env::var_os("MU_TEST_CONTAINERS").is_none_or(|value| value != "1"), "network namespaces need root");
    if !may {
        // Not by `eprintln!`, which nobody sees of a test that passes.
        let _ = io::stderr().write_all(b"SKIPPED: network namespaces need root; a failure with MU_TEST_CONTAINERS=1\n");
    }
    may
}

async fn namespace(dial: Arc<OneServer>, catch: Catch) -> Namespace {
    Namespace::create_by(Some(dial), catch).await.expect("root may make a namespace")
}

/// Runs a function on a thread that has entered a namespace as an OCI runtime does.
async fn within<T: Send + 'static>(path: &Path, function: impl FnOnce() -> T + Send + 'static) -> T {
    let file = File::open(path).expect("the path leads to the namespace");
    let (sender, receiver) = oneshot::channel();
    thread::spawn(move || {
        move_into_link_name_space(file.as_fd(), Some(LinkNameSpaceType::Network)).expect("root may enter it");
        drop(file);
        let _ = sender.send(function());
    });
    timeout(PATIENCE, receiver).await.expect("it ends").expect("it does not panic")
}

fn question(name: &str, kind: u8) -> Vec<u8> {
    let mut message = vec![7, 8, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    for label in name.split('.') {
        message.push(u8::try_from(label.len()).expect("short"));
        message.extend(label.as_bytes());
    }
    message.extend([0, 0, kind, 0, 1]);
    message
}

/// The address in an answer, or its code.
fn address(answer: &[u8]) -> Result<IpAddr, u8> {
    match (answer[3] & 0x0f, answer[7]) {
        (0, 1) => Ok(IpAddr::from(*answer.last_chunk::<4>().expect("it ends with an address"))),
        (code, _) => Err(code),
    }
}

fn look_up(name: &str, kind: u8) -> Result<IpAddr, u8> {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("loopback has room");
    socket.connect(DNS_ADDRESS).expect("loopback is there");
    socket.set_read_timeout(Some(PATIENCE)).expect("a timeout can be set");
    socket.send(&question(name, kind)).expect("loopback is up");
    let mut answer = [0; 512];
    let length = socket.recv(&mut answer).expect("the node answers");
    address(&answer[..length])
}

/// What comes back for what was said, when no more is said.
fn talk(address: impl Into<SocketAddr>, said: &[u8]) -> io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect_timeout(&address.into(), PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(said)?;
    // Fails where the connection was reset by now, which is read as well.
    let _ = stream.shutdown(Shutdown::Write);
    let mut heard = Vec::new();
    stream.read_to_end(&mut heard)?;
    Ok(heard)
}

/// A connection that [`greet`] has greeted; one too many is reset, which may be seen at once.
fn greeted() -> io::Result<TcpStream> {
    let mut stream = TcpStream::connect((Ipv4Addr::new(203, 0, 113, 7), 80))?;
    stream.read_exact(&mut [0])?;
    Ok(stream)
}

fn failure(address: &str) -> Option<ErrorKind> {
    talk(address.parse::<SocketAddr>().expect("an address"), b"hello").err().map(|error| error.kind())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_container_reaches_any_port_by_name_and_by_address() {
    if !may_run() {
        return;
    }
    let server = OneServer::start(echo);
    let namespace = namespace(Arc::clone(&server), netlink::catch_all).await;
    let has_ipv6 = within(&namespace.path(), || {
        let named = look_up("DB.example", 1).expect("the name is known");
        assert_eq!(look_up(KNOWN, 1), Ok(named), "the name keeps its address");
        assert_eq!(look_up(KNOWN, 28), Err(0), "it has no IPv6 address, and exists");
        let long = vec![7; 1 << 20];
        assert_eq!(talk((named, 5432), &long).expect("caught by name"), long);
        assert_eq!(talk(([203, 0, 113, 7], 65535), b"a").expect("caught by address"), b"a");
        let has_ipv6 = fs::exists("/proc/thread-self/net/if_inet6").expect("/proc is readable");
        if has_ipv6 {
            let ipv6: SocketAddr = "[2001:db8::7]:25".parse().expect("an address");
            assert_eq!(talk(ipv6, b"b").expect("caught by IPv6 address"), b"b");
        }
        has_ipv6
    })
    .await;
    let mut expected = vec!["db.example 5432", "203.0.113.7 65535"];
    expected.extend(has_ipv6.then_some("2001:db8::7 25"));
    assert_eq!(server.asked(), expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_dns_server_answers_streams_as_well() {
    if !may_run() {
        return;
    }
    let namespace = namespace(OneServer::start(echo), netlink::catch_all).await;
    let answers = within(&namespace.path(), || {
        let framed = |message: Vec<u8>| [vec![0, u8::try_from(message.len()).expect("short")], message].concat();
        talk(DNS_ADDRESS, &[framed(question(KNOWN, 1)), framed(question("other.example", 1))].concat())
    })
    .await
    .expect("the node answers");
    let (first, second) = answers[2..].split_at(usize::from(answers[1]));
    assert!(address(first).is_ok());
    assert_eq!(address(&second[2..]), Err(3));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_rules_decide_and_nothing_goes_around_them() {
    if !may_run() {
        return;
    }
    let server = OneServer::start(echo);
    let namespace = namespace(Arc::clone(&server), netlink::catch_all).await;
    within(&namespace.path(), || {
        assert_eq!(look_up("other.example", 1), Err(3), "a name that may not be connected to");
        for refused in ["203.0.113.66:80", "198.18.0.2:80", "198.19.255.255:80", "127.0.0.1:1", "198.18.0.1:1"] {
            assert_eq!(failure(refused), Some(ErrorKind::ConnectionReset), "{refused}");
        }
        for own in ["127.0.0.1:80", "127.1.2.3:5432", "198.18.0.1:80"] {
            assert_eq!(failure(own), Some(ErrorKind::ConnectionRefused), "{own} is the container itself");
        }
    })
    .await;
    assert_eq!(server.asked(), ["203.0.113.66 80"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn where_the_kernel_catches_nothing_the_web_is_reached() {
    if !may_run() {
        return;
    }
    let server = OneServer::start(echo);
    let namespace = namespace(Arc::clone(&server), || Err(ErrorKind::Unsupported.into())).await;
    within(&namespace.path(), || {
        let named = look_up(KNOWN, 1).expect("the name is known");
        for port in [80, 443] {
            assert_eq!(talk((named, port), b"a").expect("listened on"), b"a");
        }
        assert_eq!(failure("203.0.113.7:5432"), Some(ErrorKind::ConnectionRefused));
        assert_eq!(failure("127.0.0.1:80"), Some(ErrorKind::ConnectionReset), "nothing leads into the node");
    })
    .await;
    assert_eq!(server.asked(), ["db.example 80", "db.example 443"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_egress_there_is_loopback_alone() {
    if !may_run() {
        return;
    }
    let namespace = Namespace::create(None).await.expect("root may make a namespace");
    within(&namespace.path(), || {
        assert_eq!(failure("203.0.113.7:80"), Some(ErrorKind::NetworkUnreachable));
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("loopback has room");
        let own = listener.local_addr().expect("it is bound");
        thread::spawn(move || echo(listener.accept()?.0));
        assert_eq!(talk(own, b"a").expect("loopback is up"), b"a");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_are_limited() {
    if !may_run() {
        return;
    }
    // Each of them takes four files of this process.
    let files = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: files.maximum, ..files }).expect("within what is allowed");
    let namespace = namespace(OneServer::start(greet), netlink::catch_all).await;
    let open = within(&namespace.path(), || (0..300).flat_map(|_| greeted()).collect::<Vec<_>>()).await;
    assert_eq!(open.len(), CONNECTIONS_MAX);
    drop(open);
    // Room is made by those that end.
    within(&namespace.path(), || while greeted().is_err() {}).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn containers_share_the_room_for_connections() {
    if !may_run() {
        return;
    }
    let server = OneServer::with_places(5, greet);
    let one = namespace(Arc::clone(&server), netlink::catch_all).await;
    let other = namespace(server, netlink::catch_all).await;
    let open = within(&one.path(), || [greeted(), greeted(), greeted()]).await;
    assert!(open.iter().all(Result::is_ok), "{open:?}");
    let more = within(&other.path(), || [greeted(), greeted(), greeted()]).await;
    assert!(more[..2].iter().all(Result::is_ok) && more[2].is_err(), "{more:?}");
    drop(open);
    within(&other.path(), || while greeted().is_err() {}).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_left_of_a_dropped_namespace() {
    if !may_run() {
        return;
    }
    let namespace = namespace(OneServer::start(greet), netlink::catch_all).await;
    let path = namespace.path();
    let mut stream = within(&path, greeted).await.expect("there is room");
    let name = fs::read_link(&path).expect("the path is a link");
    // Keeps the namespace, to look into it.
    let file = File::open(&path).expect("the path leads to the namespace");
    let kept = format!("/proc/{}/fd/{}", process::id(), file.as_raw_fd());
    drop(namespace);
    let ended = tokio::task::spawn_blocking(move || stream.read(&mut [0]));
    assert!(matches!(timeout(PATIENCE, ended).await, Ok(Ok(Ok(0) | Err(_)))), "an open connection ends");
    let sockets = || ["tcp", "tcp6", "udp"].map(|kind| fs::read_to_string(format!("/proc/thread-self/net/{kind}")));
    let node_is_gone = async {
        loop {
            let listed = within(Path::new(&kept), sockets).await;
            let lines = listed.iter().flatten().flat_map(|text| text.lines().skip(1));
            // Ends of connections that the kernel remembers for a while belong to no process: their inode is zero.
            if lines.map(|line| line.split_whitespace().nth(9)).all(|inode| inode == Some("0")) {
                return;
            }
            yield_now().await;
        }
    };
    timeout(PATIENCE, node_is_gone).await.expect("the node closes its sockets");
    drop(file);
    let open = fs::read_dir("/proc/self/fd").expect("/proc is readable").flatten();
    let held = open.filter_map(|entry| fs::read_link(entry.path()).ok()).filter(|link| *link == name).count();
    assert_eq!(held, 0, "no file of this process holds the namespace");
}
