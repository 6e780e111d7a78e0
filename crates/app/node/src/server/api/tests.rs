//! The listener with a certificate.

use axum::routing::get;
use rcgen::{CertificateParams, KeyPair};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::*;
use crate::settings::{Configuration, Override, Sources};

const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nhost: mu.example\r\nconnection: close\r\n\r\n";

/// Sends a request, and reads what is answered until the end.
async fn ask(mut stream: impl AsyncRead + AsyncWrite + Unpin) -> String {
    let mut answer = Vec::new();
    if stream.write_all(REQUEST).await.is_ok() {
        // Who does not like what it gets may also break off.
        let _ = stream.read_to_end(&mut answer).await;
    }
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test]
async fn with_a_certificate_it_is_reached_by_tls_alone() {
    let folder = tempfile::tempdir().unwrap();
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(["mu.example".to_owned()]).unwrap().self_signed(&key).unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    std::fs::write(path("certificate"), certificate.pem()).unwrap();
    std::fs::write(path("key"), key.serialize_pem()).unwrap();
    std::fs::set_permissions(path("key"), std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let flags = [
        ("api.address", "127.0.0.1:0".to_owned()),
        ("api.tls.certificate", path("certificate")),
        ("api.tls.key", path("key")),
    ];
    let sources = Sources {
        flags: flags.into_iter().map(|(key, value)| Override::new(key, value, "--set")).collect(),
        variables: vec![("HOME".into(), "/home/ada".into())],
        ..Sources::default()
    };
    let mut settings = Configuration::load(&sources).unwrap().into_settings();
    let env = Env::system();
    let listener = ApiListener::bind(&settings, env.clone()).unwrap();
    let address = listener.address();
    assert_eq!(url(&settings.api, address), format!("https://{address}"));
    settings.api.public_url = Some("https://mu.example/".parse().unwrap());
    assert_eq!(url(&settings.api, address), "https://mu.example");
    let router = Router::new().route("/", get(|| async { "at your service" }));
    env.tasks().spawn(listener.serve(router, env.tasks().shutdown().clone()));

    let mut roots = RootCertStore::empty();
    roots.add(certificate.der().clone()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let client = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let client = Arc::new(client.with_root_certificates(roots).with_no_client_auth());
    let name = ServerName::try_from("mu.example").unwrap();
    let stream = TcpStream::connect(address).await.unwrap();
    let answer = ask(TlsConnector::from(client).connect(name, stream).await.unwrap()).await;
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("at your service"), "{answer}");

    let answer = ask(TcpStream::connect(address).await.unwrap()).await;
    assert!(!answer.contains("at your service"), "{answer}");
    env.tasks().stop().await;
}
