//! What callers and authors learn of errors.

use mu_sdk::{Error, IntoResponse, LogLevel, Result, Status, test::TestContext};

use crate::render;

#[test]
fn an_error_with_a_status_is_told_to_the_caller() {
    for (error, expected) in [
        (
            Error::bad_request("a \"quoted\"\n\\ word"),
            r#"400 Bad Request|{"code":"invalid","message":"a \"quoted\"\u000a\\ word"}"#,
        ),
        (Error::unauthorized("who?"), r#"401 Unauthorized|{"code":"unauthenticated","message":"who?"}"#),
        (Error::forbidden("no"), r#"403 Forbidden|{"code":"denied","message":"no"}"#),
        (Error::not_found("Zoë"), r#"404 Not Found|{"code":"not_found","message":"Zoë"}"#),
        (Error::conflict("late"), r#"409 Conflict|{"code":"conflict","message":"late"}"#),
        (
            Error::new(Status::TOO_MANY_REQUESTS, "slow down"),
            r#"429 Too Many Requests|{"code":"exhausted","message":"slow down"}"#,
        ),
        (
            Error::new(Status::SERVICE_UNAVAILABLE, "later"),
            r#"503 Service Unavailable|{"code":"unavailable","message":"later"}"#,
        ),
    ] {
        let context = TestContext::new();
        let rendered = render(&error.into_response());
        assert_eq!(rendered.replace("\ncontent-type: application/json\n\n", "|"), expected);
        assert_eq!(context.logs(), [], "the caller knows all there is");
    }
}

#[test]
fn any_other_error_is_told_to_the_author_alone() {
    fn parse(text: &str) -> Result<u8> {
        Ok(text.parse()?)
    }
    let context = TestContext::new();
    let error = parse("secret").expect_err("no number");
    assert_eq!(format!("{error:?}"), "500 Internal Server Error: invalid digit found in string");

    let body = String::from_utf8(error.into_response().body).expect("JSON is text");
    assert_eq!(body, r#"{"code":"internal","message":"the function failed; its log says why"}"#);
    assert_eq!(context.logs(), [(LogLevel::Error, "invalid digit found in string".to_owned())]);
}
