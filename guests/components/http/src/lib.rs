//! A component that answers each path in its own way. The first segment of the path says which.

mod answer;
mod boxes;
mod misbehave;
mod services;

use std::sync::atomic::{AtomicU32, Ordering};

use wasip2::http::types::{IncomingRequest, Method, ResponseOutparam};

use crate::answer::{Request, respond, respond_with};

struct Component;

wasip2::http::proxy::export!(Component);

/// Calls that this instance has served.
static CALLS: AtomicU32 = AtomicU32::new(0);

impl wasip2::exports::http::incoming_handler::Guest for Component {
    fn handle(request: IncomingRequest, out: ResponseOutparam) {
        let calls = CALLS.fetch_add(1, Ordering::Relaxed) + 1;
        let request = Request::new(request);
        match request.segment(0) {
            "hello" => respond(out, 200, "hello"),
            "calls" => respond(out, 200, &calls.to_string()),
            "seen" => seen(&request, out),
            "echo" => answer::echo(request, out),
            "count" => answer::count(request, out),
            "stream" => answer::stream(request.number(1), request.number(2), out),
            "events" => answer::events(request.number(1), out),
            "trailers" => answer::trailers(request, out),
            "length" => answer::declared_length(out),
            "env" => respond(out, 200, &std::env::var(request.segment(1)).unwrap_or_default()),
            "log" => {
                println!("to standard output");
                eprintln!("to standard error");
                eprint!("without an end");
                respond(out, 200, "logged");
            }
            "compute" => respond(out, 200, &misbehave::compute(request.number(1)).to_string()),
            "grow" => respond(out, 200, &misbehave::grow(request.number(1)).to_string()),
            "random" => respond(out, 200, &misbehave::random(request.number(1)).to_string()),
            "files" => respond(out, 200, &format!("{:?}", std::fs::read("/etc/hostname").map_err(|e| e.kind()))),
            "sockets" => {
                let connected = std::net::TcpStream::connect("127.0.0.1:1").map(drop);
                respond(out, 200, if connected.is_ok() { "connected" } else { "refused" });
            }
            "fetch" => services::fetch(&request, out),
            "table" => respond(out, 200, &services::table(&request)),
            "later" => respond(out, 200, &services::later_table(&request)),
            "box" => boxes::respond_with_box(&request, out),
            "logging" => {
                services::log(request.segment(1), request.segment(2), request.segment(3));
                respond(out, 200, "logged");
            }
            "config" => respond(out, 200, &services::config(request.segment(1))),
            other => misbehave::on_purpose(other, out),
        }
    }
}

/// The request as it is seen here.
fn seen(request: &Request, out: ResponseOutparam) {
    let method = match request.incoming.method() {
        Method::Get => "GET".to_owned(),
        other => format!("{other:?}"),
    };
    let mut lines = vec![format!("{method} {}", request.target)];
    let mut headers = request.incoming.headers().entries();
    headers.sort();
    for (name, value) in headers {
        lines.push(format!("{name}: {}", String::from_utf8_lossy(&value)));
    }
    respond_with(out, 200, &[("content-type", "text/plain"), ("x-twice", "1"), ("x-twice", "2")], &lines.join("\n"));
}
