//! As much of HTTP/1.1 as a server with one client needs.

use std::io::{self, BufRead};

pub struct Request {
    /// `POST /call HTTP/1.1`
    pub line: String,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

/// The next request; `None` at the end of the connection.
pub fn read(from: &mut impl BufRead) -> io::Result<Option<Request>> {
    let line = line(from)?;
    if line.is_empty() {
        return Ok(None);
    }
    let mut headers = Vec::new();
    loop {
        let line = self::line(from)?;
        let Some((name, value)) = line.split_once(':') else { break };
        headers.push((name.to_owned(), value.trim().to_owned()));
    }
    let header = |wanted: &str| headers.iter().find(|(name, _)| name.eq_ignore_ascii_case(wanted));
    let mut body = Vec::new();
    if header("transfer-encoding").is_some() {
        while let size @ 1.. = usize::from_str_radix(&self::line(from)?, 16).map_err(io::Error::other)? {
            let start = body.len();
            body.resize(start + size, 0);
            from.read_exact(&mut body[start..])?;
            self::line(from)?;
        }
        self::line(from)?;
    } else if let Some((_, length)) = header("content-length") {
        body.resize(length.parse().map_err(io::Error::other)?, 0);
        from.read_exact(&mut body)?;
    }
    Ok(Some(Request { line, headers, body }))
}

/// A line without its end; empty at the end of the connection too.
fn line(from: &mut impl BufRead) -> io::Result<String> {
    let mut line = String::new();
    from.read_line(&mut line)?;
    Ok(line.trim_end().to_owned())
}
