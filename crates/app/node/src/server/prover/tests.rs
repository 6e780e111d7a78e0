//! The prover against servers of a few lines: one that answers HTTP, one that answers DNS.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use mu_runtime::EgressPolicy;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, UdpSocket};

use super::*;

const HOST: &str = "www.example.com";
const PATH: &str = "/.well-known/mu-domain-challenge/t0ken";

/// Types of DNS records.
const A: u16 = 1;
const TXT: u16 = 16;

/// What a name has of a type: the data of each record.
type Records = HashMap<(String, u16), Vec<Vec<u8>>>;

fn prover(policy: EgressPolicy, http: Option<SocketAddr>, dns: SocketAddr) -> NetProver {
    // Another test of this process may have been first.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let prover = NetProver::new(HttpClient::new(policy), Some(dns));
    NetProver { http_port: http.map_or(HTTP_PORT, |address| address.port()), ..prover }
}

fn host() -> HostName {
    HOST.parse().unwrap()
}

fn reason<T: std::fmt::Debug>(result: Result<T, ProveError>) -> String {
    match result {
        Err(ProveError::NoAnswer { reason }) => reason,
        other => panic!("{other:?}"),
    }
}

/// Answers every connection the same, and remembers what it was asked.
async fn http_server(answer: &'static str) -> (SocketAddr, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, asked) = (listener.local_addr().unwrap(), Arc::<Mutex<Vec<String>>>::default());
    let seen = Arc::clone(&asked);
    tokio::spawn(async move {
        while let Ok((mut connection, _)) = listener.accept().await {
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n") && connection.read_buf(&mut request).await.unwrap_or(0) != 0 {}
            seen.lock().unwrap().push(String::from_utf8_lossy(&request).to_lowercase());
            let _ = connection.write_all(answer.as_bytes()).await;
        }
    });
    (address, asked)
}

/// A DNS server with some records, which can be changed.
async fn dns_server(records: &[(&str, u16, &[u8])]) -> (SocketAddr, Arc<Mutex<Records>>) {
    let mut all = Records::new();
    for (name, kind, data) in records {
        all.entry(((*name).to_owned(), *kind)).or_default().push(data.to_vec());
    }
    let (socket, all) = (UdpSocket::bind("127.0.0.1:0").await.unwrap(), Arc::new(Mutex::new(all)));
    let (address, known) = (socket.local_addr().unwrap(), Arc::clone(&all));
    tokio::spawn(async move {
        let mut query = [0; 512];
        while let Ok((length, client)) = socket.recv_from(&mut query).await {
            let reply = dns_reply(&query[..length], &known.lock().unwrap());
            let _ = socket.send_to(&reply, client).await;
        }
    });
    (address, all)
}

/// The reply to a query of one question (RFC 1035, 4.1).
fn dns_reply(query: &[u8], records: &Records) -> Vec<u8> {
    let (mut at, mut labels) = (12, Vec::new());
    while query[at] != 0 {
        let end = at + 1 + usize::from(query[at]);
        labels.push(String::from_utf8_lossy(&query[at + 1..end]).to_lowercase());
        at = end;
    }
    let (name, end) = (labels.join("."), at + 5);
    let kind = u16::from_be_bytes([query[at + 1], query[at + 2]]);
    let none = Vec::new();
    let found = records.get(&(name.clone(), kind)).unwrap_or(&none);
    let is_known = records.keys().any(|(known, _)| *known == name);
    let count = u16::try_from(found.len()).unwrap().to_be_bytes();
    // The id, a response that recursion was available for, and whether there is such a name.
    let mut reply = vec![query[0], query[1], 0x81, if is_known { 0x80 } else { 0x83 }];
    reply.extend([0, 1, count[0], count[1], 0, 0, 0, 0]);
    reply.extend(&query[12..end]);
    for data in found {
        // The question's name, its type and class, a minute to live.
        reply.extend([0xc0, 12, 0, u8::try_from(kind).unwrap(), 0, 1, 0, 0, 0, 60]);
        reply.extend(u16::try_from(data.len()).unwrap().to_be_bytes());
        reply.extend(data);
    }
    reply
}

/// The data of a TXT record with these parts.
fn txt(parts: &[&str]) -> Vec<u8> {
    parts.iter().flat_map(|part| [&[u8::try_from(part.len()).unwrap()], part.as_bytes()].concat()).collect()
}

#[tokio::test]
async fn the_host_is_asked_at_its_address_and_by_its_name() {
    let (http, asked) = http_server("HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nproof\n").await;
    let (dns, _) = dns_server(&[(HOST, A, &[127, 0, 0, 1])]).await;
    let prover = prover(EgressPolicy::Anywhere, Some(http), dns);
    assert_eq!(prover.http(&host(), PATH).await.unwrap(), "proof\n");
    let asked = asked.lock().unwrap().join("");
    assert!(asked.starts_with(&format!("get {PATH} http/1.1\r\n")), "{asked}");
    assert_eq!(asked.matches("host: ").count(), 1, "{asked}");
    assert!(asked.contains("host: www.example.com\r\n"), "{asked}");
}

#[tokio::test]
async fn only_a_small_answer_of_the_host_itself_counts() {
    let (dns, _) = dns_server(&[(HOST, A, &[127, 0, 0, 1])]).await;
    for (answer, expected) in [
        ("HTTP/1.1 404 Not Found\r\ncontent-length: 5\r\n\r\nproof", "404"),
        ("HTTP/1.1 301 Moved Permanently\r\nlocation: http://127.0.0.1/\r\ncontent-length: 0\r\n\r\n", "301"),
        ("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nbroken", ""),
        ("no HTTP\r\n\r\n", ""),
        ("", ""),
    ] {
        let (http, asked) = http_server(answer).await;
        let told = reason(prover(EgressPolicy::Anywhere, Some(http), dns).http(&host(), PATH).await);
        assert!(told.contains(expected) && !told.contains("proof"), "{answer:?}: {told}");
        assert!(!asked.lock().unwrap().is_empty());
    }
    let long = format!("HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n{}", "x".repeat(ANSWER_BYTES_MAX + 1));
    let (http, _) = http_server(long.leak()).await;
    let told = reason(prover(EgressPolicy::Anywhere, Some(http), dns).http(&host(), PATH).await);
    assert!(told.contains("larger than 4096 bytes"), "{told}");
}

#[tokio::test]
async fn hosts_inside_are_not_asked() {
    let (http, asked) = http_server("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
    for address in [[127, 0, 0, 1], [10, 0, 0, 1], [169, 254, 169, 254]] {
        let (dns, _) = dns_server(&[(HOST, A, &address)]).await;
        let told = reason(prover(EgressPolicy::PublicOnly, Some(http), dns).http(&host(), PATH).await);
        assert!(told.contains("is not permitted"), "{told}");
    }
    assert!(asked.lock().unwrap().is_empty());
}

#[tokio::test]
async fn the_parts_of_a_txt_record_belong_together() {
    const NAME: &str = "_mu-challenge.www.example.com";
    let (dns, records) = dns_server(&[(NAME, A, &[127, 0, 0, 1])]).await;
    let prover = prover(EgressPolicy::PublicOnly, None, dns);
    assert_eq!(prover.dns_txt(NAME).await.unwrap(), [""; 0], "other records are none");
    assert_eq!(prover.dns_txt("_mu-challenge.none.example").await.unwrap(), [""; 0]);
    assert!(reason(prover.http(&host(), PATH).await).contains("the host has no address"));
    // What has changed is seen at once.
    let both = vec![txt(&["v=spf1 -all"]), txt(&["t0ken.", "s_1"])];
    records.lock().unwrap().insert((NAME.to_owned(), TXT), both);
    let mut found = prover.dns_txt(NAME).await.unwrap();
    found.sort();
    assert_eq!(found, ["t0ken.s_1", "v=spf1 -all"]);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_is_not_there_is_told() {
    let free = UdpSocket::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let prover = prover(EgressPolicy::PublicOnly, None, free);
    let host = host();
    let (txt, http) = tokio::join!(prover.dns_txt("a.example"), prover.http(&host, PATH));
    for told in [reason(txt), reason(http)] {
        assert!(told.contains("looking it up") || told.contains("no DNS server answered"), "{told}");
    }
}
