//! The program of the image without a container: Debian's Python in the image's files, with the same modules, compiled in
//! the same way.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::client::Client;
use crate::failure::{Doing, Failure, Outcome};
use crate::images;
use crate::process;

const START_MAX: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_micros(200);

/// The image's files.
pub(super) struct Alone {
    root: PathBuf,
}

/// The running program; killed when dropped.
pub(super) struct Program {
    process: Child,
    socket: PathBuf,
}

impl Alone {
    pub(super) fn unpack(work: &Path) -> Outcome<Self> {
        let root = work.join("python");
        std::fs::create_dir_all(&root).doing(format_args!("creating {}", root.display()))?;
        images::unpack_python_hello(&root)?;
        Ok(Self { root })
    }

    /// Starts it, and waits until it listens.
    pub(super) fn start(&self) -> Outcome<Program> {
        let folder = self.root.join("tmp/iofs");
        if folder.exists() {
            std::fs::remove_dir_all(&folder).doing("removing the socket of an earlier start")?;
        }
        std::fs::create_dir_all(&folder).doing("creating the folder of a socket")?;
        let mut command = Command::new(process::require_program("chroot", "coreutils")?);
        command.arg(&self.root).args(["/python/bin/fdk", "/function/func.py", "handler"]).env_clear();
        command.envs([("PATH", "/usr/bin:/bin"), ("PYTHONPATH", "/function:/python"), ("FN_FORMAT", "http-stream")]);
        command.env("FN_LISTENER", "unix:/tmp/iofs/lsnr.sock").stdin(Stdio::null());
        let process = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().doing("starting Python")?;
        let link = folder.join("lsnr.sock");
        let mut program = Program { process, socket: PathBuf::new() };
        let start = Instant::now();
        loop {
            // The link is relative, to a socket beside it.
            if let Ok(target) = std::fs::read_link(&link) {
                program.socket = folder.join(target);
                return Ok(program);
            }
            let ended = program.process.try_wait().doing("looking at Python")?.is_some();
            if ended || start.elapsed() > START_MAX {
                return Err(Failure::new("the function of the image does not listen without a container"));
            }
            std::thread::sleep(POLL);
        }
    }
}

impl Program {
    pub(super) fn connect(&self) -> Outcome<Client> {
        Client::over_socket(&self.socket)
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // Both fail only when it has ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
