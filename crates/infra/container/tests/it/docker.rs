//! Containers by a daemon: a small one of this test, which notes what it is asked for, and a real one where
//! `MU_TEST_DOCKER` names its socket.

mod fake;

use std::sync::Arc;
use std::time::Duration;

use mu_container::{
    Dial, DockerParams, DockerRunner, Exit, Network, OciParams, OciRunner, Runner, RunnerError, SOCKET_DIR,
    conformance, has_leftovers,
};
use mu_env::Env;
use mu_image::Form;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::AsyncReadExt;

use self::fake::Fake;
use crate::image::Images;
use crate::oci::{SHELL, eventually, spec};

async fn open(socket: &std::path::Path, dir: &TempDir) -> Result<DockerRunner, RunnerError> {
    let (socket, dir) = (Some(socket.to_owned()), dir.path().to_owned());
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
    conformance::check(Arc::new(runner.clone()), image).await;
    runner.forget_images(&|_| false).await.unwrap();
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
    let id = container.id().to_string();
    let name = fake.created()["Image"].as_str().unwrap().to_owned();
    assert!(name.starts_with("mu/image-") && name.ends_with(image.digest().hex()), "{name}");
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
            // Its processor time cannot be read: is it still there?
            format!("GET /containers/{id}/json"),
        ]
    );
    assert!(container.cpu_time().unwrap_err().to_string().contains("its control group cannot be seen from here"));
    let mut output = container.take_output().unwrap();
    let (mut stdout, mut stderr) = (String::new(), String::new());
    output.stdout.read_to_string(&mut stdout).await.unwrap();
    output.stderr.read_to_string(&mut stderr).await.unwrap();
    assert_eq!((stdout.as_str(), stderr.as_str()), ("out\n", "err\n"));

    assert!(container.socket_dir().is_dir() && has_leftovers(dir.path()));
    check_body(fake.created(), &name, container.socket_dir().to_str().unwrap());

    container.freeze().await.unwrap();
    container.thaw().await.unwrap();
    assert_eq!(container.exited().await, Exit::OutOfMemory);
    assert_eq!(container.exited().await, Exit::OutOfMemory);
    let socket_dir = container.socket_dir().to_owned();
    container.remove().await.unwrap();
    assert!(!socket_dir.exists() && !has_leftovers(dir.path()));
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
                "Tmpfs": {
                    "/dev/shm": "rw,nosuid,nodev,noexec,mode=1777,size=8388608,nr_inodes=256",
                    "/tmp": "rw,nosuid,nodev,exec,mode=1777,size=1048576,nr_inodes=22",
                },
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
async fn podman_is_asked_in_its_own_way() {
    let dir = tempfile::tempdir().unwrap();
    let fake = Fake::start(dir.path());
    fake.be_podman();
    let runner = open(&fake.socket, &dir).await.unwrap();
    assert_eq!(runner.name(), "podman 28.2.2");
    let images = Images::new(Form::Packed);
    let container = runner.start(spec(&images.image(&SHELL).await, "true")).await.unwrap();
    let config = &fake.created()["HostConfig"];
    let tmp = json!("rw,nosuid,nodev,exec,mode=1777,size=1048576");
    assert_eq!(config["Tmpfs"]["/tmp"], tmp, "it takes no limit of files");
    // A filter is named by its file, which stays as long as the runner does.
    let path = config["SecurityOpt"][1].as_str().unwrap().strip_prefix("seccomp=").unwrap();
    let filter: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    assert_eq!(filter["defaultErrnoRet"], json!(1));
    container.remove().await.unwrap();
    assert!(!has_leftovers(dir.path()));

    let (socket, dir) = (Some(fake.socket.clone()), dir.path().to_owned());
    let params = DockerParams { socket, dir, allow_unenforced: false, env: Env::system() };
    let error = DockerRunner::open(params).await.unwrap_err();
    assert!(matches!(error, RunnerError::Unenforceable { .. }), "{error:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_left_of_before_is_swept_by_its_label() {
    let dir = tempfile::tempdir().unwrap();
    let fake = Fake::start(dir.path());
    // Another runner was tried before, in the same directory.
    let runtime = Some("/no/runtime".into());
    let params = OciParams { dir: dir.path().to_owned(), runtime, allow_unenforced: true, env: Env::system() };
    OciRunner::open(params).await.unwrap_err();
    assert!(!has_leftovers(dir.path()));

    let runner = open(&fake.socket, &dir).await.unwrap();
    fake.leave(&["aa", "bb"]);
    std::fs::create_dir_all(dir.path().join("sockets/mu-left/of")).unwrap();
    // A function makes directories that a node which is not root cannot remove. This cannot be removed by anybody that way.
    std::fs::write(dir.path().join("sockets/mu-file"), "").unwrap();
    assert!(has_leftovers(dir.path()));
    assert_eq!(runner.sweep().await.unwrap(), 2);
    let requests = fake.take_requests();
    let listed = requests.iter().find(|request| request.starts_with("GET /containers/json?all=true")).unwrap();
    assert!(listed.contains("mu.node%3D"), "{listed}");
    let removed = requests.iter().filter(|request| request.starts_with("DELETE")).collect::<Vec<_>>();
    assert_eq!(removed, ["DELETE /containers/aa", "DELETE /containers/bb"]);
    let left = std::fs::read_dir(dir.path().join("sockets")).unwrap();
    assert_eq!(left.map(|entry| entry.unwrap().file_name()).collect::<Vec<_>>(), ["mu-file"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn images_that_are_not_wanted_any_more_are_removed() {
    let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let fake = Fake::start(one.path());
    let runner = open(&fake.socket, &one).await.unwrap();
    let neighbour = open(&fake.socket, &other).await.unwrap();
    let images = Images::new(Form::Packed);
    let (kept, left) = (images.image(&SHELL).await, images.image(&["/bin/true"]).await);
    for (runner, image) in [(&runner, &kept), (&runner, &left), (&neighbour, &left)] {
        runner.prepare(image, &Network::None).await.unwrap();
    }
    let loaded = fake.images();
    assert_eq!(loaded.len(), 3);
    fake.take_requests();
    runner.forget_images(&|digest| digest == kept.digest()).await.unwrap();
    // What the neighbour has is left alone, whatever it is.
    let gone: Vec<_> = loaded.difference(&fake.images()).cloned().collect();
    assert!(gone.len() == 1 && gone[0].ends_with(left.digest().hex()), "{gone:?}");
    neighbour.forget_images(&|_| false).await.unwrap();
    assert_eq!(fake.images().len(), 1);
    runner.forget_images(&|_| true).await.unwrap();
    assert_eq!(fake.images().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_budget_of_processor_time_that_cannot_be_read_is_an_error() {
    if !rustix::process::geteuid().is_root() {
        println!("SKIPPED, only root can bound everything else");
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let fake = Fake::start(dir.path());
    let params = DockerParams {
        socket: Some(fake.socket.clone()),
        dir: dir.path().to_owned(),
        allow_unenforced: false,
        env: Env::system(),
    };
    let runner = DockerRunner::open(params).await.unwrap();
    let images = Images::new(Form::Packed);
    let image = images.image(&SHELL).await;
    let error = runner.start(spec(&image, "true")).await.unwrap_err();
    assert!(matches!(error, RunnerError::Unenforceable { limit: "the budget of processor time", .. }), "{error:?}");
    assert!(fake.take_requests().iter().any(|request| request.starts_with("DELETE /containers/mu-")));

    fake.end_at_once();
    let container = runner.start(spec(&image, "true")).await.unwrap();
    assert_eq!(container.cpu_time().unwrap(), Duration::ZERO);
    container.remove().await.unwrap();
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
    let prepared = runner.prepare(&egress.image, &egress.network).await;
    for error in [prepared.unwrap_err(), runner.start(egress).await.unwrap_err()] {
        assert!(error.to_string().contains("use crun or runc, or `network: none`"), "{error}");
    }
    assert!(!fake.take_requests().contains(&"POST /images/load".to_owned()));

    fake.refuse_creation();
    let error = runner.start(spec(&images.image(&SHELL).await, "true")).await.unwrap_err().to_string();
    assert!(error.contains("docker 28.2.2 could not create the container: ") && error.contains("no room"), "{error}");
    let left = std::fs::read_dir(dir.path().join("sockets")).unwrap().count();
    assert_eq!(left, 0, "nothing is left of it");

    fake.be_without_limits();
    let (socket, dir) = (Some(fake.socket.clone()), dir.path().to_owned());
    let params = DockerParams { socket, dir: dir.clone(), allow_unenforced: false, env: Env::system() };
    let error = DockerRunner::open(params.clone()).await.unwrap_err();
    assert!(matches!(error, RunnerError::Unenforceable { limit: "the memory limit", .. }), "{error:?}");

    let error = DockerRunner::open(DockerParams { socket: Some(dir.join("none")), ..params }).await.unwrap_err();
    assert!(error.to_string().starts_with("the node could not reach a Docker or Podman daemon: "), "{error}");
}
