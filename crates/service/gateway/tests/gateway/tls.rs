//! Connections over TLS.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use mu_gateway::{CertificateFiles, CertificateStore, GatewayConfig};
use mu_invoke::InvokeConfig;
use rcgen::{CertificateParams, CertifiedKey, KeyPair};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ProtocolVersion, RootCertStore, SupportedProtocolVersion, version};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::client::{Answer, Client};
use crate::world::World;

/// A certificate for these names, and its key.
fn certificate(names: &[&str]) -> CertifiedKey<KeyPair> {
    let names: Vec<_> = names.iter().map(|&name| name.to_owned()).collect();
    let signing_key = KeyPair::generate().unwrap();
    let cert = CertificateParams::new(names).unwrap().self_signed(&signing_key).unwrap();
    CertifiedKey { cert, signing_key }
}

/// Writes a certificate and its key into files of this name.
fn write(folder: &Path, name: &str, certificate: &CertifiedKey<KeyPair>) -> CertificateFiles {
    let files = CertificateFiles { chain: folder.join(format!("{name}.pem")), key: folder.join(format!("{name}.key")) };
    std::fs::write(&files.chain, certificate.cert.pem()).unwrap();
    std::fs::write(&files.key, certificate.signing_key.serialize_pem()).unwrap();
    files
}

fn client_config(
    trusted: &[&CertifiedKey<KeyPair>],
    versions: &[&'static SupportedProtocolVersion],
    protocols: &[&str],
) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    for certificate in trusted {
        roots.add(certificate.cert.der().clone()).unwrap();
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_protocol_versions(versions).unwrap();
    let mut config = builder.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
    config
}

async fn connect(address: SocketAddr, name: &str, config: ClientConfig) -> std::io::Result<TlsStream<TcpStream>> {
    let stream = TcpStream::connect(address).await?;
    TlsConnector::from(Arc::new(config)).connect(ServerName::try_from(name.to_owned()).unwrap(), stream).await
}

const BOTH: &[&SupportedProtocolVersion] = &[&version::TLS12, &version::TLS13];

/// Asks for `/shop/api/echo` over whichever protocol was agreed on.
async fn ask(address: SocketAddr, stream: TlsStream<TcpStream>) -> Answer {
    let is_http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
    let mut client = if is_http2 {
        let (client, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        Client::Http2(address, client)
    } else {
        let (client, connection) = http1::handshake::<_, Full<Bytes>>(TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        Client::Http1(address, client)
    };
    client.ask("POST", "/shop/api/echo", &[], &"body ".repeat(50_000)).await
}

struct Tls {
    world: World,
    address: SocketAddr,
    store: Arc<CertificateStore>,
}

async fn tls(config: GatewayConfig, files: Vec<CertificateFiles>) -> Tls {
    let store = Arc::new(CertificateStore::load(files).unwrap());
    let world = World::with_tls(config, InvokeConfig::default(), Some(Arc::clone(&store))).await;
    let address = world.tls_address.unwrap();
    Tls { world, address, store }
}

#[tokio::test]
async fn both_protocols_and_both_versions_are_spoken() {
    let folder = tempfile::tempdir().unwrap();
    let own = certificate(&["a.example"]);
    let tls = tls(GatewayConfig::default(), vec![write(folder.path(), "a", &own)]).await;
    for (versions, protocols, expected) in [
        (BOTH, &["h2", "http/1.1"][..], (ProtocolVersion::TLSv1_3, Some(&b"h2"[..]))),
        (&[&version::TLS12][..], &["h2", "http/1.1"], (ProtocolVersion::TLSv1_2, Some(b"h2"))),
        (BOTH, &["http/1.1"], (ProtocolVersion::TLSv1_3, Some(b"http/1.1"))),
        // A client that names no protocol speaks HTTP/1.1.
        (BOTH, &[], (ProtocolVersion::TLSv1_3, None)),
    ] {
        let stream = connect(tls.address, "a.example", client_config(&[&own], versions, protocols)).await.unwrap();
        let agreed = (stream.get_ref().1.protocol_version().unwrap(), stream.get_ref().1.alpn_protocol());
        assert_eq!(agreed, expected);
        let answer = ask(tls.address, stream).await;
        assert_eq!((answer.status, answer.json()["body"].as_str().unwrap().len()), (200, 250_000));
    }
    // One that wants something else is told so.
    assert!(connect(tls.address, "a.example", client_config(&[&own], BOTH, &["smtp"])).await.is_err());
    // The other listener is there as well.
    assert_eq!(tls.world.get("/shop/api/echo").await.status, 200);
}

/// The names of the certificate that a client gets that asks for a name.
async fn chosen<'c>(address: SocketAddr, name: &str, all: &[(&'c str, &CertifiedKey<KeyPair>)]) -> &'c str {
    let trusted: Vec<_> = all.iter().map(|(_, certificate)| *certificate).collect();
    let mut config = client_config(&trusted, BOTH, &[]);
    // Which certificate it is matters here, not whether it is the right one.
    config.dangerous().set_certificate_verifier(Arc::new(Trusting));
    let stream = connect(address, name, config).await.unwrap();
    let got = &stream.get_ref().1.peer_certificates().unwrap()[0];
    all.iter().find(|(_, certificate)| certificate.cert.der() == got).map(|(label, _)| *label).unwrap()
}

#[tokio::test]
async fn the_certificate_is_chosen_by_the_name_that_is_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let (first, second, third) =
        (certificate(&["a.example", "www.a.example"]), certificate(&["*.a.example"]), certificate(&["A.example"]));
    let files = [("first", &first), ("second", &second), ("third", &third)];
    let paths = files.iter().map(|(name, certificate)| write(folder.path(), name, certificate)).collect();
    let tls = tls(GatewayConfig::default(), paths).await;
    let added = certificate(&["added.example", "a.example"]);
    let all = [("first", &first), ("second", &second), ("third", &third), ("added", &added)];
    tls.store.add("added.example", added.cert.pem().as_bytes(), added.signing_key.serialize_pem().as_bytes()).unwrap();
    for (name, expected) in [
        ("a.example", "first"),
        ("A.Example", "first"),
        ("www.a.example", "first"),
        ("other.a.example", "second"),
        ("x.other.a.example", "first"),
        ("unknown.example", "first"),
        // An address is never asked for.
        ("127.0.0.1", "first"),
        ("added.example", "added"),
    ] {
        assert_eq!(chosen(tls.address, name, &all).await, expected, "{name}");
    }
    tls.store.remove("added.example");
    assert_eq!(chosen(tls.address, "added.example", &all).await, "first");
    // A client that checks does not take the default for what it asked for.
    assert!(connect(tls.address, "unknown.example", client_config(&[&first], BOTH, &[])).await.is_err());
}

#[tokio::test]
async fn changed_files_are_read_and_broken_ones_are_not_used() {
    let folder = tempfile::tempdir().unwrap();
    let (old, new) = (certificate(&["a.example"]), certificate(&["a.example"]));
    let files = write(folder.path(), "a", &old);
    let tls = tls(GatewayConfig::default(), vec![files.clone()]).await;
    let all = [("old", &old), ("new", &new)];
    assert!(!tls.store.reload().await.unwrap(), "nothing has changed");

    // The certificate is there before its key is.
    std::fs::write(&files.chain, new.cert.pem()).unwrap();
    let error = tls.store.reload().await.unwrap_err().to_string();
    assert!(error.contains("a.key cannot be used with the certificate in"), "{error}");
    assert!(!tls.store.reload().await.unwrap(), "what is broken is told once");
    assert_eq!(chosen(tls.address, "a.example", &all).await, "old");
    std::fs::remove_file(&files.key).unwrap();
    assert!(tls.store.reload().await.unwrap_err().to_string().contains("reading "));
    std::fs::write(&files.key, new.signing_key.serialize_pem()).unwrap();
    assert!(tls.store.reload().await.unwrap());
    assert_eq!(chosen(tls.address, "a.example", &all).await, "new");
}

#[tokio::test]
async fn files_are_looked_at_again_and_again() {
    let folder = tempfile::tempdir().unwrap();
    let (old, new) = (certificate(&["a.example"]), certificate(&["a.example"]));
    let files = write(folder.path(), "a", &old);
    let config = GatewayConfig { certificate_period: Duration::from_millis(1), ..GatewayConfig::default() };
    let tls = tls(config, vec![files]).await;
    write(folder.path(), "a", &new);
    while chosen(tls.address, "a.example", &[("old", &old), ("new", &new)]).await == "old" {
        tokio::task::yield_now().await;
    }
}

#[test]
fn what_is_wrong_with_files_is_told_with_their_names() {
    let folder = tempfile::tempdir().unwrap();
    let (own, other) = (certificate(&["a.example"]), certificate(&["b.example"]));
    let good = write(folder.path(), "own", &own);
    let path = |name: &str, content: &[u8]| {
        let path = folder.path().join(name);
        std::fs::write(&path, content).unwrap();
        path
    };
    let with = |chain: Option<std::path::PathBuf>, key: Option<std::path::PathBuf>| CertificateFiles {
        chain: chain.unwrap_or_else(|| good.chain.clone()),
        key: key.unwrap_or_else(|| good.key.clone()),
    };
    let no_der = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    for (files, told) in [
        (with(Some(folder.path().join("nowhere.pem")), None), "nowhere.pem: No such file or directory"),
        (with(None, Some(folder.path().to_owned())), "Is a directory"),
        (with(Some(path("empty", b"")), None), "empty has no certificate; put the chain there"),
        (with(None, Some(good.chain.clone())), "own.pem has no private key, or an encrypted one"),
        (with(Some(path("cut.pem", b"-----BEGIN CERTIFICATE-----\nAAAA\n")), None), "cut.pem is not PEM"),
        (with(Some(path("not.pem", no_der)), None), "not.pem"),
        (with(None, Some(path("other.key", other.signing_key.serialize_pem().as_bytes()))), "other.key cannot be used"),
        (with(Some(path("large.pem", &vec![b'x'; (1 << 20) + 1])), None), "large.pem has more than 1048576 bytes"),
    ] {
        let error = CertificateStore::load(vec![good.clone(), files]).unwrap_err().to_string();
        assert!(error.contains(told), "{error}");
        let key = own.signing_key.serialize_pem();
        assert!(!error.contains(&key.lines().nth(1).unwrap()[..8]), "{error}");
    }
}

#[tokio::test]
async fn slow_handshakes_and_nonsense_end_and_harm_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let own = certificate(&["a.example"]);
    let config =
        GatewayConfig { handshake_timeout: Duration::from_millis(40), handshakes_max: 2, ..GatewayConfig::default() };
    let tls = tls(config, vec![write(folder.path(), "a", &own)]).await;
    let mut slow = Vec::new();
    for beginning in [&b""[..], b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", b"\x16", b"\x16\x03\x01"] {
        let mut stream = TcpStream::connect(tls.address).await.unwrap();
        stream.write_all(beginning).await.unwrap();
        slow.push(stream);
    }
    for mut stream in slow {
        assert_eq!(stream.read(&mut [0; 16]).await.unwrap_or(0), 0, "it is closed without a word");
    }
    for nonsense in
        [&b"GET / HTTP/1.1\r\nhost: x\r\n\r\n"[..], b"\x00\x01\x02\x03", &[0xff; 70_000], b"PRI * HTTP/2.0\r\n\r\n"]
    {
        let mut stream = TcpStream::connect(tls.address).await.unwrap();
        let _ = stream.write_all(nonsense).await;
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer).await;
        assert!(!answer.starts_with(b"HTTP"), "{answer:?}");
    }
    let stream = connect(tls.address, "a.example", client_config(&[&own], BOTH, &["h2"])).await.unwrap();
    assert_eq!(ask(tls.address, stream).await.status, 200);
}

#[tokio::test]
async fn websockets_work_and_the_gateway_stops() {
    let folder = tempfile::tempdir().unwrap();
    let own = certificate(&["a.example"]);
    let tls = tls(GatewayConfig::default(), vec![write(folder.path(), "a", &own)]).await;
    let mut half = TcpStream::connect(tls.address).await.unwrap();
    half.write_all(b"\x16\x03\x01").await.unwrap();
    let mut socket = connect(tls.address, "a.example", client_config(&[&own], BOTH, &["http/1.1"])).await.unwrap();
    let handshake = "GET /shop/sockets/ HTTP/1.1\r\nhost: a.example\r\nupgrade: websocket\r\nconnection: upgrade\r\n\
                     sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    socket.write_all(handshake.as_bytes()).await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(socket.read_u8().await.unwrap());
    }
    assert!(head.starts_with(b"HTTP/1.1 101 "), "{}", String::from_utf8_lossy(&head));
    // A message of more than one record, whose mask changes nothing.
    let message = vec![b'x'; 40_000];
    let mut frame = vec![0x82, 0xfe, 0x9c, 0x40, 0, 0, 0, 0];
    frame.extend(&message);
    socket.write_all(&frame).await.unwrap();
    let mut echo = vec![0; 4 + message.len()];
    socket.read_exact(&mut echo).await.unwrap();
    let (head, echoed) = echo.split_at(4);
    assert_eq!((head, echoed == message), (&[0x82, 126, 0x9c, 0x40][..], true));

    tls.world.env.tasks().shutdown().request();
    let mut goodbye = [0; 4];
    socket.read_exact(&mut goodbye).await.unwrap();
    assert_eq!((goodbye[0], &goodbye[2..]), (0x88, &1001_u16.to_be_bytes()[..]));
    drop(socket);
    tls.world.serving.await.unwrap();
    assert_eq!(half.read(&mut [0; 1]).await.unwrap_or(0), 0);
}

/// Takes any certificate.
#[derive(Debug)]
struct Trusting;

impl rustls::client::danger::ServerCertVerifier for Trusting {
    fn verify_server_cert(
        &self,
        _: &rustls::pki_types::CertificateDer<'_>,
        _: &[rustls::pki_types::CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: rustls::pki_types::UnixTime,
    ) -> Result<rustls::client::danger::ServerCertVerified, rustls::Error> {
        Ok(rustls::client::danger::ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &rustls::pki_types::CertificateDer<'_>,
        signed: &rustls::DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        let algorithms = rustls::crypto::ring::default_provider().signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, certificate, signed, &algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &rustls::pki_types::CertificateDer<'_>,
        signed: &rustls::DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        let algorithms = rustls::crypto::ring::default_provider().signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signed, &algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<rustls::SignatureScheme> {
        rustls::crypto::ring::default_provider().signature_verification_algorithms.supported_schemes()
    }
}
