//! The database, the boxes, other servers and the log, as handlers meet them in tests.

use mu_sdk::{
    Header, HttpError, HttpMethod, HttpRequest, KeyValue, LogLevel, Object, Response, Status, Swap, TableKey,
    TableKeyValue, Version, test::TestContext,
};

fn row(key: &str, value: &str) -> KeyValue {
    KeyValue { key: key.into(), value: value.into() }
}

fn table_row(table: &str, key: &str, value: &str) -> TableKeyValue {
    TableKeyValue { table: table.to_owned(), key: key.into(), value: value.into() }
}

#[test]
fn values_are_written_read_and_removed() {
    let context = TestContext::new().with_table("t");
    let db = context.db();
    db.put("t", "a", "1").expect("put");
    db.put_atomic("t", "b", vec![2]).expect("put");
    assert_eq!(db.get("t", "a").expect("get"), Some(b"1".to_vec()));
    db.delete("t", "a").expect("delete");
    db.delete("t", "a").expect("deleting what is not there is fine");
    db.delete_atomic("t", "b").expect("delete");
    assert_eq!(db.get("t", "a").expect("get"), None);
    assert_eq!(db.scan("t", "", 10).expect("scan"), []);
}

#[test]
fn scans_are_in_key_order_by_prefix_and_limited() {
    let context = TestContext::new().with_table("t");
    let db = context.db();
    for key in ["b2", "a", "b1", "b", "c", "b\u{ff}"] {
        db.put("t", key, key).expect("put");
    }
    assert_eq!(db.scan("t", "b", 2).expect("scan"), [row("b", "b"), row("b1", "b1")]);
    assert_eq!(db.scan_keys("t", "b", 10).expect("scan"), ["b", "b1", "b2", "b\u{ff}"].map(str::as_bytes));
    db.delete_by_prefix("t", "b").expect("delete");
    assert_eq!(db.scan_keys("t", "", 10).expect("scan"), [b"a", b"c"]);
}

#[test]
fn batches_span_tables() {
    let context = TestContext::new().with_table("t1").with_table("t2").with_table("u");
    let db = context.db();
    db.batch_put([("t1", "a", "1"), ("t2", "a", "2")]).expect("put");
    db.batch_put_atomic([("t1", "b", "3")]).expect("put");
    assert_eq!(db.table_list("t").expect("list"), ["t1", "t2"]);
    assert_eq!(
        db.batch_get([("t2", "a"), ("t2", "none"), ("t1", "b")]).expect("get"),
        [table_row("t2", "a", "2"), table_row("t1", "b", "3")]
    );
    assert_eq!(
        db.batch_scan([("t1", ""), ("t2", "")], 1).expect("scan"),
        [table_row("t1", "a", "1"), table_row("t2", "a", "2")]
    );
    assert_eq!(
        db.batch_scan_keys([("t1", "b")], 5).expect("scan"),
        [TableKey { table: "t1".to_owned(), key: b"b".to_vec() }]
    );
    db.batch_delete([("t1", "a"), ("t1", "b")]).expect("delete");
    assert_eq!(db.scan("t1", "", 10).expect("scan"), []);

    let error = db.batch_put([("t1", "x", "1"), ("none", "x", "2")]).expect_err("an undeclared table");
    assert_eq!(error.to_string(), "muDB: there is no table `none`; declare it with `TestContext::with_table`");
    assert_eq!(db.get("t1", "x").expect("get"), None, "a batch is written whole or not at all");
}

#[test]
fn a_swap_tells_what_it_found() {
    let context = TestContext::new().with_table("t");
    let swap = |previous: Option<&str>, new: &str| {
        context.db().compare_and_swap("t", "k", previous.map(str::as_bytes), new).expect("swap")
    };
    let found = |previous: Option<&str>, is_swapped| Swap { previous_value: previous.map(Into::into), is_swapped };
    assert_eq!(swap(None, "1"), found(None, true));
    assert_eq!(swap(None, "2"), found(Some("1"), false));
    assert_eq!(swap(Some("1"), "2"), found(Some("1"), true));
    assert_eq!(context.db().get("t", "k").expect("get"), Some(b"2".to_vec()));
}

#[test]
fn json_values_are_written_and_read() {
    let context = TestContext::new().with_table("t");
    let db = context.db();
    db.put_json("t", "k", &vec![1, 2]).expect("put");
    assert_eq!(db.get("t", "k").expect("get"), Some(b"[1,2]".to_vec()));
    assert_eq!(db.get_json::<Vec<u8>>("t", "k").expect("get"), Some(vec![1, 2]));
    assert_eq!(db.get_json::<Vec<u8>>("t", "none").expect("get"), None);
    assert_eq!(db.get_json::<String>("t", "k").expect_err("a list").status(), Status::INTERNAL_SERVER_ERROR);
}

#[test]
fn objects_are_written_listed_read_and_removed() {
    let context = TestContext::new().with_box("b");
    let storage = context.storage();
    storage.put("b", "a/1", "one").expect("put");
    storage.put("b", "a/12", vec![0; 12]).expect("put");
    assert_eq!(storage.get("b", "a/1").expect("get"), b"one");
    let objects = [Object { key: "a/1".to_owned(), size: 3 }, Object { key: "a/12".to_owned(), size: 12 }];
    assert_eq!(storage.list("b", "a/").expect("list"), objects);
    assert!(storage.contains("b", "a/1").expect("contains"));
    assert!(!storage.contains("b", "a/").expect("contains"), "a prefix is no object");
    storage.delete("b", "a/1").expect("delete");
    assert_eq!(storage.get("b", "a/1").expect_err("deleted").to_string(), "mu Storage: there is no object `a/1`");
    assert_eq!(
        storage.put("none", "k", "").expect_err("an undeclared box").to_string(),
        "mu Storage: there is no box `none`; declare it with `TestContext::with_box`"
    );
}

#[test]
fn requests_to_others_are_built_and_answered() {
    let context = TestContext::new();
    context.respond_to_http(Ok(Response::new(Status::NOT_FOUND).with_header("a", "1").with_header("a", "2")));
    let response = context
        .http_client()
        .post("http://h/p")
        .query("page", 2)
        .query("q", "a&b")
        .header("x", "1")
        .headers([Header::new("x", "2")])
        .bearer_auth("token")
        .json(&[1])
        .version(Version::Http2)
        .send()
        .expect("a response, whatever its status");
    assert_eq!((response.status, response.headers.len()), (Status::NOT_FOUND, 2));

    context.respond_to_http(Err(HttpError::Redirect("in a circle".to_owned())));
    let error = context.http_client().get("http://h").basic_auth("me", Some("pass")).send().expect_err("told so");
    assert_eq!(error.to_string(), "could not follow the redirection: in a circle");

    let error = context.http_client().put("http://h").body("a body alone").form(&[("a", "b c")]).send();
    assert_eq!(
        error.expect_err("no response is left").to_string(),
        "could not send the HTTP request: the test has no response to PUT http://h; add one with `respond_to_http`"
    );

    let headers = |pairs: &[(&str, &str)]| pairs.iter().map(|(name, value)| Header::new(*name, *value)).collect();
    assert_eq!(
        context.http_requests(),
        [
            HttpRequest {
                method: HttpMethod::Post,
                url: "http://h/p?page=2&q=a%26b".to_owned(),
                headers: headers(&[
                    ("x", "1"),
                    ("x", "2"),
                    ("authorization", "Bearer token"),
                    ("content-type", "application/json"),
                ]),
                body: b"[1]".to_vec(),
                version: Version::Http2,
            },
            HttpRequest {
                url: "http://h".to_owned(),
                headers: headers(&[("authorization", "Basic bWU6cGFzcw==")]),
                ..HttpRequest::default()
            },
            HttpRequest {
                method: HttpMethod::Put,
                url: "http://h".to_owned(),
                headers: headers(&[("content-type", "application/x-www-form-urlencoded")]),
                body: b"a=b+c".to_vec(),
                ..HttpRequest::default()
            },
        ]
    );
}

#[test]
fn lines_of_the_log_are_collected_from_both_ways() {
    let context = TestContext::new();
    context.log("one", LogLevel::Warn);
    mu_sdk::log::trace!("{}", "two");
    let lines = [(LogLevel::Warn, "one".to_owned()), (LogLevel::Trace, "two".to_owned())];
    assert_eq!(context.logs(), lines);
}
