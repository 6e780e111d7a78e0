//! An engine whose containers run a program of the test, and functions on it.

use std::os::unix::fs::symlink;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use mu_container::{Dial, Exit, MemoryProcess, MemoryRunner};
use mu_env::Env;
use mu_image::{Form, ImageLimits, ImageStore, Registries, StoreParams};
use mu_runtime::{
    Artifact, Call, ContainerConfig, ContainerEngine, ContainerParts, EgressDial, EgressPolicy, Engine, Failure,
    Limits, LoadParams, Outcome, Program, collect_body,
};
use mu_stack::{ContainerSettings, Instances, Runtime};
use sha2::{Digest as _, Sha256};
use tokio::net::UnixListener;

use crate::support::{Kept, LIMITS, call, ended, owner};

/// What a function answers to one call.
pub(super) type Answer = Response<Full<Bytes>>;

/// A function's code.
pub(super) type Handler = Arc<dyn Fn(Asked) -> Pin<Box<dyn Future<Output = Answer> + Send>> + Send + Sync>;

/// One call as a container sees it.
pub(super) struct Asked {
    pub(super) process: Arc<MemoryProcess>,
    pub(super) request: Request<Bytes>,
}

/// An engine and its containers.
pub(super) struct World {
    pub(super) engine: ContainerEngine,
    pub(super) runner: MemoryRunner,
    pub(super) env: Env,
    pub(super) logs: Arc<Kept>,
    _dir: tempfile::TempDir,
}

/// Limits with room for more than any test needs.
pub(super) fn config() -> ContainerConfig {
    ContainerConfig {
        memory_bytes: 1 << 40,
        milli_cpus: 1_000_000,
        freeze_after: None,
        start_timeout: Duration::from_secs(30),
        ..ContainerConfig::default()
    }
}

impl World {
    /// Containers that serve their socket with `handler`.
    pub(super) fn serving<F>(config: ContainerConfig, handler: impl Fn(Asked) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Answer> + Send + 'static,
    {
        let handler: Handler = Arc::new(move |asked| Box::pin(handler(asked)));
        Self::running(config, move |process| {
            let handler = Arc::clone(&handler);
            async move {
                listen(Arc::new(process), handler).await;
                Exit::Code(0)
            }
        })
    }

    /// Containers that do whatever `program` does.
    pub(super) fn running<F>(
        config: ContainerConfig,
        program: impl Fn(MemoryProcess) -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = Exit> + Send + 'static,
    {
        let env = Env::system();
        let dir = tempfile::tempdir().unwrap();
        let _ = rustls::crypto::ring::default_provider().install_default();
        let images = ImageStore::open(StoreParams {
            dir: dir.path().to_owned(),
            // Nothing is unpacked, which would take root.
            form: Form::Packed,
            limits: ImageLimits::default(),
            registries: Registries::default(),
            env: env.clone(),
        });
        let runner = MemoryRunner::new(env.clone(), Arc::new(move |process| Box::pin(program(process))));
        let engine = ContainerEngine::new(ContainerParts {
            env: env.clone(),
            config,
            images: images.unwrap(),
            runner: Arc::new(runner.clone()),
            dial: Arc::new(EgressDial::new(EgressPolicy::PublicOnly)) as Arc<dyn Dial>,
        });
        Self { engine, runner, env, logs: Arc::default(), _dir: dir }
    }

    /// A function with these settings.
    pub(super) async fn load(&self, container: ContainerSettings) -> Arc<dyn Program> {
        self.engine.load(params(container)).await.unwrap()
    }

    /// A call within these limits.
    pub(super) fn call(&self, limits: Limits) -> Call {
        call(&self.env, &self.logs, limits)
    }

    /// What a call within the usual limits comes to.
    pub(super) async fn run(&self, program: &Arc<dyn Program>) -> Outcome {
        ended(program.run(self.call(LIMITS)).await)
    }

    /// The lines that were logged.
    pub(super) fn lines(&self) -> Vec<String> {
        self.logs.lines()
    }
}

/// How functions of these tests are loaded.
pub(super) fn params(container: ContainerSettings) -> LoadParams {
    LoadParams {
        artifact: Artifact::from_bytes(archive()),
        runtime: Runtime::Container,
        instances: Instances::Fresh,
        memory_limit_bytes: LIMITS.memory_bytes,
        owner: mu_runtime::Owner { env: Arc::new([("GREETING".into(), "hi".into())]), container, ..owner() },
    }
}

/// What a function does whose container behaves: it binds another name, and then makes the link that says it is ready.
pub(super) async fn listen(process: Arc<MemoryProcess>, handler: Handler) {
    let listener = UnixListener::bind(process.socket_dir.join("real.sock")).unwrap();
    symlink("real.sock", process.socket_dir.join("lsnr.sock")).unwrap();
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let (process, handler) = (Arc::clone(&process), Arc::clone(&handler));
        let serve = service_fn(move |request: Request<Incoming>| {
            let (process, handler) = (Arc::clone(&process), Arc::clone(&handler));
            async move {
                let (head, body) = request.into_parts();
                let body = body.collect().await?.to_bytes();
                let request = Request::from_parts(head, body);
                Ok::<_, hyper::Error>(handler(Asked { process, request }).await)
            }
        });
        let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), serve).await;
    }
}

/// An answer by an FDK.
pub(super) fn answer(status: u16, body: impl Into<Bytes>) -> Answer {
    Response::builder().status(status).body(Full::new(body.into())).unwrap()
}

/// The body of the response that came of a call.
pub(super) async fn body(outcome: Outcome) -> String {
    let body = collect_body(outcome.result.unwrap().body, 1 << 20).await.unwrap();
    String::from_utf8(body.to_vec()).unwrap()
}

pub(super) fn failure(outcome: Outcome) -> Failure {
    outcome.result.unwrap_err()
}

/// Waits until something is so that will be so.
pub(super) async fn until(what: impl Fn() -> bool) {
    for _ in 0..5_000 {
        if what() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    panic!("it never was so");
}

/// The ids of the containers that calls came to, in their order.
#[derive(Clone, Default)]
pub(super) struct Seen(Arc<Mutex<Vec<String>>>);

impl Seen {
    pub(super) fn note(&self, asked: &Asked) {
        self.0.lock().unwrap().push(asked.process.id.to_string());
    }

    pub(super) fn ids(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }
}

/// An image with nothing in it but a command.
fn archive() -> Bytes {
    let mut archive = tar::Builder::new(Vec::new());
    let mut add = |name: &str, content: &[u8]| {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        archive.append_data(&mut header, name, content).unwrap();
    };
    let hex = |content: &[u8]| Sha256::digest(content).iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let layer = tar::Builder::new(Vec::new()).into_inner().unwrap();
    let architecture = if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" };
    let config = serde_json::json!({
        "architecture": architecture,
        "os": "linux",
        "config": { "Entrypoint": ["/function"] },
        "rootfs": { "type": "layers", "diff_ids": [format!("sha256:{}", hex(&layer))] },
    });
    let config = config.to_string().into_bytes();
    let part = |kind: &str, content: &[u8]| {
        let kind = format!("application/vnd.oci.image.{kind}");
        serde_json::json!({ "mediaType": kind, "digest": format!("sha256:{}", hex(content)), "size": content.len() })
    };
    let manifest = serde_json::json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": part("config.v1+json", &config),
        "layers": [part("layer.v1.tar", &layer)],
    });
    let manifest = manifest.to_string().into_bytes();
    let index = serde_json::json!({ "schemaVersion": 2, "manifests": [part("manifest.v1+json", &manifest)] });
    add("oci-layout", br#"{"imageLayoutVersion":"1.0.0"}"#);
    for blob in [&layer, &config, &manifest] {
        add(&format!("blobs/sha256/{}", hex(blob)), blob);
    }
    add("index.json", index.to_string().as_bytes());
    archive.into_inner().unwrap().into()
}
