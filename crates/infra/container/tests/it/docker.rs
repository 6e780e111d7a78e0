//! Containers by a daemon: a small one of this test, which notes what it is asked for, and a real one where
//! `MU_TEST_DOCKER` names its socket.

mod fake;

use std::sync::Arc;

use mu_container::{Dial, DockerParams, DockerRunner, Exit, Network, Runner, RunnerError, SOCKET_DIR, conformance};
use mu_env::Env;
use mu_image::Form;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::AsyncReadExt;

use self::fake::Fake;
use crate::image::Images;
use crate::oci::{SHELL, eventually, spec};

async fn open(socket: &std::path::Path, dir: &TempDir) -> Result<DockerRunner, RunnerError> {
    let (socket, dir) = (Some(socket.to_owned()), dir.path().join("sockets"));
    // Whoever runs the tests need not be root.
    DockerRunner::open(DockerParams { socket, dir, allow_unenforced: true, env: Env::system() }).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_real_daemon_conforms() {
    let Some(socket) = std::env::var_os("MU_TEST_DOCKER") else {
        println!("SKIPPED, no daemon here: set MU_TEST_DOCKER to its socket");
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    let runner = open(socket.as_ref(), &dir).await.unwrap();
    let images = Images::new(Form::Packed);
    let image = images.image(&conformance::COMMAND).await;
    conformance::check(Arc::new(runner), image).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_container_lives_by_requests() {
    let dir = tempfile::tempdir().unwrap();
    let fake = Fake::start(dir.path());
    let runner = open(&fake.socket, &dir).await.unwrap();
    assert_eq!(runner.name(), "docker 28.2.2");
    let images = Images::new(Form::Packed);
    let image = images.image(&SHELL).await;

    let mut limited = spec(&image, "true");
    limited.limits.milli_cpus = Some(250);
    let mut container = runner.start(limited).await.unwrap();
    let (id, name) = (container.id().to_string(), image.daemon_name());
    assert_eq!(
        fake.take_requests(),
        [
            "GET /version".to_owned(),
            "GET /version".to_owned(),
            "GET /info".to_owned(),
            format!("GET /images/{name}/json"),
            "POST /images/load".to_owned(),
            format!("POST /containers/create?name={id}&platform="),
            format!("POST /containers/{id}/attach"),
            format!("POST /containers/{id}/start"),
            format!("GET /containers/{id}/json"),
        ]
    );
    let mut output = container.take_output().unwrap();
    let (mut stdout, mut stderr) = (String::new(), String::new());
    output.stdout.read_to_string(&mut stdout).await.unwrap();
    output.stderr.read_to_string(&mut stderr).await.unwrap();
    assert_eq!((stdout.as_str(), stderr.as_str()), ("out\n", "err\n"));

    assert!(container.socket_dir().is_dir());
    check_body(fake.created(), &name, container.socket_dir().to_str().unwrap());

    container.freeze().await.unwrap();
    container.thaw().await.unwrap();
    assert_eq!(container.exited().await, Exit::OutOfMemory);
    assert_eq!(container.exited().await, Exit::OutOfMemory);
    let socket_dir = container.socket_dir().to_owned();
    container.remove().await.unwrap();
    assert!(!socket_dir.exists());
    assert_eq!(
        fake.take_requests(),
        [
            format!("POST /containers/{id}/pause"),
            format!("POST /containers/{id}/unpause"),
            format!("POST /containers/{id}/wait"),
            format!("GET /containers/{id}/json"),
            format!("DELETE /containers/{id}"),
        ]
    );

    // What is loaded is not loaded again, and what is dropped is removed.
    drop(runner.start(spec(&image, "true")).await.unwrap());
    eventually("removal", || fake.take_requests().iter().any(|request| request.starts_with("DELETE"))).await;
}

fn check_body(mut body: Value, image: &str, socket_dir: &str) {
    let security = body["HostConfig"]["SecurityOpt"].take();
    let seccomp = security[1].as_str().unwrap().strip_prefix("seccomp=").unwrap();
    let seccomp: Value = serde_json::from_str(seccomp).unwrap();
    assert_eq!((&security[0], &seccomp["defaultErrnoRet"]), (&json!("no-new-privileges:true"), &json!(1)));
    let node = body["Labels"]["mu.node"].take();
    assert_eq!(node.as_str().map(str::len), Some(12));
    let limit = |name: &str, value: u64| json!({ "Name": name, "Soft": value, "Hard": value });
    assert_eq!(
        body,
        json!({
            "AttachStderr": true,
            "AttachStdout": true,
            "Env": ["DO=true"],
            "Healthcheck": { "Test": ["NONE"] },
            "Hostname": "function",
            "Image": image,
            "Labels": { "mu.node": null, "mu.label": "test/shell" },
            "NetworkDisabled": true,
            "User": "1000:1000",
            "HostConfig": {
                "CapDrop": ["ALL"],
                "CgroupnsMode": "private",
                "CpuPeriod": 100_000,
                "CpuQuota": 25_000,
                "IpcMode": "private",
                "LogConfig": { "Type": "none" },
                "Memory": 64 << 20,
                "MemorySwap": 64 << 20,
                "Mounts": [{ "Type": "bind", "Source": socket_dir, "Target": SOCKET_DIR }],
                "NetworkMode": "none",
                "OomScoreAdj": 500,
                "PidsLimit": 20,
                "ReadonlyRootfs": true,
                "SecurityOpt": null,
                "ShmSize": 8 << 20,
                "Tmpfs": { "/tmp": "rw,nosuid,nodev,exec,mode=1777,size=1048576,nr_inodes=22" },
                "Ulimits": [
                    limit("nofile", 100),
                    limit("memlock", 65_536),
                    limit("sigpending", 5_000),
                    limit("msgqueue", 819_200),
                    limit("core", 0),
                ],
            },
        })
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_left_of_before_is_swept_by_its_label() {
    let dir = tempfile::tempdir().unwrap();
    let fake = Fake::start(dir.path());
    let runner = open(&fake.socket, &dir).await.unwrap();
    fake.leave(&["aa", "bb"]);
    assert_eq!(runner.sweep().await.unwrap(), 2);
    let requests = fake.take_requests();
    let listed = requests.iter().find(|request| request.starts_with("GET /containers/json?all=true")).unwrap();
    assert!(listed.contains("mu.node%3D"), "{listed}");
    let removed = requests.iter().filter(|request| request.starts_with("DELETE")).collect::<Vec<_>>();
    assert_eq!(removed, ["DELETE /containers/aa", "DELETE /containers/bb"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_daemon_cannot_do_is_said() {
    struct Nobody;
    #[async_trait::async_trait]
    impl Dial for Nobody {
        async fn dial(&self, _host: &str, _port: u16) -> Result<tokio::net::TcpStream, String> {
            Err("nobody is there".to_owned())
        }
        async fn resolve(&self, _host: &str) -> Vec<std::net::SocketAddr> {
            Vec::new()
        }
        fn place(&self) -> Option<tokio::sync::OwnedSemaphorePermit> {
            None
        }
    }

    let dir = tempfile::tempdir().unwrap();
    let fake = Fake::start(dir.path());
    let runner = open(&fake.socket, &dir).await.unwrap();
    let images = Images::new(Form::Packed);
    let mut egress = spec(&images.image(&SHELL).await, "true");
    egress.network = Network::Egress(Arc::new(Nobody));
    let error = runner.start(egress).await.unwrap_err().to_string();
    assert!(error.contains("use crun or runc, or `network: none`"), "{error}");

    fake.refuse_creation();
    let error = runner.start(spec(&images.image(&SHELL).await, "true")).await.unwrap_err().to_string();
    assert!(error.contains("docker 28.2.2 could not create the container: ") && error.contains("no room"), "{error}");
    let left = std::fs::read_dir(dir.path().join("sockets")).unwrap().count();
    assert_eq!(left, 0, "nothing is left of it");

    fake.be_without_limits();
    let (socket, dir) = (Some(fake.socket.clone()), dir.path().join("sockets"));
    let params = DockerParams { socket, dir: dir.clone(), allow_unenforced: false, env: Env::system() };
    let error = DockerRunner::open(params.clone()).await.unwrap_err();
    assert!(matches!(error, RunnerError::Unenforceable { limit: "the memory limit", .. }), "{error:?}");

    let error = DockerRunner::open(DockerParams { socket: Some(dir.join("none")), ..params }).await.unwrap_err();
    assert!(error.to_string().starts_with("the node could not reach a Docker or Podman daemon: "), "{error}");
}
