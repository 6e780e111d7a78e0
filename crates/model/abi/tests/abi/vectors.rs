//! `sdk/vectors/abi.json`: every message of the golden tables, for the SDKs in other languages to be tested with.
//!
//! A vector has the message's bytes and what it says: text as text, bytes as hexadecimal digits, an enumeration's
//! variant as HTTP or the log writes it.

use std::{collections::BTreeMap, env, fmt::Write as _, fs, path::Path};

use mu_abi::{
    DbReply, DbRequest, Header, HttpError, HttpMethod, HttpRequest, Incoming, LogLevel, Outgoing, Request, Response,
    StorageReply, StorageRequest, Version,
};
use serde_json::{Value, json};

use crate::golden;

/// Set to write the file anew.
const UPDATE_VARIABLE: &str = "MU_UPDATE_VECTORS";

#[test]
fn the_vectors_of_other_languages_are_these_messages() {
    let incoming = golden::incoming().into_iter().map(|(_, message)| {
        let mut bytes = Vec::new();
        message.encode(&mut bytes);
        (bytes, of_incoming(&message))
    });
    let methods = METHODS.map(|method| HttpRequest { method, ..HttpRequest::default() });
    let versions = VERSIONS.map(|version| HttpRequest { version, ..HttpRequest::default() });
    let requests = methods.into_iter().chain(versions).map(Outgoing::Http);
    let outgoing = golden::outgoing().into_iter().map(|(_, message)| message).chain(requests).map(|message| {
        let mut bytes = Vec::new();
        message.encode(&mut bytes);
        (bytes, of_outgoing(&message))
    });
    let expected = [("incoming", vectors(incoming)), ("outgoing", vectors(outgoing))];

    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../sdk/vectors/abi.json");
    if env::var_os(UPDATE_VARIABLE).is_some() {
        fs::write(&path, file(&expected)).expect("writing the vectors");
    }
    let found: Value = serde_json::from_slice(&fs::read(&path).expect("reading the vectors")).expect("JSON");
    // As values, because the order of fields in the text depends on what else is compiled.
    let [(_, incoming), (_, outgoing)] = expected;
    let expected = json!({ "incoming": incoming, "outgoing": outgoing });
    assert!(found == expected, "{} is out of date: run this test with {UPDATE_VARIABLE}=1", path.display());
}

const METHODS: [HttpMethod; 7] = [
    HttpMethod::Get,
    HttpMethod::Head,
    HttpMethod::Post,
    HttpMethod::Put,
    HttpMethod::Patch,
    HttpMethod::Delete,
    HttpMethod::Options,
];

const VERSIONS: [Version; 5] = [Version::Http09, Version::Http10, Version::Http11, Version::Http2, Version::Http3];

/// A vector a line, so that a change of one is a change of a line.
fn file(directions: &[(&str, Vec<Value>)]) -> String {
    let mut text = String::from("{\n");
    for (index, (direction, vectors)) in directions.iter().enumerate() {
        let lines: Vec<String> = vectors.iter().map(|vector| format!("    {vector}")).collect();
        let end = if index + 1 < directions.len() { "," } else { "" };
        writeln!(text, "  \"{direction}\": [\n{}\n  ]{end}", lines.join(",\n")).expect("writing to a text succeeds");
    }
    text.push_str("}\n");
    text
}

/// Names each message by its kind, the second one of a kind with `-2`, and so on.
fn vectors(messages: impl Iterator<Item = (Vec<u8>, (&'static str, Value))>) -> Vec<Value> {
    let mut counts = BTreeMap::new();
    let name = |kind: &'static str, count: &mut BTreeMap<&'static str, u32>| {
        let seen = count.entry(kind).or_default();
        *seen += 1;
        if *seen == 1 { kind.to_owned() } else { format!("{kind}-{seen}") }
    };
    messages
        .map(|(bytes, (kind, fields))| {
            json!({ "name": name(kind, &mut counts), "kind": kind, "bytes": hex(&bytes), "fields": fields })
        })
        .collect()
}

fn of_incoming(message: &Incoming) -> (&'static str, Value) {
    match message {
        Incoming::ExecuteFunction { function, request } => {
            ("ExecuteFunction", json!({ "function": function, "request": of_request(request) }))
        }
        Incoming::Db(reply) => of_db_reply(reply),
        Incoming::Storage(reply) => of_storage_reply(reply),
        Incoming::Http(Ok(response)) => ("HttpResponse", json!({ "response": of_response(response), "error": null })),
        Incoming::Http(Err(error)) => ("HttpResponse", json!({ "response": null, "error": of_http_error(error) })),
    }
}

fn of_db_reply(reply: &DbReply) -> (&'static str, Value) {
    match reply {
        DbReply::Error(error) => ("DbError", json!({ "error": error })),
        DbReply::Single(item) => ("SingleResult", json!({ "item": hex(item) })),
        DbReply::List(list) => ("ListResult", json!({ "list": list.iter().map(|item| hex(item)).collect::<Vec<_>>() })),
        DbReply::KeyValueList(list) => {
            let rows = list.iter().map(|row| json!({ "key": hex(&row.key), "value": hex(&row.value) }));
            ("KeyValueListResult", json!({ "list": rows.collect::<Vec<_>>() }))
        }
        DbReply::TableKeyList(list) => {
            let rows = list.iter().map(|row| json!({ "table": row.table, "key": hex(&row.key) }));
            ("TableKeyListResult", json!({ "list": rows.collect::<Vec<_>>() }))
        }
        DbReply::TableKeyValueList(list) => {
            let rows =
                list.iter().map(|row| json!({ "table": row.table, "key": hex(&row.key), "value": hex(&row.value) }));
            ("TableKeyValueListResult", json!({ "list": rows.collect::<Vec<_>>() }))
        }
        DbReply::Empty => ("EmptyResult", json!({})),
        DbReply::Cas { previous_value, is_swapped } => {
            ("CasResult", json!({ "previous_value": previous_value.as_deref().map(hex), "is_swapped": is_swapped }))
        }
    }
}

fn of_storage_reply(reply: &StorageReply) -> (&'static str, Value) {
    match reply {
        StorageReply::Error(error) => ("StorageError", json!({ "error": error })),
        StorageReply::Get(data) => ("StorageGetResult", json!({ "data": hex(data) })),
        StorageReply::Empty => ("StorageEmptyResult", json!({})),
        StorageReply::ObjectList(list) => {
            // The size as text: most readers of JSON would round it.
            let objects = list.iter().map(|object| json!({ "key": object.key, "size": object.size.to_string() }));
            ("ObjectListResult", json!({ "list": objects.collect::<Vec<_>>() }))
        }
    }
}

fn of_outgoing(message: &Outgoing) -> (&'static str, Value) {
    match message {
        Outgoing::FatalError(error) => ("FatalError", json!({ "error": error })),
        Outgoing::FunctionResult(response) => ("FunctionResult", json!({ "response": of_response(response) })),
        Outgoing::Log { body, level } => ("Log", json!({ "body": body, "level": of_level(*level) })),
        Outgoing::Db(request) => of_db_request(request),
        Outgoing::Storage(request) => of_storage_request(request),
        Outgoing::Http(request) => (
            "HttpRequest",
            json!({
                "method": request.method.as_str(),
                "url": request.url,
                "headers": of_headers(&request.headers),
                "body": hex(&request.body),
                "version": request.version.to_string(),
            }),
        ),
    }
}

fn of_db_request(request: &DbRequest) -> (&'static str, Value) {
    let pairs = |pairs: &[(String, Vec<u8>)], name: &str| -> Vec<Value> {
        pairs.iter().map(|(table, key)| json!({ "table": table, name: hex(key) })).collect()
    };
    match request {
        DbRequest::Put { table, key, value, is_atomic } => {
            ("Put", json!({ "table": table, "key": hex(key), "value": hex(value), "is_atomic": is_atomic }))
        }
        DbRequest::Get { table, key } => ("Get", json!({ "table": table, "key": hex(key) })),
        DbRequest::Delete { table, key, is_atomic } => {
            ("Delete", json!({ "table": table, "key": hex(key), "is_atomic": is_atomic }))
        }
        DbRequest::DeleteByPrefix { table, key_prefix } => {
            ("DeleteByPrefix", json!({ "table": table, "key_prefix": hex(key_prefix) }))
        }
        DbRequest::Scan { table, key_prefix, limit } => {
            ("Scan", json!({ "table": table, "key_prefix": hex(key_prefix), "limit": limit }))
        }
        DbRequest::ScanKeys { table, key_prefix, limit } => {
            ("ScanKeys", json!({ "table": table, "key_prefix": hex(key_prefix), "limit": limit }))
        }
        DbRequest::TableList { table_prefix } => ("TableList", json!({ "table_prefix": table_prefix })),
        DbRequest::BatchPut { items, is_atomic } => {
            let items =
                items.iter().map(|(table, key, value)| json!({ "table": table, "key": hex(key), "value": hex(value) }));
            ("BatchPut", json!({ "items": items.collect::<Vec<_>>(), "is_atomic": is_atomic }))
        }
        DbRequest::BatchGet { keys } => ("BatchGet", json!({ "keys": pairs(keys, "key") })),
        DbRequest::BatchDelete { keys } => ("BatchDelete", json!({ "keys": pairs(keys, "key") })),
        DbRequest::BatchScan { prefixes, each_limit } => {
            ("BatchScan", json!({ "prefixes": pairs(prefixes, "key_prefix"), "each_limit": each_limit }))
        }
        DbRequest::BatchScanKeys { prefixes, each_limit } => {
            ("BatchScanKeys", json!({ "prefixes": pairs(prefixes, "key_prefix"), "each_limit": each_limit }))
        }
        DbRequest::CompareAndSwap { table, key, new_value, previous_value } => (
            "CompareAndSwap",
            json!({
                "table": table,
                "key": hex(key),
                "new_value": hex(new_value),
                "previous_value": previous_value.as_deref().map(hex),
            }),
        ),
    }
}

fn of_storage_request(request: &StorageRequest) -> (&'static str, Value) {
    match request {
        StorageRequest::Put { storage_name, key, data } => {
            ("StoragePut", json!({ "storage_name": storage_name, "key": key, "data": hex(data) }))
        }
        StorageRequest::Get { storage_name, key } => {
            ("StorageGet", json!({ "storage_name": storage_name, "key": key }))
        }
        StorageRequest::Delete { storage_name, key } => {
            ("StorageDelete", json!({ "storage_name": storage_name, "key": key }))
        }
        StorageRequest::List { storage_name, prefix } => {
            ("StorageList", json!({ "storage_name": storage_name, "prefix": prefix }))
        }
    }
}

fn of_request(request: &Request) -> Value {
    json!({
        "method": request.method.as_str(),
        "path_params": request.path_params,
        "query_params": request.query_params,
        "headers": of_headers(&request.headers),
        "body": hex(&request.body),
    })
}

fn of_response(response: &Response) -> Value {
    json!({
        "status": response.status.code(),
        "headers": of_headers(&response.headers),
        "body": hex(&response.body),
    })
}

fn of_headers(headers: &[Header]) -> Vec<Value> {
    headers.iter().map(|header| json!({ "name": header.name, "value": header.value })).collect()
}

fn of_http_error(error: &HttpError) -> Value {
    let (kind, reason) = match error {
        HttpError::Builder(reason) => ("builder", reason),
        HttpError::Request(reason) => ("request", reason),
        HttpError::Redirect(reason) => ("redirect", reason),
        HttpError::Status(status) => return json!({ "kind": "status", "status": status.code() }),
        HttpError::Body(reason) => ("body", reason),
        HttpError::Decode(reason) => ("decode", reason),
        HttpError::Upgrade(reason) => ("upgrade", reason),
    };
    json!({ "kind": kind, "reason": reason })
}

fn of_level(level: LogLevel) -> &'static str {
    match level {
        LogLevel::Error => "error",
        LogLevel::Warn => "warn",
        LogLevel::Info => "info",
        LogLevel::Debug => "debug",
        LogLevel::Trace => "trace",
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("writing to a text succeeds");
        text
    })
}
