//! What handlers read from requests, and what callers are told when it can't be read.

use mu_sdk::{Request, test::TestContext};

use crate::render;

#[mu_sdk::mu_functions]
mod readers {
    use mu_sdk::*;

    #[derive(Debug, serde::Deserialize)]
    #[expect(dead_code, reason = "read by its Debug form")]
    struct Point {
        x: i32,
        y: Option<i32>,
    }

    #[mu_function]
    fn json(Json(point): Json<Point>) -> String {
        format!("{point:?}")
    }

    #[mu_function]
    fn form(Form(point): Form<Point>) -> String {
        format!("{point:?}")
    }

    #[mu_function]
    fn query(Query(point): Query<Point>) -> String {
        format!("{point:?}")
    }

    #[mu_function]
    fn path(Path(number): Path<u8>) -> String {
        number.to_string()
    }

    #[mu_function]
    fn text(body: String) -> String {
        body
    }

    #[mu_function]
    fn raw(path: PathParams<'_>, query: QueryParams<'_>, method: HttpMethod) -> String {
        format!("{method} {:?} {:?}", *path, query.get("q"))
    }

    #[mu_function]
    fn headers(headers: Headers<'_>, cookies: Result<Cookies>) -> Result<String> {
        let accepted: Vec<_> = headers.values("accept").collect();
        Ok(format!("{accepted:?} {:?} {:?}", headers.value("none"), cookies?.value("session")))
    }

    #[mu_function]
    fn tolerant(number: Result<Path<u8>>) -> String {
        number.map_or_else(|error| format!("no number: {error}"), |Path(number)| number.to_string())
    }
}

fn check(handler: &str, request: &Request, expected: &str) {
    let response = TestContext::new().call(readers::MU_FUNCTIONS, handler, request).expect("a known handler");
    let rendered = render(&response);
    let (head, body) = rendered.split_once("\n\n").expect("a head and a body");
    let status = head.lines().next().unwrap_or_default();
    assert_eq!(format!("{status}: {body}"), expected, "{handler} of {request:?}");
}

#[test]
fn json_is_read_whatever_kind_of_json_it_is() {
    let point = "200 OK: Point { x: 1, y: None }";
    for (content_type, expected) in [
        ("application/json", point),
        ("Application/JSON", point),
        ("application/json; charset=utf-8", point),
        ("application/json;charset=\"UTF-8\"; profile=x", point),
        ("application/problem+json", point),
        (
            "application/json; charset=latin1",
            r#"415 Unsupported Media Type: {"code":"unsupported_media_type","message":"the body's charset is `latin1`; send utf-8"}"#,
        ),
        (
            "text/json",
            r#"415 Unsupported Media Type: {"code":"unsupported_media_type","message":"the body's content type is `text/json`; send `application/json`"}"#,
        ),
    ] {
        let request = Request::default().with_header("Content-Type", content_type).with_body(r#"{"x":1}"#);
        check("json", &request, expected);
    }
    check(
        "json",
        &Request::default().with_body(r#"{"x":1}"#),
        r#"415 Unsupported Media Type: {"code":"unsupported_media_type","message":"the request has no content type; send `application/json`"}"#,
    );
}

#[test]
fn json_of_another_shape_is_a_bad_request() {
    for (body, problem) in [
        ("", "EOF while parsing a value at line 1 column 0"),
        ("{", "EOF while parsing an object at line 1 column 1"),
        (r#"{"y":1}"#, "missing field `x` at line 1 column 7"),
    ] {
        let request = Request::default().with_header("content-type", "application/json").with_body(body);
        let message = format!("the body is not the JSON expected: {problem}");
        check("json", &request, &format!(r#"400 Bad Request: {{"code":"invalid","message":"{message}"}}"#));
    }
}

#[test]
fn forms_are_read() {
    let form = |body: &str| {
        Request::default().with_header("content-type", "application/x-www-form-urlencoded").with_body(body)
    };
    check("form", &form("x=-1&y=2"), "200 OK: Point { x: -1, y: Some(2) }");
    check(
        "form",
        &form("y=2"),
        r#"400 Bad Request: {"code":"invalid","message":"the body is not the form expected: missing field `x`"}"#,
    );
    check(
        "form",
        &Request::default().with_header("content-type", "text/plain").with_body("x=1"),
        r#"415 Unsupported Media Type: {"code":"unsupported_media_type","message":"the body's content type is `text/plain`; send `application/x-www-form-urlencoded`"}"#,
    );
}

#[test]
fn paths_and_queries_are_read() {
    check("query", &Request::default().with_query_param("x", "3"), "200 OK: Point { x: 3, y: None }");
    check(
        "query",
        &Request::default().with_query_param("x", "3").with_query_param("y", "\"four\""),
        r#"400 Bad Request: {"code":"invalid","message":"wrong query: `y` is `\"four\"`, not a whole number of 32 bits"}"#,
    );
    check("path", &Request::default().with_path_param("number", "255"), "200 OK: 255");
    check(
        "path",
        &Request::default().with_path_param("number", "256"),
        r#"400 Bad Request: {"code":"invalid","message":"wrong path: `number` is `256`, not a whole number from 0 of 8 bits"}"#,
    );
    check(
        "raw",
        &Request::default().with_path_param("a", "1").with_query_param("q", "w"),
        r#"200 OK: GET {"a": "1"} Some("w")"#,
    );
    check("tolerant", &Request::default().with_path_param("a", "1"), "200 OK: 1");
    check(
        "tolerant",
        &Request::default().with_path_param("a", "x"),
        "200 OK: no number: wrong path: `a` is `x`, not a whole number from 0 of 8 bits",
    );
}

#[test]
fn text_is_utf8_or_refused() {
    let text =
        |content_type: &str, body: &[u8]| Request::default().with_header("content-type", content_type).with_body(body);
    check("text", &Request::default().with_body("Zoë"), "200 OK: Zoë");
    check("text", &text("text/plain; charset=us-ascii", b"plain"), "200 OK: plain");
    check(
        "text",
        &text("text/plain; charset=utf-16", b"plain"),
        r#"415 Unsupported Media Type: {"code":"unsupported_media_type","message":"the body's charset is `utf-16`; send utf-8"}"#,
    );
    check(
        "text",
        &text("text/plain", &[b'a', 0xff]),
        r#"400 Bad Request: {"code":"invalid","message":"the body is not text: invalid utf-8 sequence of 1 bytes from index 1"}"#,
    );
}

#[test]
fn headers_and_cookies_are_read() {
    let request = Request::default()
        .with_header("Accept", "text/html")
        .with_header("ACCEPT", "*/*")
        .with_header("cookie", "a=b; session=42");
    check("headers", &request, r#"200 OK: ["text/html", "*/*"] None Some("42")"#);
}
