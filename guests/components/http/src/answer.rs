//! Answers in all the ways that there are.

use std::time::Duration;

use wasip2::clocks::monotonic_clock;
use wasip2::http::types::{
    Fields, IncomingBody, IncomingRequest, OutgoingBody, OutgoingResponse, ResponseOutparam,
};
use wasip2::io::streams::{InputStream, OutputStream, StreamError};

/// A request and the parts of its path.
pub(crate) struct Request {
    pub(crate) incoming: IncomingRequest,
    pub(crate) target: String,
    segments: Vec<String>,
}

impl Request {
    pub(crate) fn new(incoming: IncomingRequest) -> Self {
        let target = incoming.path_with_query().unwrap_or_default();
        let path = target.split('?').next().unwrap_or_default();
        let segments = path.trim_matches('/').split('/').map(str::to_owned).collect();
        Self { incoming, target, segments }
    }

    pub(crate) fn segment(&self, index: usize) -> &str {
        self.segments.get(index).map_or("", String::as_str)
    }

    pub(crate) fn number(&self, index: usize) -> u64 {
        self.segment(index).parse().unwrap_or(0)
    }

    /// The query's text.
    pub(crate) fn query(&self) -> &str {
        self.target.split_once('?').map_or("", |(_, query)| query)
    }
}

pub(crate) fn respond(out: ResponseOutparam, status: u16, text: &str) {
    respond_with(out, status, &[("content-type", "text/plain")], text);
}

pub(crate) fn respond_with(out: ResponseOutparam, status: u16, headers: &[(&str, &str)], text: &str) {
    let body = begin(out, status, headers);
    write(&body, text.as_bytes());
    OutgoingBody::finish(body, None).unwrap();
}

/// Sets the response; its body is still to be written.
pub(crate) fn begin(out: ResponseOutparam, status: u16, headers: &[(&str, &str)]) -> OutgoingBody {
    let fields = Fields::new();
    for (name, value) in headers {
        fields.append(name, value.as_bytes()).unwrap();
    }
    let response = OutgoingResponse::new(fields);
    response.set_status_code(status).unwrap();
    let body = response.body().unwrap();
    ResponseOutparam::set(out, Ok(response));
    body
}

pub(crate) fn write(body: &OutgoingBody, data: &[u8]) {
    let stream = body.write().unwrap();
    write_to(&stream, data);
}

pub(crate) fn write_to(stream: &OutputStream, mut data: &[u8]) -> bool {
    while !data.is_empty() {
        let room = match stream.check_write() {
            Ok(room) => usize::try_from(room).unwrap_or(usize::MAX).min(data.len()),
            Err(_) => return false,
        };
        if room == 0 {
            stream.subscribe().block();
            continue;
        }
        if stream.write(&data[..room]).is_err() {
            return false;
        }
        data = &data[room..];
    }
    stream.flush().is_ok()
}

/// Passes on what comes, as it comes.
pub(crate) fn echo(request: Request, out: ResponseOutparam) {
    let outgoing = begin(out, 200, &[("content-type", "application/octet-stream")]);
    let incoming = request.incoming.consume().unwrap();
    {
        let (from, to) = (incoming.stream().unwrap(), outgoing.write().unwrap());
        read_all(&from, |data| write_to(&to, data));
    }
    OutgoingBody::finish(outgoing, None).unwrap();
}

/// Reads everything, and answers with how much it was.
pub(crate) fn count(request: Request, out: ResponseOutparam) {
    let incoming = request.incoming.consume().unwrap();
    let mut bytes = 0;
    let end = read_all(&incoming.stream().unwrap(), |data| {
        bytes += data.len();
        true
    });
    respond(out, 200, &format!("{bytes} {end}"));
}

/// Reads to the end, which it tells.
pub(crate) fn read_all(stream: &InputStream, mut each: impl FnMut(&[u8]) -> bool) -> &'static str {
    loop {
        match stream.blocking_read(64 << 10) {
            Ok(data) if each(&data) => {}
            Ok(_) => return "refused",
            Err(StreamError::Closed) => return "whole",
            Err(StreamError::LastOperationFailed(_)) => return "broken",
        }
    }
}

/// `chunks` chunks of `bytes` bytes.
pub(crate) fn stream(chunks: u64, bytes: u64, out: ResponseOutparam) {
    let body = begin(out, 200, &[]);
    let chunk = vec![b'x'; usize::try_from(bytes).unwrap()];
    {
        let stream = body.write().unwrap();
        for _ in 0..chunks {
            if !write_to(&stream, &chunk) {
                return;
            }
        }
    }
    OutgoingBody::finish(body, None).unwrap();
}

/// Server-sent events, some time apart.
pub(crate) fn events(events: u64, out: ResponseOutparam) {
    let body = begin(out, 200, &[("content-type", "text/event-stream")]);
    {
        let stream = body.write().unwrap();
        for event in 0..events {
            if !write_to(&stream, format!("data: {event}\n\n").as_bytes()) {
                eprintln!("nobody listens");
                return;
            }
            pause(Duration::from_millis(20));
        }
    }
    OutgoingBody::finish(body, None).unwrap();
}

/// Answers with the trailers that came, in a trailer.
pub(crate) fn trailers(request: Request, out: ResponseOutparam) {
    let incoming = request.incoming.consume().unwrap();
    read_all(&incoming.stream().unwrap(), |_| true);
    let future = IncomingBody::finish(incoming);
    future.subscribe().block();
    let came = match future.get() {
        Some(Ok(Ok(Some(fields)))) => {
            fields.entries().iter().map(|(k, v)| format!("{k}={}", String::from_utf8_lossy(v))).collect()
        }
        _ => "none".to_owned(),
    };
    let body = begin(out, 200, &[("trailer", "x-came")]);
    write(&body, b"body");
    let fields = Fields::new();
    fields.append("x-came", came.as_bytes()).unwrap();
    OutgoingBody::finish(body, Some(fields)).unwrap();
}

/// A body whose length is told before it is written.
pub(crate) fn declared_length(out: ResponseOutparam) {
    let body = begin(out, 200, &[("content-length", "8")]);
    {
        let stream = body.write().unwrap();
        write_to(&stream, b"half");
        pause(Duration::from_millis(5));
        write_to(&stream, b"half");
    }
    OutgoingBody::finish(body, None).unwrap();
}

pub(crate) fn pause(time: Duration) {
    monotonic_clock::subscribe_duration(u64::try_from(time.as_nanos()).unwrap()).block();
}
