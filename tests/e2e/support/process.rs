//! The real binary, as a user would start it.

use std::io::{BufRead, BufReader, Read};
use std::marker::PhantomData;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::http::{self, Answer};
use super::{DEADLINE, Project};

/// A command of the binary, in `folder`, without what the tester's own environment would change, and without a compiler:
/// checked-in modules need none, and no test installs one.
pub(crate) fn mu(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mu"));
    command
        .current_dir(folder)
        .args(arguments)
        .stdin(Stdio::null())
        .env_remove("MU_LOG")
        .env("MU_WASM_TOOLCHAIN", "none");
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("MU_FN_") {
            command.env_remove(name);
        }
    }
    command
}

/// Runs a command to its end.
pub(crate) fn output(folder: &Path, arguments: &[&str]) -> Output {
    mu(folder, arguments).output().unwrap()
}

/// A running `mu run` on a free port; killed when dropped, and before its project is deleted.
pub(crate) struct Running<'p> {
    project: PhantomData<&'p Project>,
    child: Child,
    stdout: Arc<Lines>,
    stderr: Arc<Lines>,
    addresses: Value,
}

impl<'p> Running<'p> {
    /// Starts serving `project` without watching, and waits until it does.
    pub(crate) fn start(project: &'p Project) -> Self {
        Self::start_with(project, &["--no-watch"])
    }

    pub(crate) fn start_with(project: &'p Project, arguments: &[&str]) -> Self {
        Self::serving(project, mu(project.path(), &["run"]), arguments)
    }

    /// Starts it where no file can grow beyond `blocks` of 512 bytes: writing more fails, as on a full disk.
    pub(crate) fn start_with_small_files(project: &'p Project, blocks: u32) -> Self {
        let limited = format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$0\" run \"$@\"");
        let mut shell = Command::new("sh");
        shell.current_dir(project.path()).args(["-c", &limited, env!("CARGO_BIN_EXE_mu")]);
        Self::serving(project, shell, &["--no-watch"])
    }

    /// Starts `run`, which takes more arguments, and waits until it serves.
    fn serving(project: &'p Project, mut run: Command, arguments: &[&str]) -> Self {
        let file = project.path().join("addresses.json");
        // Of an earlier run.
        let _ = std::fs::remove_file(&file);
        run.args(["--gateway", "127.0.0.1:0", "--output", "json", "--addresses"]).arg(&file).args(arguments);
        let mut child = run.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let stdout = Lines::of(child.stdout.take().unwrap());
        let stderr = Lines::of(child.stderr.take().unwrap());
        let mut running = Self { project: PhantomData, child, stdout, stderr, addresses: Value::Null };
        running.addresses = wait_until("the addresses file", || {
            if let Some(status) = running.child.try_wait().unwrap() {
                // The readers end when the process's pipes do.
                wait_until("the end of standard error", || running.stderr.is_closed().then_some(()));
                panic!("mu run ended with {status}:\n{}", running.stderr.text());
            }
            std::fs::read(&file).ok().map(|text| serde_json::from_slice(&text).expect("the addresses are JSON"))
        });
        running
    }

    pub(crate) fn addresses(&self) -> &Value {
        &self.addresses
    }

    pub(crate) fn gateway(&self) -> SocketAddr {
        self.addresses["gateway"].as_str().unwrap().parse().unwrap()
    }

    /// Sends a request to the stack's gateway: `path` follows the stack's name.
    pub(crate) fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        let path = format!("/{}{path}", self.addresses["stack"].as_str().unwrap());
        http::send(self.gateway(), method, &path, headers, body)
            .unwrap_or_else(|e| panic!("{method} {path}: {e}\n{}", self.stderr.text()))
    }

    pub(crate) fn get(&self, path: &str) -> Answer {
        self.send("GET", path, &[], b"")
    }

    /// Waits for an event of standard output of which `wanted` holds.
    pub(crate) fn event(&self, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let parsed = |line: &str| serde_json::from_str::<Value>(line).unwrap_or_else(|e| panic!("{e}: {line}"));
        self.stdout.wait_for(what, |line| Some(parsed(line)).filter(&wanted))
    }

    /// The events of standard output so far of which `wanted` holds.
    pub(crate) fn events(&self, wanted: impl Fn(&Value) -> bool) -> Vec<Value> {
        let text = self.stdout.text();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).filter(wanted).collect()
    }

    /// Waits for a line of standard error that contains `text`.
    pub(crate) fn said(&self, text: &str) -> String {
        self.stderr.wait_for(text, |line| line.contains(text).then(|| line.to_owned()))
    }

    /// Kills it as an emergency would: no handler runs.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Sends a signal by its name.
    pub(crate) fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-s", name, &pid]).status().unwrap().success());
    }

    /// Waits for its end.
    pub(crate) fn wait(&mut self) -> ExitStatus {
        wait_until("the process's end", || self.child.try_wait().unwrap())
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        end(&mut self.child);
    }
}

/// How long a process may take to end that is asked to: it removes its containers.
const ENDS_WITHIN: Duration = Duration::from_secs(5);

/// Ends a process, if it has not ended already: kindly, if that is possible.
pub(crate) fn end(child: &mut Child) {
    let pid = child.id().to_string();
    if child.try_wait().is_ok_and(|ended| ended.is_none()) {
        let _ = Command::new("kill").args(["-s", "TERM", &pid]).status();
    }
    let deadline = Instant::now() + ENDS_WITHIN;
    while Instant::now() < deadline && child.try_wait().is_ok_and(|ended| ended.is_none()) {
        thread::sleep(Duration::from_millis(2));
    }
    let _ = child.kill();
    let _ = child.wait();
}

/// The lines of a pipe, as they come.
struct Lines {
    state: Mutex<(Vec<String>, IsClosed)>,
    changed: Condvar,
}

type IsClosed = bool;

impl Lines {
    fn of(pipe: impl Read + Send + 'static) -> Arc<Self> {
        let lines = Arc::new(Self { state: Mutex::default(), changed: Condvar::new() });
        let shared = Arc::clone(&lines);
        thread::spawn(move || {
            for line in BufReader::new(pipe).lines().map_while(Result::ok) {
                shared.lock().0.push(line);
                shared.changed.notify_all();
            }
            shared.lock().1 = true;
            shared.changed.notify_all();
        });
        lines
    }

    fn wait_for<T>(&self, what: &str, wanted: impl Fn(&str) -> Option<T>) -> T {
        let deadline = Instant::now() + DEADLINE;
        let mut state = self.lock();
        let mut seen = 0;
        loop {
            if let Some(found) = state.0[seen..].iter().find_map(|line| wanted(line)) {
                return found;
            }
            seen = state.0.len();
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(!left.is_zero() && !state.1, "no {what} among:\n{}", state.0.join("\n"));
            state = self.changed.wait_timeout(state, left).unwrap().0;
        }
    }

    fn text(&self) -> String {
        self.lock().0.join("\n")
    }

    fn is_closed(&self) -> bool {
        self.lock().1
    }

    /// Also after a test has failed while it held the lock: the reader goes on.
    fn lock(&self) -> MutexGuard<'_, (Vec<String>, IsClosed)> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Asks until there is an answer, or the deadline.
pub(crate) fn wait_until<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + DEADLINE;
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(Instant::now() < deadline, "waiting for {what} took too long");
        thread::park_timeout(Duration::from_millis(5));
    }
}
