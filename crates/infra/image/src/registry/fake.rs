//! A registry in this process, which can misbehave.

use std::collections::HashMap;
use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

use crate::manifest::{OCI_MANIFEST, media_type};
use crate::testing::ImageSource;
use crate::{Digest, ImageRef};

type Body = UnsyncBoxBody<Bytes, io::Error>;
/// What is done instead of what is right.
type Quirk = Box<dyn Fn(&Asked) -> Option<Answer> + Send + Sync>;

pub(crate) struct Fake {
    pub(crate) address: SocketAddr,
    state: Arc<State>,
    server: tokio::task::JoinHandle<()>,
}

#[derive(Default)]
struct State {
    content: Mutex<HashMap<String, Bytes>>,
    asked: Mutex<Vec<Asked>>,
    quirk: Mutex<Option<Quirk>>,
}

/// A request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Asked {
    pub(crate) method: String,
    /// With the query.
    pub(crate) path: String,
    pub(crate) authorization: Option<String>,
}

pub(crate) enum Answer {
    Status(u16, Vec<(&'static str, String)>, String),
    /// A body that never ends.
    Endless,
    /// A body of this length that ends after a few bytes.
    Cut(u64),
    /// Nothing, ever.
    Silence,
}

impl Fake {
    pub(crate) async fn start() -> Self {
        // Another test of this process may have been first.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        let state = Arc::new(State::default());
        let shared = state.clone();
        let server = tokio::spawn(async move {
            // Connections end with it.
            let mut connections = tokio::task::JoinSet::new();
            while let Ok((connection, _)) = listener.accept().await {
                let state = shared.clone();
                let service = service_fn(move |request| answer(state.clone(), request));
                let server = hyper::server::conn::http1::Builder::new();
                connections.spawn(server.serve_connection(TokioIo::new(connection), service));
            }
        });
        Self { address, state, server }
    }

    pub(crate) fn reference(&self, rest: &str) -> ImageRef {
        format!("{}/{rest}", self.address).parse().expect("it is a reference")
    }

    /// As if an image had been pushed.
    pub(crate) fn put(&self, repository: &str, tag: &str, image: &ImageSource) {
        for blob in image.blobs() {
            self.put_content(&format!("/v2/{repository}/blobs/{}", Digest::of(blob)), blob);
        }
        self.put_content(&format!("/v2/{repository}/manifests/{tag}"), &image.manifest);
        self.put_content(&format!("/v2/{repository}/manifests/{}", image.digest()), &image.manifest);
    }

    pub(crate) fn put_content(&self, path: &str, content: &[u8]) {
        self.state.content.lock().unwrap().insert(path.to_owned(), Bytes::copy_from_slice(content));
    }

    pub(crate) fn content(&self, path: &str) -> Option<Bytes> {
        self.state.content.lock().unwrap().get(path).cloned()
    }

    /// From now on, does this where it answers something.
    pub(crate) fn misbehave(&self, quirk: impl Fn(&Asked) -> Option<Answer> + Send + Sync + 'static) {
        *self.state.quirk.lock().unwrap() = Some(Box::new(quirk));
    }

    /// What it was asked since the last time.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        std::mem::take(&mut self.state.asked.lock().unwrap())
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.server.abort();
    }
}

pub(crate) fn status(status: u16) -> Answer {
    Answer::Status(status, Vec::new(), String::new())
}

async fn answer(state: Arc<State>, request: Request<Incoming>) -> Result<Response<Body>, Infallible> {
    let header = request.headers().get("authorization").map(|value| value.to_str().expect("it is text").to_owned());
    let path = request.uri().path_and_query().expect("requests have a path").to_string();
    let asked = Asked { method: request.method().to_string(), path, authorization: header };
    state.asked.lock().unwrap().push(asked.clone());
    let quirk = state.quirk.lock().unwrap().as_ref().and_then(|quirk| quirk(&asked));
    match quirk {
        Some(Answer::Silence) => std::future::pending().await,
        Some(Answer::Endless) => {
            let pieces = stream::repeat_with(|| Ok(Frame::data(Bytes::from_static(&[b' '; 16 << 10]))));
            Ok(Response::new(StreamBody::new(pieces).boxed_unsync()))
        }
        Some(Answer::Cut(length)) => {
            let pieces = stream::iter([Ok(Frame::data(Bytes::from_static(b"few"))), Err(io::ErrorKind::Other.into())]);
            let response = Response::builder().header("content-length", length);
            Ok(response.body(StreamBody::new(pieces.boxed()).boxed_unsync()).expect("a response"))
        }
        Some(Answer::Status(status, headers, body)) => {
            let mut response = Response::builder().status(status);
            for (name, value) in headers {
                response = response.header(name, value);
            }
            Ok(response.body(full(body.into())).expect("a response"))
        }
        None => Ok(behave(&state, request).await),
    }
}

async fn behave(state: &State, request: Request<Incoming>) -> Response<Body> {
    let path = request.uri().path().to_owned();
    let response = Response::builder();
    match *request.method() {
        Method::POST => response.status(202).header("location", format!("{path}1?state=x")).body(full(Bytes::new())),
        Method::PUT => {
            let query = request.uri().query().unwrap_or_default().to_owned();
            let content = request.into_body().collect().await.expect("the body is sent").to_bytes();
            let digest = query.split("digest=").nth(1).map(|digest| digest.replace("%3A", ":"));
            let path = match &digest {
                Some(digest) => path.replace("uploads/1", digest),
                None => path,
            };
            let is_right = digest.is_none_or(|digest| digest == Digest::of(&content).as_str());
            state.content.lock().unwrap().insert(path, content);
            response.status(if is_right { 201 } else { 400 }).body(full(Bytes::new()))
        }
        _ => match state.content.lock().unwrap().get(&path).cloned() {
            Some(content) if path.contains("/manifests/") => {
                let found = Some(media_type(&content)).filter(|found| !found.is_empty());
                response.header("content-type", found.unwrap_or(OCI_MANIFEST.to_owned())).body(full(content))
            }
            Some(content) => response.body(full(content)),
            None => {
                response.status(404).body(full(Bytes::from_static(b"{\"errors\":[{\"code\":\"MANIFEST_UNKNOWN\"}]}")))
            }
        },
    }
    .expect("a response")
}

fn full(content: Bytes) -> Body {
    Full::new(content).map_err(|never| match never {}).boxed_unsync()
}
