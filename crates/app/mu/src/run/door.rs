//! The socket in the data directory through which `mu invoke` reaches a `mu run` that holds the data.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use mu_node::Node;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Notify;
use tokio::task::{JoinHandle, JoinSet};

use crate::failure::{Cause, Failure};
use crate::invoke::{self, DOCUMENT_BYTES_MAX, Question, SOCKET_FILE};
use crate::report::Tap;
use crate::terminal;

/// Questions that are answered at the same time; more wait to be accepted.
const QUESTIONS_MAX: usize = 16;

/// How long a question may take to arrive. It comes from this machine, whole.
const QUESTION_TIMEOUT: Duration = Duration::from_secs(10);

/// A listening socket; closed and removed by [`Door::close`].
pub(super) struct Door {
    path: PathBuf,
    closing: Arc<Notify>,
    task: Option<JoinHandle<()>>,
}

impl Door {
    /// Listens in `data_dir`, which this process holds: a socket that is there was left by a process that is gone.
    pub(super) fn open(data_dir: &Path, node: Arc<Node>, tap: Arc<Tap>) -> Result<Self, Failure> {
        let (path, closing) = (data_dir.join(SOCKET_FILE), Arc::new(Notify::new()));
        let listen = || -> io::Result<UnixListener> {
            match fs::remove_file(&path) {
                Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
                _ => {}
            }
            let listener = UnixListener::bind(&path)?;
            fs::set_permissions(&path, Permissions::from_mode(0o600))?;
            Ok(listener)
        };
        match listen() {
            Ok(listener) => {
                let task = tokio::spawn(accept(listener, node, tap, Arc::clone(&closing)));
                Ok(Self { path, closing, task: Some(task) })
            }
            // Not every file system has sockets, and their paths are limited to about a hundred bytes: that is no
            // reason not to serve.
            Err(e) if matches!(e.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported) => {
                terminal::say(format!("`mu invoke` cannot reach this run: {}: {e}", path.display()));
                Ok(Self { path, closing, task: None })
            }
            Err(e) => Err(Failure::from_error(Cause::Start, format!("listening on {}", path.display()), &e)),
        }
    }

    /// Takes no more questions, and waits for those under way.
    pub(super) async fn close(self) {
        let Some(task) = self.task else { return };
        self.closing.notify_one();
        // It panics only where a bug is, and the node is stopping anyway.
        let _ = task.await;
        let _ = fs::remove_file(&self.path);
    }
}

/// Answers until `closing`, and then what has been asked already.
async fn accept(listener: UnixListener, node: Arc<Node>, tap: Arc<Tap>, closing: Arc<Notify>) {
    let mut answering = JoinSet::new();
    loop {
        tokio::select! {
            () = closing.notified() => break,
            accepted = listener.accept(), if answering.len() < QUESTIONS_MAX => match accepted {
                Ok((stream, _)) => {
                    let (node, tap) = (Arc::clone(&node), Arc::clone(&tap));
                    answering.spawn(async move {
                        if let Err(error) = answer(stream, &node, &tap).await {
                            tracing::warn!(%error, "answering `mu invoke`");
                        }
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, "accepting a connection of `mu invoke`; trying again");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            },
            Some(_) = answering.join_next() => {}
        }
    }
    drop(listener);
    while answering.join_next().await.is_some() {}
}

async fn answer(stream: UnixStream, node: &Node, tap: &Tap) -> io::Result<()> {
    let (reading, mut writing) = stream.into_split();
    let mut reading = BufReader::new(reading);
    let mut text = Vec::new();
    let question = async { (&mut reading).take(DOCUMENT_BYTES_MAX).read_until(b'\n', &mut text).await };
    tokio::time::timeout(QUESTION_TIMEOUT, question).await??;
    let question: Question = serde_json::from_slice(&text)?;
    drop(text);
    let reply = tokio::select! {
        reply = invoke::perform(node, tap, question) => reply,
        // The caller went away, which stops the call; nothing else can come from it.
        _ = reading.read_u8() => return Ok(()),
    };
    writing.write_all(&serde_json::to_vec(&reply)?).await?;
    writing.shutdown().await
}
