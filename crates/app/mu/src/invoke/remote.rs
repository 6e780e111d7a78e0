//! Asks the `mu run` that holds the project's data, if there is one.

use std::io::{self, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;

use crate::failure::{Cause, Failure};
use crate::invoke::message::{DOCUMENT_BYTES_MAX, Question, Reply, SOCKET_FILE};

/// The reply of the `mu run` that listens in `data_dir`; `None` when none does.
pub(super) fn ask(data_dir: &Path, question: &Question) -> Result<Option<Reply>, Failure> {
    let path = data_dir.join(SOCKET_FILE);
    let Ok(mut stream) = UnixStream::connect(&path) else { return Ok(None) };
    let mut talk = || -> io::Result<Reply> {
        let mut line = serde_json::to_vec(question)?;
        line.push(b'\n');
        stream.write_all(&line)?;
        let mut text = Vec::new();
        (&mut stream).take(DOCUMENT_BYTES_MAX).read_to_end(&mut text)?;
        Ok(serde_json::from_slice(&text)?)
    };
    let hint = "was it another version of mu, or was it stopped? Run `mu invoke` again";
    talk().map(Some).map_err(|e| {
        Failure::from_error(Cause::Failed, "talking to the `mu run` that serves this project", &e).hint(hint)
    })
}
