//! A function in a container that misbehaves on request, as `fn-test-utils` does for Project Fn. It speaks `http-stream` by
//! hand and is one static program, so that its image holds nothing else.
//!
//! How it starts is said by the variable `FN_TEST_START`, and what a call does by the JSON of its body.

mod deeds;
mod http;
mod json;

use std::fs;
use std::io::{BufReader, Write};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process;
use std::thread;
use std::time::Duration;

fn main() {
    if std::env::args().nth(1).as_deref() == Some(deeds::BOMB) {
        deeds::multiply();
    }
    let address = std::env::var("FN_LISTENER").unwrap_or_default();
    let socket = PathBuf::from(address.strip_prefix("unix:").unwrap_or("/tmp/iofs/lsnr.sock"));
    let start = std::env::var("FN_TEST_START").unwrap_or_default();
    let (how, what) = start.split_once(':').unwrap_or((&start, ""));
    match how {
        "" => serve(&listen(&socket, None)),
        // It never listens, and never ends.
        "never" => rest(),
        "exit" => {
            eprintln!("giving up");
            process::exit(what.parse().unwrap_or(1));
        }
        "late" => {
            thread::sleep(Duration::from_millis(what.parse().unwrap_or(0)));
            serve(&listen(&socket, None));
        }
        // It computes all the time, also between calls.
        "busy" => {
            thread::spawn(|| {
                loop {
                    std::hint::spin_loop();
                }
            });
            serve(&listen(&socket, None));
        }
        // The link leads to wherever is said.
        "link" => serve(&listen(&socket, Some(what))),
        // There is a file where the socket should be.
        "file" => {
            fs::write(&socket, "no socket").expect("the directory can be written");
            rest();
        }
        // It listens, and takes no connection.
        "deaf" => {
            let _listener = listen(&socket, None);
            rest();
        }
        // It greets whoever connects, before anything was asked.
        "garbage" => {
            for mut connection in listen(&socket, None).incoming().flatten() {
                let _ = connection.write_all(b"SSH-2.0-OpenSSH_9.2\r\n\r\n");
            }
        }
        other => panic!("FN_TEST_START: `{other}` is not known"),
    }
}

/// Listens as FDKs do: beside the name, which becomes a link to the socket once that can be used.
fn listen(socket: &Path, target: Option<&str>) -> UnixListener {
    let beside = socket.with_file_name("beside.sock");
    let listener = UnixListener::bind(&beside).expect("the directory can be written");
    fs::set_permissions(&beside, fs::Permissions::from_mode(0o666)).expect("the socket is ours");
    symlink(target.unwrap_or("beside.sock"), socket).expect("the directory can be written");
    listener
}

/// One connection after the other, as one call comes after the other.
fn serve(listener: &UnixListener) {
    let mut calls = 0;
    for connection in listener.incoming().flatten() {
        let _ = answer_all(connection, &mut calls);
    }
}

fn answer_all(connection: UnixStream, calls: &mut u64) -> std::io::Result<()> {
    let mut reader = BufReader::new(connection.try_clone()?);
    let mut writer = connection;
    while let Some(request) = http::read(&mut reader)? {
        *calls += 1;
        deeds::carry_out(&request, *calls, &mut writer)?;
    }
    Ok(())
}

fn rest() -> ! {
    loop {
        thread::park();
    }
}
