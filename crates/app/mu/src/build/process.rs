//! Runs a compiler, shows that it is at work, and keeps what it says for when it fails.

use std::io::{self, BufRead, BufReader, Read};
use std::process::{Command, ExitStatus, Stdio};
use std::thread;

use crate::terminal::Progress;

/// The most bytes kept of what a build says; of more, the end is kept, where compilers sum up.
const KEPT_BYTES_MAX: usize = 512 << 10;

/// What a process did.
pub(crate) struct Finished {
    pub(crate) status: ExitStatus,
    /// Its standard output, when it was asked for.
    pub(crate) stdout: Vec<u8>,
    /// The end of what it said: standard error, and standard output when that was not asked for.
    pub(crate) said: String,
}

/// What becomes of a process's standard output.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stdout {
    /// It is data for us.
    Wanted,
    /// It is talk, like standard error.
    Talk,
}

/// Runs `command` to its end. Its last line is shown by `progress`.
pub(crate) fn run(command: &mut Command, stdout: Stdout, progress: &Progress) -> io::Result<Finished> {
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    let (out, err) = (child.stdout.take(), child.stderr.take());
    let (data, said) = thread::scope(|scope| {
        let reader = scope.spawn(move || match stdout {
            Stdout::Wanted => out.map_or(Ok(Vec::new()), read_all),
            Stdout::Talk => out.map_or(Ok(Vec::new()), |out| listen(out, progress)),
        });
        let said = err.map_or(Ok(Vec::new()), |err| listen(err, progress));
        let data = reader.join().unwrap_or_else(|_| Err(io::Error::other("reading the output of the build")));
        (data, said)
    });
    let (status, data, mut said) = (child.wait()?, data?, said?);
    let stdout = match stdout {
        Stdout::Wanted => data,
        Stdout::Talk => {
            said.splice(0..0, data);
            Vec::new()
        }
    };
    Ok(Finished { status, stdout, said: String::from_utf8_lossy(&said).into_owned() })
}

fn read_all(mut pipe: impl Read) -> io::Result<Vec<u8>> {
    let mut data = Vec::new();
    pipe.read_to_end(&mut data)?;
    Ok(data)
}

/// Reads to the end, line by line. Only the last [`KEPT_BYTES_MAX`] bytes, or up to twice as many, stay in memory.
fn listen(pipe: impl Read, progress: &Progress) -> io::Result<Vec<u8>> {
    let (mut pipe, mut kept) = (BufReader::new(pipe), Vec::new());
    loop {
        let start = kept.len();
        // A line without end is taken in pieces.
        if pipe.by_ref().take(KEPT_BYTES_MAX as u64).read_until(b'\n', &mut kept)? == 0 {
            return Ok(kept);
        }
        progress.show(String::from_utf8_lossy(&kept[start..]).trim());
        if kept.len() > 2 * KEPT_BYTES_MAX {
            kept.drain(..kept.len() - KEPT_BYTES_MAX);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str, stdout: Stdout) -> Finished {
        let progress = Progress::start("testing".to_owned());
        run(Command::new("sh").arg("-c").arg(script), stdout, &progress).unwrap()
    }

    #[test]
    fn keeps_what_was_said_and_how_it_ended() {
        let talk = shell("echo out; echo err >&2; exit 3", Stdout::Talk);
        assert_eq!((talk.said.as_str(), talk.status.code(), talk.stdout.len()), ("out\nerr\n", Some(3), 0));
        let wanted = shell("echo out; echo err >&2", Stdout::Wanted);
        assert_eq!((wanted.said.as_str(), wanted.stdout.as_slice()), ("err\n", b"out\n".as_slice()));
        assert!(wanted.status.success());
    }

    #[test]
    fn endless_talk_is_cut_at_its_beginning() {
        let finished = shell("yes line | head -c 3000000; echo; echo the end", Stdout::Talk);
        assert!(finished.said.len() <= 2 * KEPT_BYTES_MAX + 16, "{}", finished.said.len());
        assert!(finished.said.ends_with("the end\n"));
    }
}
