//! Containers by an OCI runtime, really run.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use mu_container::{
    ContainerLimits, ContainerSpec, Exit, Network, OciParams, OciRunner, Runner, RunnerError, conformance,
    has_leftovers,
};
use mu_env::Env;
use mu_image::{Form, Image};
use tempfile::TempDir;
use tokio::io::AsyncReadExt;

use crate::image::Images;

pub(crate) const LIMITS: ContainerLimits = ContainerLimits {
    memory_bytes: 64 << 20,
    tmp_bytes: 1 << 20,
    tmp_files: 20,
    pids: 20,
    open_files: 100,
    milli_cpus: None,
};

/// A shell that does what `DO` says.
pub(crate) const SHELL: [&str; 3] = ["/bin/sh", "-c", r#"eval "$DO""#];

/// A runner with a directory of its own, if this machine has one.
pub(crate) struct Machine {
    pub(crate) runner: OciRunner,
    pub(crate) dir: TempDir,
    pub(crate) images: Images,
}

impl Machine {
    /// `None`, said loudly, where there is no root or no runtime, unless `MU_TEST_CONTAINERS` demands the test.
    pub(crate) async fn open() -> Option<Self> {
        let dir = tempfile::tempdir().unwrap();
        let runner = open(dir.path()).await?;
        Some(Self { runner, dir, images: Images::new(Form::Unpacked) })
    }

    /// One for each runtime that works here; none only where [`Machine::open`] has none.
    async fn of_each_runtime() -> Vec<Self> {
        let mut machines = Vec::new();
        for runtime in ["crun", "runc"] {
            let dir = tempfile::tempdir().unwrap();
            if let Ok(runner) = OciRunner::open(params(dir.path(), Some(runtime))).await {
                machines.push(Self { runner, dir, images: Images::new(Form::Unpacked) });
            }
        }
        if machines.is_empty() { Self::open().await.into_iter().collect() } else { machines }
    }

    pub(crate) async fn image(&self) -> Image {
        self.images.image(&SHELL).await
    }

    /// What a script prints to either output, and how it ends.
    async fn run(&self, image: &Image, script: &str) -> (String, Exit) {
        let mut container = self.runner.start(spec(image, script)).await.unwrap();
        let mut output = container.take_output().unwrap();
        let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
        let ended = tokio::join!(
            output.stdout.read_to_end(&mut stdout),
            output.stderr.read_to_end(&mut stderr),
            container.exited(),
        );
        container.remove().await.unwrap();
        stdout.extend(stderr);
        (String::from_utf8_lossy(&stdout).into_owned(), ended.2)
    }

    /// Nothing is left of containers: no directory, no mount, no control group, no child.
    pub(crate) fn assert_empty(&self) {
        assert!(!has_leftovers(self.dir.path()));
        for name in ["containers", "state", "roots"] {
            let entries = fs::read_dir(self.dir.path().join("oci").join(name)).unwrap();
            let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
            assert_eq!(names.collect::<Vec<_>>(), [""; 0], "{name}");
        }
        let dir = self.dir.path().to_str().unwrap();
        let mounts = fs::read_to_string("/proc/self/mounts").unwrap();
        // That of the image is the store's.
        let left = mounts.lines().filter(|line| line.contains(dir)).collect::<Vec<_>>();
        assert_eq!(left, [""; 0]);
    }
}

#[expect(clippy::print_stdout, reason = "a test that is skipped says so")]
pub(crate) async fn open(dir: &Path) -> Option<OciRunner> {
    match OciRunner::open(params(dir, None)).await {
        Ok(runner) => Some(runner),
        Err(error) if std::env::var_os("MU_TEST_CONTAINERS").is_none() => {
            println!("SKIPPED, no containers here: {error}");
            None
        }
        Err(error) => panic!("MU_TEST_CONTAINERS demands containers: {error}"),
    }
}

fn params(dir: &Path, runtime: Option<&str>) -> OciParams {
    let (dir, runtime) = (dir.to_owned(), runtime.map(PathBuf::from));
    OciParams { dir, runtime, allow_unenforced: false, env: Env::system() }
}

pub(crate) fn spec(image: &Image, script: &str) -> ContainerSpec {
    ContainerSpec {
        image: image.clone(),
        env: vec![("DO".to_owned(), script.to_owned())],
        limits: LIMITS,
        network: Network::None,
        label: "test/shell".to_owned(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn it_conforms() {
    for machine in Machine::of_each_runtime().await {
        let image = machine.images.image(&conformance::COMMAND).await;
        conformance::check(Arc::new(machine.runner.clone()), image).await;
        machine.assert_empty();
    }
}

/// What a script is to print, in part.
#[tokio::test(flavor = "multi_thread")]
async fn containers_are_isolated() {
    for machine in Machine::of_each_runtime().await {
        check_isolation(&machine).await;
    }
}

async fn check_isolation(machine: &Machine) {
    let image = machine.image().await;
    for (script, expected) in [
        ("id -u; id -g", "1000\n1000\n"),
        ("echo $$", "1\n"),
        ("echo $FROM $PATH", "image /usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\n"),
        ("umask; ulimit -n; ulimit -c", "0022\n100\n0\n"),
        ("touch /x", "Read-only file system"),
        ("cat /proc/self/status", "CapEff:\t0000000000000000\n"),
        ("cat /proc/self/status", "CapBnd:\t0000000000000000\n"),
        ("cat /proc/self/status", "NoNewPrivs:\t1\nSeccomp:\t2\n"),
        ("cat /etc/hostname /proc/sys/kernel/hostname", "function\nfunction\n"),
        ("cat /etc/hosts", "127.0.0.1 localhost function\n"),
        // By its user a container may make a user namespace, in which it could mount, were it not for the filter.
        ("unshare --user sh -c 'mount -t tmpfs x /tmp'", "unshare failed: Operation not permitted"),
        ("unshare --net true", "unshare failed: Operation not permitted"),
        ("mkdir /tmp/m; mount -t tmpfs x /tmp/m || echo refused", "refused\n"),
        ("cat /sys/fs/cgroup/memory/memory.limit_in_bytes /sys/fs/cgroup/memory.max", "67108864\n"),
        ("cat /proc/kcore | head -c 1; echo", "\n"),
        ("cat /dev/vda; cat /dev/mem; cat /dev/kmsg", "No such file or directory"),
        ("ls /dev", "full\nfd\n"),
        // Programs that write to these by name open the pipes again.
        ("echo out > /dev/stdout; echo err > /dev/stderr", "out\nerr\n"),
        ("echo 'echo run' > /tmp/f; chmod 755 /tmp/f; /bin/sh /tmp/f; /tmp/f", "run\nrun\n"),
        ("touch /dev/shm/f && echo made", "made\n"),
        ("touch /tmp/iofs/f && ls /tmp/iofs", "f\n"),
        ("cat /proc/1/root/tmp/iofs/../../proc/self/oom_score_adj", "500\n"),
        ("cat /sys/firmware/acpi/tables/DSDT", "No such file or directory"),
    ] {
        let (output, _) = machine.run(&image, script).await;
        let sorted = |text: &str| {
            let mut lines = text.lines().map(str::to_owned).collect::<Vec<_>>();
            lines.sort();
            lines
        };
        let has_lines =
            script == "ls /dev" && sorted(expected).iter().all(|line| output.lines().any(|had| had == line));
        assert!(
            has_lines || output.contains(expected),
            "{}: `{script}` printed {output:?}, not {expected:?}",
            machine.runner.name()
        );
    }
    let (interfaces, _) = machine.run(&image, "cat /proc/net/dev").await;
    let names = interfaces.lines().skip(2).filter_map(|line| line.split(':').next()).map(str::trim);
    assert_eq!(names.collect::<Vec<_>>(), ["lo"], "there is no network");
    machine.assert_empty();
}

#[tokio::test(flavor = "multi_thread")]
async fn containers_stay_within_their_limits() {
    for machine in Machine::of_each_runtime().await {
        check_limits(&machine).await;
    }
}

async fn check_limits(machine: &Machine) {
    let image = machine.image().await;
    for (script, expected, end) in [
        ("i=0; while [ $i -lt 40 ]; do sleep 100 & i=$((i+1)); done", "fork", Some(Exit::Code(2))),
        ("exec tail /dev/zero", "", Some(Exit::OutOfMemory)),
        ("tail /dev/zero; exit 5", "", Some(Exit::OutOfMemory)),
        ("head -c 900k /dev/zero > /tmp/f && echo room", "room\n", Some(Exit::Code(0))),
        ("head -c 1100k /dev/zero > /tmp/f", "No space left on device", None),
        ("i=0; while [ $i -lt 21 ]; do touch /tmp/$i || exit 1; i=$((i+1)); done", "/tmp/20", Some(Exit::Code(1))),
        ("head -c 100k /dev/zero > /tmp/iofs/f", "No space left on device", None),
        ("i=0; while [ $i -lt 40 ]; do touch /tmp/iofs/$i || exit 1; i=$((i+1)); done", "", Some(Exit::Code(1))),
        ("head -c 100k /dev/zero > /dev/f", "Permission denied", None),
        ("kill -9 $$; echo not by itself", "not by itself\n", Some(Exit::Code(0))),
        ("exit 7", "", Some(Exit::Code(7))),
    ] {
        let (output, ended) = machine.run(&image, script).await;
        assert!(
            output.contains(expected),
            "{}: `{script}` printed {output:?}, not {expected:?}",
            machine.runner.name()
        );
        assert!(end.is_none_or(|end| end == ended), "`{script}` ended with {ended:?}, not {end:?}");
    }
    machine.assert_empty();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fork_bomb_is_held_and_removed() {
    let Some(machine) = Machine::open().await else { return };
    let image = machine.image().await;
    let mut container = machine.runner.start(spec(&image, "bomb() { bomb | bomb & }; bomb; sleep 1000")).await.unwrap();
    let mut output = container.take_output().unwrap();
    let mut said = String::new();
    while !said.contains("fork") {
        let mut buffer = [0; 1024];
        let length = output.stderr.read(&mut buffer).await.unwrap();
        assert!(length > 0, "it ended after {said:?}");
        said.push_str(&String::from_utf8_lossy(&buffer[..length]));
    }
    container.remove().await.unwrap();
    machine.assert_empty();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frozen_container_uses_no_processor() {
    let Some(machine) = Machine::open().await else { return };
    let image = machine.image().await;
    let container = machine.runner.start(spec(&image, "while :; do :; done")).await.unwrap();
    container.freeze().await.unwrap();
    // On a busy machine it takes a moment until all processes have come to know.
    let mut before = container.cpu_time().unwrap();
    let mut quiet = 0;
    while quiet < 20 {
        tokio::time::sleep(Duration::from_millis(5)).await;
        let now = container.cpu_time().unwrap();
        quiet = if now == before { quiet + 1 } else { 0 };
        before = now;
    }
    container.thaw().await.unwrap();
    while container.cpu_time().unwrap() < before + Duration::from_millis(20) {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    container.freeze().await.unwrap();
    container.remove().await.unwrap();
    machine.assert_empty();
}

#[tokio::test(flavor = "multi_thread")]
async fn processor_time_is_limited() {
    let Some(machine) = Machine::open().await else { return };
    let image = machine.image().await;
    let mut limited = spec(&image, "while :; do :; done");
    limited.limits.milli_cpus = Some(100);
    let container = machine.runner.start(limited).await.unwrap();
    let (start, before) = (std::time::Instant::now(), container.cpu_time().unwrap());
    tokio::time::sleep(Duration::from_millis(500)).await;
    let used = container.cpu_time().unwrap() - before;
    // A tenth, and a period more that may have begun. Without a limit it would be nearly all.
    assert!(used < start.elapsed() / 5 + Duration::from_millis(20), "{used:?}");
    container.remove().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_container_that_does_not_start_leaves_nothing_but_a_reason() {
    let Some(machine) = Machine::open().await else { return };
    let image = machine.images.image(&["/bin/nothing"]).await;
    let error = machine.runner.start(spec(&image, "")).await.unwrap_err();
    let text = error.to_string();
    assert!(text.contains("could not start the container: ") && text.contains("/bin/nothing"), "{text}");
    machine.assert_empty();
}

#[tokio::test(flavor = "multi_thread")]
async fn many_at_once_leave_nothing() {
    let Some(machine) = Machine::open().await else { return };
    let image = machine.image().await;
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..20 {
        let (runner, image) = (machine.runner.clone(), image.clone());
        tasks.spawn(async move {
            let mut container = runner.start(spec(&image, "echo $DO; exec sleep 1000")).await.unwrap();
            let mut output = container.take_output().unwrap();
            assert!(output.stdout.read_u8().await.is_ok());
            if number % 2 == 0 {
                container.freeze().await.unwrap();
            }
            container.remove().await.unwrap();
        });
    }
    while let Some(done) = tasks.join_next().await {
        done.unwrap();
    }
    machine.assert_empty();
    // No zombie of a runtime stays either.
    eventually("no children", || children().is_empty()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_that_nobody_waits_for_leaves_nothing() {
    let Some(machine) = Machine::open().await else { return };
    let image = machine.image().await;
    for pause in [0, 1, 5, 20] {
        let start = machine.runner.start(spec(&image, "sleep 1000"));
        let _ = tokio::time::timeout(Duration::from_millis(pause), start).await;
    }
    let containers = machine.dir.path().join("oci/containers");
    eventually("no containers", || fs::read_dir(&containers).unwrap().next().is_none()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_opened_is_said() {
    let Some(machine) = Machine::open().await else { return };
    let error = |dir: &Path, runtime: &str| {
        let params = params(dir, Some(runtime));
        async { OciRunner::open(params).await.unwrap_err() }
    };
    let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    for (dir, runtime, expected) in [
        (machine.dir.path(), "crun", "another node uses this directory"),
        (one.path(), "no-such-runtime", "install crun or runc: no-such-runtime could not be run: not installed"),
        (other.path(), "/bin/true", "finding the process of container"),
    ] {
        let error = error(dir, runtime).await;
        assert!(matches!(error, RunnerError::Io { .. } | RunnerError::Runtime { .. }), "{error:?}");
        assert!(error.to_string().contains(expected), "{error}");
    }
}

pub(crate) async fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    for _ in 0..2_000 {
        if is_so() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("{what}: not within ten seconds");
}

/// The children of this process that are not of tests beside this one: zombies.
fn children() -> Vec<String> {
    let tasks = fs::read_dir("/proc/self/task").unwrap();
    let children = tasks.filter_map(|task| fs::read_to_string(task.unwrap().path().join("children")).ok());
    let children = children.flat_map(|line| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>());
    let is_zombie =
        |pid: &String| fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| stat.contains(") Z "));
    children.filter(is_zombie).collect()
}
