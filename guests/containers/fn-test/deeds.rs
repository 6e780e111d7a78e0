//! What a call asks for, in the order in which it is done. The names of [`fn-test-utils`] are kept where it has one.
//!
//! [`fn-test-utils`]: https://github.com/fnproject/fn/tree/master/images/fn-test-utils

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixStream;
use std::process::{self, Command};
use std::thread;
use std::time::{Duration, Instant};

use crate::http::Request;
use crate::json::Json;

/// The argument of a process that only starts others of its kind.
pub const BOMB: &str = "--multiply";

const CONNECT_MAX: Duration = Duration::from_secs(5);

/// Does what the request's body says, and answers. What was asked for and failed is told in the answer, beside what the
/// function was given: its environment, the request's headers and body, and the number of the call in this container.
pub fn carry_out(request: &Request, calls: u64, connection: &mut UnixStream) -> io::Result<()> {
    let body = String::from_utf8_lossy(&request.body);
    let wanted = Json::parse(&body).unwrap_or(Json::Null);
    let mut told = vec![
        ("call".to_owned(), Json::Number(calls)),
        ("request".to_owned(), text(&request.line)),
        ("headers".to_owned(), pairs(request.headers.iter().cloned())),
        ("env".to_owned(), pairs(std::env::vars())),
        ("arguments".to_owned(), Json::List(std::env::args().map(|argument| text(&argument)).collect())),
        ("directory".to_owned(), text(&std::env::current_dir().unwrap_or_default().to_string_lossy())),
    ];
    if !wanted.is_true("isEmptyBody") {
        told.push(("body".to_owned(), text(&body)));
    }
    write_logs(&wanted);
    end(&wanted);
    use_up(&wanted);
    told.extend(try_out(&wanted).into_iter().map(|(what, outcome)| (what.to_owned(), told_outcome(outcome))));
    answer(&wanted, Json::Object(told), connection)?;
    if wanted.is_true("closeAfterwards") {
        connection.shutdown(std::net::Shutdown::Both)?;
    }
    if let Some(millis) = wanted.number("postSleepTime") {
        sleep(millis);
    }
    if wanted.is_true("exitAfterwards") {
        process::exit(0);
    }
    Ok(())
}

fn write_logs(wanted: &Json) {
    let times = wanted.number("logTimes").unwrap_or(1);
    for _ in 0..times {
        if let Some(line) = wanted.text("logOut") {
            println!("{line}");
        }
        if let Some(line) = wanted.text("logErr") {
            eprintln!("{line}");
        }
    }
    if let Some(bytes) = wanted.number("logGarbage") {
        // Neither text nor a line.
        let _ = io::stdout().write_all(&vec![0xfe; size(bytes)]);
        let _ = io::stdout().flush();
    }
}

fn end(wanted: &Json) {
    if wanted.is_true("isCrash") {
        process::abort();
    }
    if wanted.is_true("isExit") {
        process::exit(wanted.number("exitCode").map_or(0, |code| code as i32));
    }
}

/// Uses time, processors, memory and processes.
fn use_up(wanted: &Json) {
    if let Some(millis) = wanted.number("sleepTime") {
        sleep(millis);
    }
    if let Some(millis) = wanted.number("spin") {
        let start = Instant::now();
        while start.elapsed() < Duration::from_millis(millis) {
            std::hint::spin_loop();
        }
    }
    if let Some(bytes) = wanted.number("allocateMemory") {
        drop(touched(bytes));
    }
    if let Some(bytes) = wanted.number("leakMemory") {
        touched(bytes).leak();
    }
}

/// What may be forbidden, or may be too much.
fn try_out(wanted: &Json) -> Vec<(&'static str, io::Result<String>)> {
    let mut outcomes = Vec::new();
    if let Some(file) = wanted.text("createFile") {
        let bytes = vec![b'x'; size(wanted.number("createFileSize").unwrap_or(0))];
        outcomes.push(("createFile", fs::write(file, &bytes).map(|()| bytes.len().to_string())));
    }
    if let Some(file) = wanted.text("readFile") {
        outcomes.push(("readFile", fs::read(file).map(|bytes| String::from_utf8_lossy(&bytes).into_owned())));
    }
    if let Some(folder) = wanted.text("listFolder") {
        outcomes.push(("listFolder", list(folder)));
    }
    if wanted.is_true("fillTmp") {
        outcomes.push(("fillTmp", Ok(fill_with_bytes().to_string())));
    }
    if wanted.is_true("fillTmpWithFiles") {
        outcomes.push(("fillTmpWithFiles", Ok(fill_with_files().to_string())));
    }
    if wanted.is_true("forkBomb") {
        outcomes.push(("forkBomb", explode().map(|started| started.to_string())));
    }
    if wanted.is_true("openFiles") {
        outcomes.push(("openFiles", Ok(open_files().to_string())));
    }
    if let Some(host) = wanted.text("connect") {
        outcomes.push(("connect", connect(host)));
    }
    if let Some(target) = wanted.text("swapLink") {
        outcomes.push(("swapLink", swap_link(target).map(|()| target.to_owned())));
    }
    outcomes
}

fn answer(wanted: &Json, told: Json, connection: &mut UnixStream) -> io::Result<()> {
    if wanted.is_true("invalidResponse") {
        connection.write_all(b"what was the question?\n")?;
        return connection.shutdown(std::net::Shutdown::Both);
    }
    let mut body = String::new();
    told.write(&mut body);
    if let Some(content) = wanted.text("echoContent") {
        content.clone_into(&mut body);
    }
    if let Some(bytes) = wanted.number("responseSize") {
        body = "x".repeat(size(bytes));
    }
    // That of the contract, which says how the function did; the other is for whoever called it over HTTP.
    let status = wanted.number("fdkStatus").unwrap_or(200);
    let content_type = wanted.text("responseContentType").unwrap_or("application/json");
    let mut head =
        format!("HTTP/1.1 {status} Whatever\r\nContent-Type: {content_type}\r\nFn-Fdk-Version: fn-test/1\r\n");
    if let Some(code) = wanted.number("responseCode") {
        head.push_str(&format!("Fn-Http-Status: {code}\r\n"));
    }
    for (name, value) in wanted.texts("returnHeaders") {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    if let Some(bytes) = wanted.number("headerSize") {
        head.push_str(&format!("Fn-Http-H-Large: {}\r\n", "x".repeat(size(bytes))));
    }
    for number in 0..wanted.number("headerCount").unwrap_or(0) {
        head.push_str(&format!("Fn-Http-H-Number-{number}: {number}\r\n"));
    }
    if wanted.is_true("isChunked") {
        head.push_str("Transfer-Encoding: chunked\r\n\r\n");
        let chunks =
            body.as_bytes().chunks(1000).map(|chunk| [format!("{:x}\r\n", chunk.len()).as_bytes(), chunk].concat());
        let chunks = chunks.collect::<Vec<_>>().join(&b"\r\n"[..]);
        connection.write_all(&[head.as_bytes(), &chunks, b"\r\n0\r\n\r\n"].concat())?;
    } else {
        let whole = format!("{head}Content-Length: {}\r\n\r\n{body}", body.len());
        if wanted.is_true("isCutShort") {
            connection.write_all(&whole.as_bytes()[..whole.len() - body.len() / 2])?;
            process::exit(1);
        }
        connection.write_all(whole.as_bytes())?;
    }
    if wanted.is_true("postOutGarbage") {
        connection.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nmine")?;
    }
    Ok(())
}

/// Memory that is not only promised.
fn touched(bytes: u64) -> Vec<u8> {
    let mut memory = vec![0_u8; size(bytes)];
    memory.iter_mut().step_by(4096).for_each(|byte| *byte = 1);
    std::hint::black_box(memory)
}

fn list(folder: &str) -> io::Result<String> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder)? {
        names.push(entry?.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    Ok(names.join(" "))
}

/// Writes until it can not; the bytes that were written. They are freed again.
fn fill_with_bytes() -> u64 {
    let file = "/tmp/full";
    let mut written = 0;
    if let Ok(mut to) = File::create(file) {
        let chunk = vec![b'x'; 64 * 1024];
        while let Ok(bytes @ 1..) = to.write(&chunk) {
            written += bytes as u64;
        }
    }
    let _ = fs::remove_file(file);
    written
}

/// Makes files until it can not; their number. They are removed again.
fn fill_with_files() -> u64 {
    let name = |number: u64| format!("/tmp/file-{number}");
    let made = (0..).take_while(|number| File::create(name(*number)).is_ok()).count() as u64;
    for number in 0..made {
        let _ = fs::remove_file(name(number));
    }
    made
}

/// Starts processes that start processes. Its own children are stopped afterwards, theirs are not.
fn explode() -> io::Result<usize> {
    let mut children = Vec::new();
    let failure = loop {
        match Command::new("/proc/self/exe").arg(BOMB).spawn() {
            Ok(child) => children.push(child),
            Err(failure) => break failure,
        }
    };
    for child in &mut children {
        let _ = child.kill();
        let _ = child.wait();
    }
    if children.is_empty() { Err(failure) } else { Ok(children.len()) }
}

pub fn multiply() -> ! {
    loop {
        let _ = Command::new("/proc/self/exe").arg(BOMB).spawn();
    }
}

fn open_files() -> usize {
    let files: Vec<_> = (0..100_000).map_while(|_| File::open("/proc/self/exe").ok()).collect();
    files.len()
}

/// Connects to `host:port`; the first bytes that it says, if any.
fn connect(host: &str) -> io::Result<String> {
    let mut last = io::Error::other("no address");
    for address in host.to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, CONNECT_MAX) {
            Ok(mut stream) => {
                stream.set_read_timeout(Some(CONNECT_MAX))?;
                stream.write_all(b"GET / HTTP/1.0\r\n\r\n")?;
                let mut said = [0; 64];
                let length = stream.read(&mut said)?;
                return Ok(String::from_utf8_lossy(&said[..length]).into_owned());
            }
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// Makes the name that the node connects to lead elsewhere.
fn swap_link(target: &str) -> io::Result<()> {
    let address = std::env::var("FN_LISTENER").map_err(io::Error::other)?;
    let socket = address.trim_start_matches("unix:");
    fs::remove_file(socket)?;
    symlink(target, socket)
}

fn told_outcome(outcome: io::Result<String>) -> Json {
    match outcome {
        Ok(done) => text(&done),
        Err(error) => Json::Object(vec![("error".to_owned(), text(&error.to_string()))]),
    }
}

fn text(text: &str) -> Json {
    Json::Text(text.to_owned())
}

fn pairs(of: impl Iterator<Item = (String, String)>) -> Json {
    Json::Object(of.map(|(key, value)| (key, Json::Text(value))).collect())
}

fn sleep(millis: u64) {
    thread::sleep(Duration::from_millis(millis));
}

fn size(bytes: u64) -> usize {
    usize::try_from(bytes).unwrap_or(usize::MAX)
}
