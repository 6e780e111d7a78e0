//! A whole node.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::oneshot;

use super::*;
use crate::settings::{Configuration, Override, Sources};

/// The status that is answered, and the rest.
async fn ask(address: SocketAddr, path: &str) -> (String, String) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(format!("GET {path} HTTP/1.1\r\nhost: x\r\n\r\n").as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    (answer[9..12].to_owned(), answer)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_drains_says_so_until_it_has() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let mut flags = vec![("data_dir", path("data")), ("cache_dir", path("cache"))];
    flags.extend(["gateway.address", "api.address", "metrics.address"].map(|key| (key, "127.0.0.1:0".to_owned())));
    let sources = Sources {
        flags: flags.into_iter().map(|(key, value)| Override::new(key, value, "--set")).collect(),
        variables: vec![("HOME".into(), "/home/ada".into())],
        ..Sources::default()
    };
    let server = Server::start(Configuration::load(&sources).unwrap().into_settings()).await.unwrap();
    let address = server.addresses().metrics;
    assert_eq!(ask(address, "/readyz").await.0, "200");

    let (end, under_way) = oneshot::channel::<()>();
    server.env.tasks().spawn(async move {
        let _ = under_way.await;
    });
    let shutdown = server.env.tasks().shutdown().clone();
    let asked = async {
        shutdown.requested().await;
        let (status, answer) = ask(address, "/readyz").await;
        assert!(status == "503" && answer.contains("the node stops"), "{answer}");
        for path in ["/healthz", "/metrics"] {
            assert_eq!(ask(address, path).await.0, "200", "{path}");
        }
        end.send(()).unwrap();
    };
    tokio::join!(server.stop(), asked);
}
