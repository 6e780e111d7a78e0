//! Clients: well-behaved ones of both protocols, and one that sends whatever it is told.

use std::net::SocketAddr;

use bytes::Bytes;
use http::{HeaderMap, Request};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A client with one connection.
pub(crate) enum Client {
    Http1(SocketAddr, http1::SendRequest<Full<Bytes>>),
    Http2(SocketAddr, http2::SendRequest<Full<Bytes>>),
}

/// A response, read to its end.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
    /// Whether the body ended as it should.
    pub(crate) is_whole: bool,
}

impl Client {
    pub(crate) async fn http1(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.unwrap();
        let (client, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        Self::Http1(address, client)
    }

    pub(crate) async fn http2(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.unwrap();
        let (client, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        Self::Http2(address, client)
    }

    pub(crate) async fn ask(&mut self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let (Self::Http1(address, _) | Self::Http2(address, _)) = self;
        let host = address.to_string();
        self.ask_host(method, &host, path, headers, body).await
    }

    /// Asks for another host than the one that it is connected to.
    pub(crate) async fn ask_host(
        &mut self,
        method: &str,
        host: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Answer {
        let body = Full::new(Bytes::copy_from_slice(body.as_bytes()));
        let mut request = Request::builder().method(method);
        for (name, value) in headers {
            request = request.header(*name, value.as_bytes());
        }
        let response = match self {
            Self::Http1(_, client) => {
                client.ready().await.unwrap();
                let request = request.uri(path).header("host", host).body(body).unwrap();
                client.send_request(request).await
            }
            Self::Http2(_, client) => {
                client.ready().await.unwrap();
                let request = request.uri(format!("http://{host}{path}")).body(body).unwrap();
                client.send_request(request).await
            }
        };
        Answer::read(response.unwrap()).await
    }
}

impl Answer {
    async fn read(response: http::Response<Incoming>) -> Self {
        let (head, mut body) = response.into_parts();
        let (mut text, mut is_whole) = (String::new(), true);
        while let Some(frame) = body.frame().await {
            match frame.map(http_body::Frame::into_data) {
                Ok(Ok(data)) => text.push_str(std::str::from_utf8(&data).unwrap()),
                Ok(Err(_)) => {}
                Err(_) => {
                    is_whole = false;
                    break;
                }
            }
        }
        Self { status: head.status.as_u16(), headers: head.headers, body: text, is_whole }
    }

    /// All values of a header, joined by a bar.
    pub(crate) fn header(&self, name: &str) -> String {
        let values = self.headers.get_all(name).iter().map(|value| value.to_str().unwrap());
        values.collect::<Vec<_>>().join(" | ")
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("not JSON: {self:?}"))
    }

    /// Status and code of an error.
    pub(crate) fn error(&self) -> (u16, String) {
        (self.status, self.json()["code"].as_str().unwrap_or_default().to_owned())
    }
}

/// Sends bytes on a connection of their own and reads until the gateway closes it.
pub(crate) async fn send_raw(address: SocketAddr, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    // The gateway may answer and close before it has read everything.
    let _ = stream.write_all(bytes).await;
    read_to_end(&mut stream).await
}

/// Reads until the gateway closes the connection.
pub(crate) async fn read_to_end(stream: &mut TcpStream) -> String {
    let mut received = Vec::new();
    // A reset after the answer is as good as a close.
    let _ = stream.read_to_end(&mut received).await;
    String::from_utf8(received).unwrap()
}
