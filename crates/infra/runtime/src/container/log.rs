//! What a container writes, delivered to the invocation it belongs to.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use mu_container::{ContainerOutput, LogPipe};
use mu_telemetry::{InvocationLog, Level, LogSource};

use crate::lines::Lines;

/// What is kept of what a container writes before its first call, in bytes: enough to tell why it does not start.
const EARLY_BYTES_MAX: usize = 32 << 10;

/// What a line counts beside its text, since keeping it takes more than that.
const LINE_BYTES: usize = 64;

/// Bytes read from a pipe in one go: what a pipe holds.
const READ_BYTES: usize = 64 << 10;

/// Both streams of one container. What is written during a call, and after it until the next one, belongs to that
/// call; what is written before the first one belongs to the first.
#[derive(Debug)]
pub(super) struct OutputLog {
    stdout: Stream,
    stderr: Stream,
    listener: Mutex<Listener>,
}

#[derive(Debug)]
struct Stream {
    pipe: LogPipe,
    lines: Mutex<Lines>,
}

/// Who is told.
#[derive(Debug)]
enum Listener {
    Nobody { early: Vec<(LogSource, String)>, bytes: usize },
    Call(Arc<InvocationLog>),
}

impl OutputLog {
    pub(super) fn new(output: ContainerOutput) -> Self {
        Self {
            stdout: Stream::new(output.stdout, LogSource::Stdout),
            stderr: Stream::new(output.stderr, LogSource::Stderr),
            listener: Mutex::new(Listener::Nobody { early: Vec::new(), bytes: 0 }),
        }
    }

    /// Reads until both streams have ended.
    pub(super) async fn pump(&self) {
        tokio::join!(self.pump_stream(&self.stdout), self.pump_stream(&self.stderr));
    }

    /// What is written from now on belongs to this call; what was written before, to the one before.
    pub(super) fn begin(&self, log: &Arc<InvocationLog>) {
        self.catch_up();
        let before = std::mem::replace(&mut *self.listener(), Listener::Call(Arc::clone(log)));
        if let Listener::Nobody { early, .. } = before {
            for (source, line) in early {
                log.write(source, Level::Info, line);
            }
        }
    }

    /// Delivers everything that was written until now, the beginnings of lines included.
    pub(super) fn catch_up(&self) {
        for stream in [&self.stdout, &self.stderr] {
            // Everything that is in the pipe, whether or not tokio knows of it yet, and no more than a pipe holds: who
            // writes without end is not waited for.
            self.read(stream, |buffer| rustix::io::read(&stream.pipe, buffer).map_err(io::Error::from));
            stream.lines().flush(&mut |source, line| self.deliver(source, line));
        }
    }

    /// What was written although there never was a call.
    pub(super) fn early(&self) -> Vec<(LogSource, String)> {
        self.catch_up();
        match &mut *self.listener() {
            Listener::Nobody { early, .. } => std::mem::take(early),
            Listener::Call(_) => Vec::new(),
        }
    }

    async fn pump_stream(&self, stream: &Stream) {
        while stream.pipe.readable().await.is_ok() {
            if self.read(stream, |buffer| stream.pipe.try_read(buffer)).is_end() {
                return;
            }
            // Others have their turn, however fast it is written.
            tokio::task::yield_now().await;
        }
    }

    /// Reads what is there, and no more than a pipe holds.
    fn read(&self, stream: &Stream, mut read: impl FnMut(&mut [u8]) -> io::Result<usize>) -> Progress {
        let mut buffer = [0; 8 << 10];
        let mut lines = stream.lines();
        let mut bytes = 0;
        while bytes < READ_BYTES {
            match read(&mut buffer) {
                Ok(0) => return Progress::End,
                Ok(count) => {
                    bytes += count;
                    lines.write(&buffer[..count], &mut |source, line| self.deliver(source, line));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Progress::More,
                Err(_) => return Progress::End,
            }
        }
        Progress::More
    }

    fn deliver(&self, source: LogSource, line: String) {
        match &mut *self.listener() {
            Listener::Call(log) => log.write(source, Level::Info, line),
            Listener::Nobody { early, bytes } => {
                *bytes = bytes.saturating_add(line.len() + LINE_BYTES);
                if *bytes <= EARLY_BYTES_MAX {
                    early.push((source, line));
                }
            }
        }
    }

    fn listener(&self) -> MutexGuard<'_, Listener> {
        self.listener.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Progress {
    More,
    End,
}

impl Progress {
    fn is_end(self) -> bool {
        self == Self::End
    }
}

impl Stream {
    fn new(pipe: LogPipe, source: LogSource) -> Self {
        Self { pipe, lines: Mutex::new(Lines::new(source)) }
    }

    fn lines(&self) -> MutexGuard<'_, Lines> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Write as _;

    use tokio::net::unix::pipe::{Sender, pipe};

    use super::*;

    fn write(sender: Sender, text: &str) {
        fs::File::from(sender.into_blocking_fd().unwrap()).write_all(text.as_bytes()).unwrap();
    }

    #[tokio::test]
    async fn little_is_kept_before_the_first_call_however_short_its_lines() {
        for (line, kept) in [("a\n", EARLY_BYTES_MAX / (1 + LINE_BYTES)), (" \n", 0), ("\r\n", 0)] {
            let ((out, stdout), (_err, stderr)) = (pipe().unwrap(), pipe().unwrap());
            let log = OutputLog::new(ContainerOutput { stdout, stderr });
            write(out, &line.repeat(10_000));
            assert_eq!(log.early().len(), kept, "{line:?}");
        }
    }
}
