//! Arbitrary messages.

use mu_abi::{
    DbReply, DbRequest, Header, HttpError, HttpMethod, HttpRequest, Incoming, KeyValue, LogLevel, Object, Outgoing,
    Request, Response, Status, StorageReply, StorageRequest, TableKey, TableKeyValue, Version,
};
use proptest::{
    collection::{btree_map, vec},
    option,
    prelude::*,
    sample,
};

pub(crate) fn incoming() -> impl Strategy<Value = Incoming> {
    prop_oneof![
        (text(), request()).prop_map(|(function, request)| Incoming::ExecuteFunction { function, request }),
        database_reply().prop_map(Incoming::Db),
        storage_reply().prop_map(Incoming::Storage),
        response().prop_map(|response| Incoming::Http(Ok(response))),
        http_error().prop_map(|error| Incoming::Http(Err(error))),
    ]
}

pub(crate) fn outgoing() -> impl Strategy<Value = Outgoing> {
    prop_oneof![
        text().prop_map(Outgoing::FatalError),
        response().prop_map(Outgoing::FunctionResult),
        (text(), sample::select(LogLevel::ALL.to_vec())).prop_map(|(body, level)| Outgoing::Log { body, level }),
        database_request().prop_map(Outgoing::Db),
        storage_request().prop_map(Outgoing::Storage),
        http_request().prop_map(Outgoing::Http),
    ]
}

fn database_request() -> impl Strategy<Value = DbRequest> {
    let row = || (text(), bytes());
    prop_oneof![
        (text(), bytes(), bytes(), any::<bool>()).prop_map(|(table, key, value, is_atomic)| DbRequest::Put {
            table,
            key,
            value,
            is_atomic
        }),
        row().prop_map(|(table, key)| DbRequest::Get { table, key }),
        (row(), any::<bool>()).prop_map(|((table, key), is_atomic)| DbRequest::Delete { table, key, is_atomic }),
        row().prop_map(|(table, key_prefix)| DbRequest::DeleteByPrefix { table, key_prefix }),
        (row(), any::<u32>()).prop_map(|((table, key_prefix), limit)| DbRequest::Scan { table, key_prefix, limit }),
        (row(), any::<u32>()).prop_map(|((table, key_prefix), limit)| DbRequest::ScanKeys { table, key_prefix, limit }),
        text().prop_map(|table_prefix| DbRequest::TableList { table_prefix }),
        (vec((text(), bytes(), bytes()), 0..4), any::<bool>())
            .prop_map(|(items, is_atomic)| DbRequest::BatchPut { items, is_atomic }),
        vec(row(), 0..4).prop_map(|keys| DbRequest::BatchGet { keys }),
        vec(row(), 0..4).prop_map(|keys| DbRequest::BatchDelete { keys }),
        (vec(row(), 0..4), any::<u32>())
            .prop_map(|(prefixes, each_limit)| DbRequest::BatchScan { prefixes, each_limit }),
        (vec(row(), 0..4), any::<u32>())
            .prop_map(|(prefixes, each_limit)| DbRequest::BatchScanKeys { prefixes, each_limit }),
        (row(), bytes(), option::of(bytes())).prop_map(|((table, key), new_value, previous_value)| {
            DbRequest::CompareAndSwap { table, key, new_value, previous_value }
        }),
    ]
}

fn database_reply() -> impl Strategy<Value = DbReply> {
    let row = || (text(), bytes());
    prop_oneof![
        text().prop_map(DbReply::Error),
        bytes().prop_map(DbReply::Single),
        vec(bytes(), 0..4).prop_map(DbReply::List),
        vec((bytes(), bytes()).prop_map(|(key, value)| KeyValue { key, value }), 0..4).prop_map(DbReply::KeyValueList),
        vec(row().prop_map(|(table, key)| TableKey { table, key }), 0..4).prop_map(DbReply::TableKeyList),
        vec((row(), bytes()).prop_map(|((table, key), value)| TableKeyValue { table, key, value }), 0..4)
            .prop_map(DbReply::TableKeyValueList),
        Just(DbReply::Empty),
        (option::of(bytes()), any::<bool>())
            .prop_map(|(previous_value, is_swapped)| DbReply::Cas { previous_value, is_swapped }),
    ]
}

fn storage_request() -> impl Strategy<Value = StorageRequest> {
    let object = || (text(), text());
    prop_oneof![
        (object(), bytes()).prop_map(|((storage_name, key), data)| StorageRequest::Put { storage_name, key, data }),
        object().prop_map(|(storage_name, key)| StorageRequest::Get { storage_name, key }),
        object().prop_map(|(storage_name, key)| StorageRequest::Delete { storage_name, key }),
        object().prop_map(|(storage_name, prefix)| StorageRequest::List { storage_name, prefix }),
    ]
}

fn storage_reply() -> impl Strategy<Value = StorageReply> {
    prop_oneof![
        text().prop_map(StorageReply::Error),
        bytes().prop_map(StorageReply::Get),
        Just(StorageReply::Empty),
        vec((text(), any::<u64>()).prop_map(|(key, size)| Object { key, size }), 0..4)
            .prop_map(StorageReply::ObjectList),
    ]
}

fn request() -> impl Strategy<Value = Request> {
    let map = || btree_map(text(), text(), 0..4);
    (sample::select(HttpMethod::ALL.to_vec()), map(), map(), headers(), bytes()).prop_map(
        |(method, path_params, query_params, headers, body)| Request {
            method,
            path_params,
            query_params,
            headers,
            body,
        },
    )
}

fn response() -> impl Strategy<Value = Response> {
    (any::<u16>(), headers(), bytes()).prop_map(|(code, headers, body)| Response {
        status: Status::new(code),
        headers,
        body,
    })
}

fn http_request() -> impl Strategy<Value = HttpRequest> {
    let versions = sample::select(Version::ALL.to_vec());
    (sample::select(HttpMethod::ALL.to_vec()), text(), headers(), bytes(), versions)
        .prop_map(|(method, url, headers, body, version)| HttpRequest { method, url, headers, body, version })
}

fn http_error() -> impl Strategy<Value = HttpError> {
    prop_oneof![
        text().prop_map(HttpError::Builder),
        text().prop_map(HttpError::Request),
        text().prop_map(HttpError::Redirect),
        any::<u16>().prop_map(|code| HttpError::Status(Status::new(code))),
        text().prop_map(HttpError::Body),
        text().prop_map(HttpError::Decode),
        text().prop_map(HttpError::Upgrade),
    ]
}

fn headers() -> impl Strategy<Value = Vec<Header>> {
    vec((text(), text()).prop_map(|(name, value)| Header { name, value }), 0..4)
}

fn text() -> impl Strategy<Value = String> {
    vec(any::<char>(), 0..6).prop_map(String::from_iter)
}

fn bytes() -> impl Strategy<Value = Vec<u8>> {
    vec(any::<u8>(), 0..12)
}
