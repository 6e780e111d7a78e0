//! What the node offers besides requests: its tables, its configuration, other servers.

use wasip2::http::outgoing_handler;
use wasip2::http::types::{Fields, OutgoingBody, OutgoingRequest, ResponseOutparam, Scheme};

use crate::answer::{Request, begin, read_all, respond, write_to};

wit_bindgen::generate!({
    world: "services",
    path: "wit",
    with: {
        "wasi:io/streams@0.2.0": wasip2::io::streams,
        "wasi:io/error@0.2.0": wasip2::io::error,
    },
    generate_all,
});

use wasi::keyvalue::{atomics, batch, store};

/// The draft that came later.
mod later {
    wit_bindgen::generate!({ world: "later-services", path: "wit-later", generate_all });
}

/// Fetches `http://{query}` and passes the answer on as it comes.
pub(crate) fn fetch(request: &Request, out: ResponseOutparam) {
    let (authority, path) = request.query().split_once('/').unwrap_or((request.query(), ""));
    let outgoing = OutgoingRequest::new(Fields::new());
    outgoing.set_scheme(Some(&Scheme::Http)).unwrap();
    outgoing.set_authority(Some(authority)).unwrap();
    outgoing.set_path_with_query(Some(&format!("/{path}"))).unwrap();
    let body = outgoing.body().unwrap();
    let future = match outgoing_handler::handle(outgoing, None) {
        Ok(future) => future,
        Err(code) => return respond(out, 502, &format!("{code:?}")),
    };
    OutgoingBody::finish(body, None).unwrap();
    future.subscribe().block();
    let response = match future.get() {
        Some(Ok(Ok(response))) => response,
        Some(Ok(Err(code))) => return respond(out, 502, &format!("{code:?}")),
        _ => return respond(out, 502, "no answer"),
    };
    let outgoing = begin(out, response.status(), &[]);
    {
        let incoming = response.consume().unwrap();
        let (from, to) = (incoming.stream().unwrap(), outgoing.write().unwrap());
        read_all(&from, |data| write_to(&to, data));
    }
    OutgoingBody::finish(outgoing, None).unwrap();
}

/// `/table/{name}/{operation}/{key}/{value}`.
pub(crate) fn table(request: &Request) -> String {
    let bucket = match store::open(request.segment(1)) {
        Ok(bucket) => bucket,
        Err(error) => return format!("{error:?}"),
    };
    let (key, value) = (request.segment(3), request.segment(4));
    let text = |value: Vec<u8>| String::from_utf8_lossy(&value).into_owned();
    match request.segment(2) {
        "get" => format!("{:?}", bucket.get(key).map(|value| value.map(text))),
        "set" => format!("{:?}", bucket.set(key, value.as_bytes())),
        "delete" => format!("{:?}", bucket.delete(key)),
        "exists" => format!("{:?}", bucket.exists(key)),
        "keys" => {
            let mut all = Vec::new();
            let mut cursor = None;
            loop {
                match bucket.list_keys(cursor) {
                    Ok(page) => {
                        all.extend(page.keys);
                        cursor = page.cursor;
                    }
                    Err(error) => return format!("{error:?}"),
                }
                if cursor.is_none() {
                    return format!("{} {:?}", all.len(), all.last());
                }
            }
        }
        "add" => format!("{:?}", atomics::increment(&bucket, key, value.parse().unwrap_or(0))),
        "many" => {
            let rows: Vec<_> = (0..2_500).map(|row| (format!("{row:05}"), vec![1])).collect();
            let set = batch::set_many(&bucket, &rows);
            let got = batch::get_many(&bucket, &["02499".to_owned(), "none".to_owned()]);
            let deleted = batch::delete_many(&bucket, &["00000".to_owned()]);
            format!("{set:?} {got:?} {deleted:?}")
        }
        other => format!("no such operation: {other}"),
    }
}

/// The same with the later draft, which has compare-and-swap: `/later/{name}/{operation}/{key}/{value}`.
pub(crate) fn later_table(request: &Request) -> String {
    use later::wasi::keyvalue::atomics::{self, Cas, CasError};
    use later::wasi::keyvalue::store;
    let bucket = match store::open(request.segment(1)) {
        Ok(bucket) => bucket,
        Err(error) => return format!("{error:?}"),
    };
    let (key, value) = (request.segment(3), request.segment(4));
    match request.segment(2) {
        "add" => format!("{:?}", atomics::increment(&bucket, key, value.parse().unwrap_or(0))),
        "keys" => {
            let (mut pages, mut keys, mut cursor) = (0, 0, None);
            loop {
                let page = bucket.list_keys(cursor.as_deref()).unwrap();
                (pages, keys, cursor) = (pages + 1, keys + page.keys.len(), page.cursor);
                if cursor.is_none() {
                    return format!("{keys} in {pages}");
                }
            }
        }
        "cursor" => format!("{:?}", bucket.list_keys(Some(key)).map(|page| page.keys)),
        // Somebody else writes in between, once.
        "swap" => {
            let cas = Cas::new(&bucket, key).unwrap();
            bucket.set(key, b"in between").unwrap();
            let Err(CasError::CasFailed(again)) = atomics::swap(cas, value.as_bytes()) else {
                return "it was not seen".to_owned();
            };
            let seen = again.current().unwrap().map(|value| String::from_utf8_lossy(&value).into_owned());
            format!("{seen:?} {:?}", atomics::swap(again, value.as_bytes()).is_ok())
        }
        other => format!("no such operation: {other}"),
    }
}

pub(crate) fn log(level: &str, context: &str, message: &str) {
    use wasi::logging::logging::{Level, log};
    let level = match level {
        "trace" => Level::Trace,
        "debug" => Level::Debug,
        "info" => Level::Info,
        "warn" => Level::Warn,
        "error" => Level::Error,
        _ => Level::Critical,
    };
    log(level, context, message);
}

pub(crate) fn config(key: &str) -> String {
    use wasi::config::store;
    format!("{:?} of {:?}", store::get(key), store::get_all().map(|all| all.len()))
}
