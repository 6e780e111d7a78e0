//! What the node offers besides requests: its tables, its configuration, other servers.

use wasip2::http::outgoing_handler;
use wasip2::http::types::{Fields, OutgoingBody, OutgoingRequest, ResponseOutparam, Scheme};

use crate::answer::{Request, begin, read_all, respond, write_to};

wit_bindgen::generate!({ world: "services", path: "wit", generate_all });

use wasi::keyvalue::{atomics, batch, store};

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

pub(crate) fn config(key: &str) -> String {
    use wasi::config::store;
    format!("{:?} of {:?}", store::get(key), store::get_all().map(|all| all.len()))
}
