//! What every adapter of [`Runner`] must do. An adapter's tests call [`check`] with an image whose command is [`COMMAND`],
//! or whatever does the same ([`act`]).

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use mu_image::Image;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};

use crate::memory::MemoryProcess;
use crate::{Container, ContainerLimits, ContainerSpec, Exit, LogPipe, Network, Runner};

/// What the image runs: it does what the variable `DO` says.
pub const COMMAND: [&str; 3] = [
    "/bin/sh",
    "-c",
    r#"case "$DO" in
        exit) exit 3 ;;
        print) echo "out $GIVEN"; echo err >&2 ;;
        socket) : > /tmp/iofs/made; echo made; exec sleep 1000 ;;
        count) while :; do echo tick; done ;;
    esac"#,
];

/// How long anything may take. Nothing is as slow as that.
const TIME_MAX: Duration = Duration::from_secs(30);

/// Does what [`COMMAND`] does, without a shell.
pub async fn act(mut process: MemoryProcess) -> Exit {
    let variable = |name: &str| {
        let found = process.spec.env.iter().find(|(had, _)| had == name);
        found.map(|(_, value)| value.clone()).unwrap_or_default()
    };
    let written = match variable("DO").as_str() {
        "exit" => return Exit::Code(3),
        "print" => {
            let text = format!("out {}\n", variable("GIVEN"));
            process.stdout.write_all(text.as_bytes()).await.and(process.stderr.write_all(b"err\n").await)
        }
        "socket" => {
            std::fs::write(process.socket_dir.join("made"), "").expect("the directory is there");
            process.stdout.write_all(b"made\n").await.expect("somebody reads");
            std::future::pending().await
        }
        _ => loop {
            if let Err(error) = process.stdout.write_all(b"tick\n").await {
                break Err(error);
            }
            tokio::task::yield_now().await;
        },
    };
    Exit::Code(i32::from(written.is_err()))
}

/// Runs every rule against `runner`.
///
/// # Panics
/// When a rule is broken; the message says which.
pub async fn check(runner: Arc<dyn Runner>, image: Image) {
    let suite = Suite { runner, image };
    suite.runner.prepare(&suite.image, &Network::None).await.expect("an image is made ready");
    suite.runner.prepare(&suite.image, &Network::None).await.expect("an image is made ready twice");
    suite.the_end_is_told_to_everybody().await;
    suite.all_output_is_read().await;
    suite.the_socket_directory_is_shared().await;
    suite.frozen_containers_go_on_when_thawed().await;
    suite.removal_takes_everything().await;
    suite.dropped_containers_are_removed().await;
    suite.ids_are_unique().await;
    assert_eq!(suite.runner.sweep().await.expect("sweeping succeeds"), 0, "nothing is left");
}

struct Suite {
    runner: Arc<dyn Runner>,
    image: Image,
}

impl Suite {
    async fn start(&self, act: &str) -> Box<dyn Container> {
        let spec = ContainerSpec {
            image: self.image.clone(),
            env: vec![("DO".to_owned(), act.to_owned()), ("GIVEN".to_owned(), "a b=c".to_owned())],
            limits: ContainerLimits {
                memory_bytes: 64 << 20,
                tmp_bytes: 16 << 20,
                tmp_files: 512,
                pids: 16,
                open_files: 64,
                milli_cpus: None,
            },
            network: Network::None,
            label: "suite/conformance".to_owned(),
        };
        self.runner.start(spec).await.expect("a container starts")
    }

    async fn the_end_is_told_to_everybody(&self) {
        let container = self.start("exit").await;
        let ends = within(async { tokio::join!(container.exited(), container.exited()) }).await;
        assert_eq!(ends, (Exit::Code(3), Exit::Code(3)), "everybody who waits is told of the end");
        assert_eq!(within(container.exited()).await, Exit::Code(3), "so is who asks later");
        container.cpu_time().expect("what an ended container has used can be read");
        container.remove().await.expect("an ended container is removed");
    }

    async fn all_output_is_read(&self) {
        let mut container = self.start("print").await;
        assert_eq!(within(container.exited()).await, Exit::Code(0), "it ends by itself");
        let output = container.take_output().expect("output is given once");
        assert!(container.take_output().is_none(), "output is given no more than once");
        assert_eq!(all(output.stdout).await, "out a b=c\n", "standard output is read, also after the end");
        assert_eq!(all(output.stderr).await, "err\n", "so is standard error");
        container.remove().await.expect("it is removed");
    }

    async fn the_socket_directory_is_shared(&self) {
        let mut container = self.start("socket").await;
        let output = container.take_output().expect("output is given");
        assert_eq!(lines(output.stdout, 1).await, ["made"]);
        assert!(container.socket_dir().join("made").exists(), "the node sees what the container made");
        container.remove().await.expect("it is removed");
    }

    async fn frozen_containers_go_on_when_thawed(&self) {
        let mut container = self.start("count").await;
        let mut output = container.take_output().expect("output is given").stdout;
        for _ in 0..2 {
            container.freeze().await.expect("it freezes, also twice");
        }
        quiet(&mut output).await;
        let before = container.cpu_time().expect("processor time is read");
        for _ in 0..2 {
            container.thaw().await.expect("it thaws, also twice");
        }
        assert_eq!(lines(output, 100).await.len(), 100, "it goes on");
        assert!(container.cpu_time().expect("processor time is read") >= before, "processor time does not go back");
        container.freeze().await.expect("it freezes");
        container.remove().await.expect("a frozen container is removed");
    }

    async fn removal_takes_everything(&self) {
        let container = self.start("socket").await;
        let socket_dir = container.socket_dir().to_owned();
        assert!(socket_dir.is_dir(), "the directory is there from the start");
        container.remove().await.expect("a running container is removed");
        assert!(!socket_dir.exists(), "the directory is gone when removal returns");
    }

    async fn dropped_containers_are_removed(&self) {
        let mut container = self.start("count").await;
        let socket_dir = container.socket_dir().to_owned();
        let output = container.take_output().expect("output is given").stdout;
        drop(container);
        // The pipe ends with the last process.
        within(async { drop(all(output).await) }).await;
        gone(&socket_dir).await;
    }

    async fn ids_are_unique(&self) {
        let mut ids = HashSet::new();
        for _ in 0..3 {
            let container = self.start("socket").await;
            assert!(ids.insert(container.id().clone()), "no id is given twice");
            container.remove().await.expect("it is removed");
        }
    }
}

/// Waits for something that surely happens.
async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(TIME_MAX, future).await.expect("it does not take forever")
}

async fn all(mut pipe: LogPipe) -> String {
    let mut text = String::new();
    within(pipe.read_to_string(&mut text)).await.expect("a pipe is read");
    text
}

async fn lines(pipe: LogPipe, count: usize) -> Vec<String> {
    let mut lines = BufReader::new(pipe).lines();
    let mut read = Vec::new();
    while read.len() < count {
        read.push(within(lines.next_line()).await.expect("a pipe is read").expect("there is another line"));
    }
    read
}

/// Reads until nothing comes any more.
async fn quiet(pipe: &mut LogPipe) {
    let mut buffer = vec![0; 64 * 1024];
    let pause = Duration::from_millis(100);
    within(async { while tokio::time::timeout(pause, pipe.read(&mut buffer)).await.is_ok() {} }).await;
}

async fn gone(path: &Path) {
    within(async {
        while path.exists() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
}
