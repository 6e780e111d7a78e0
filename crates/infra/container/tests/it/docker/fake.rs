//! A daemon that runs nothing, and answers as if it did.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode, header};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::net::UnixListener;

pub(crate) struct Fake {
    pub(crate) socket: PathBuf,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    requests: Vec<String>,
    images: BTreeSet<String>,
    created: Value,
    left: Vec<String>,
    refuses_creation: bool,
    is_without_limits: bool,
    ends_at_once: bool,
    is_podman: bool,
}

impl Fake {
    pub(crate) fn start(dir: &Path) -> Self {
        let socket = dir.join("docker.sock");
        let listener = UnixListener::bind(&socket).unwrap();
        let state = Arc::<Mutex<State>>::default();
        let shared = state.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let state = shared.clone();
                let service = service_fn(move |request| answer(state.clone(), request));
                let connection = hyper::server::conn::http1::Builder::new()
                    .serve_connection(TokioIo::new(stream), service)
                    .with_upgrades();
                tokio::spawn(connection);
            }
        });
        Self { socket, state }
    }

    /// What it was asked for since the last time, without the version of the API.
    pub(crate) fn take_requests(&self) -> Vec<String> {
        std::mem::take(&mut self.state.lock().unwrap().requests)
    }

    /// The body of the last creation.
    pub(crate) fn created(&self) -> Value {
        self.state.lock().unwrap().created.clone()
    }

    /// The names of the images that it has.
    pub(crate) fn images(&self) -> BTreeSet<String> {
        self.state.lock().unwrap().images.clone()
    }

    pub(crate) fn leave(&self, ids: &[&str]) {
        self.state.lock().unwrap().left = ids.iter().map(|id| (*id).to_owned()).collect();
    }

    pub(crate) fn refuse_creation(&self) {
        self.state.lock().unwrap().refuses_creation = true;
    }

    pub(crate) fn end_at_once(&self) {
        self.state.lock().unwrap().ends_at_once = true;
    }

    pub(crate) fn be_podman(&self) {
        self.state.lock().unwrap().is_podman = true;
    }

    pub(crate) fn be_without_limits(&self) {
        self.state.lock().unwrap().is_without_limits = true;
    }
}

async fn answer(state: Arc<Mutex<State>>, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let uri = request.uri().path_and_query().unwrap().as_str();
    // `/v1.48/containers/json`
    let path =
        uri.strip_prefix("/v").and_then(|rest| rest.split_once('/')).filter(|(version, _)| version.contains('.'));
    let path = path.map_or_else(|| uri.to_owned(), |(_, path)| format!("/{path}"));
    let listing = path.starts_with("/containers/json") || path.starts_with("/containers/create");
    let noted = if listing { &path } else { path.split('?').next().unwrap() };
    let asked = format!("{} {noted}", request.method());
    let upgrade = request.headers().contains_key(header::UPGRADE);
    state.lock().unwrap().requests.push(asked.clone());
    if upgrade {
        tokio::spawn(write_output(request));
        let switching = Response::builder().status(StatusCode::SWITCHING_PROTOCOLS);
        let switching = switching.header(header::CONNECTION, "Upgrade").header(header::UPGRADE, "tcp");
        return Ok(switching.body(Full::default()).unwrap());
    }
    let body = request.into_body().collect().await.unwrap().to_bytes();
    let (status, body) = reply(&mut state.lock().unwrap(), &asked, &body);
    let response = Response::builder().status(status).header(header::CONTENT_TYPE, "application/json");
    Ok(response.body(Full::from(body.to_string())).unwrap())
}

fn reply(state: &mut State, asked: &str, body: &[u8]) -> (u16, Value) {
    let limits = !state.is_without_limits;
    match asked {
        "GET /version" => {
            let name = if state.is_podman { "Podman Engine" } else { "Engine" };
            let components = json!([{ "Name": name, "Version": "28.2.2" }]);
            (200, json!({ "Version": "28.2.2", "ApiVersion": "1.48", "Components": components }))
        }
        "GET /info" => {
            let security = json!(["name=seccomp,profile=builtin", "name=cgroupns"]);
            let limits = json!({ "MemoryLimit": limits, "SwapLimit": limits, "PidsLimit": limits, "CpuCfsQuota": limits,
                "SecurityOptions": security });
            (200, limits)
        }
        "POST /images/load" => {
            state.images.insert(name_in(body));
            (200, json!({ "stream": "Loaded image" }))
        }
        "GET /images/json" => {
            let image = |name: &String| {
                json!({ "Id": "sha256:0", "ParentId": "", "RepoTags": [name], "RepoDigests": [], "Created": 0,
                    "Size": 0, "SharedSize": -1, "Labels": {}, "Containers": -1 })
            };
            (200, state.images.iter().map(image).collect())
        }
        _ if asked.starts_with("GET /images/") => {
            let name = asked.strip_prefix("GET /images/").unwrap().strip_suffix("/json").unwrap();
            (if state.images.contains(name) { 200 } else { 404 }, json!({ "message": "no such image" }))
        }
        _ if asked.starts_with("DELETE /images/") => {
            let name = asked.strip_prefix("DELETE /images/").unwrap();
            (if state.images.remove(name) { 200 } else { 404 }, json!([{ "Untagged": name }]))
        }
        _ if asked.starts_with("POST /containers/create") && state.refuses_creation => {
            (500, json!({ "message": "no room" }))
        }
        _ if asked.starts_with("POST /containers/create") => {
            state.created = serde_json::from_slice(body).unwrap();
            (201, json!({ "Id": "0123456789abcdef", "Warnings": [] }))
        }
        _ if asked.starts_with("GET /containers/json") => {
            (200, state.left.iter().map(|id| json!({ "Id": id })).collect())
        }
        // The process of this test is in no group of a daemon's container, and must not be frozen.
        _ if asked.ends_with("/json") => {
            let pid = if state.ends_at_once { 0 } else { std::process::id() };
            (200, json!({ "Id": "0123456789abcdef", "State": { "Pid": pid, "OOMKilled": true } }))
        }
        _ if asked.ends_with("/wait") => (200, json!({ "StatusCode": 137 })),
        _ => (204, json!({})),
    }
}

/// The name that an archive gives its image.
fn name_in(archive: &[u8]) -> String {
    let text = String::from_utf8_lossy(archive);
    let (_, list) = text.split_once(r#""RepoTags":[""#).unwrap();
    list.split_once('"').unwrap().0.to_owned()
}

/// Frames of a line each for both outputs, and the end.
async fn write_output(request: Request<Incoming>) {
    let mut stream = TokioIo::new(hyper::upgrade::on(request).await.unwrap());
    stream.write_all(b"\x01\0\0\0\0\0\0\x04out\n\x02\0\0\0\0\0\0\x04err\n").await.unwrap();
    stream.shutdown().await.unwrap();
}
