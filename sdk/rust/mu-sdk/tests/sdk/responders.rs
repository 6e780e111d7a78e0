//! What results become.

use std::borrow::Cow;

use mu_sdk::{Error, Header, Html, IntoResponse, Json, Response, SetCookie, Status};

use crate::render;

#[test]
fn results_become_responses() {
    let cookies = || vec![SetCookie::new("a", "1").into(), SetCookie::new("b", "2").into()];
    let cases: [(Response, &str); 18] = [
        (().into_response(), "204 No Content\n\n"),
        (Status::IM_A_TEAPOT.into_response(), "418 I'm a teapot\n\n"),
        ("hi".into_response(), "200 OK\ncontent-type: text/plain; charset=utf-8\n\nhi"),
        ("hi".to_owned().into_response(), "200 OK\ncontent-type: text/plain; charset=utf-8\n\nhi"),
        (Cow::from("hi").into_response(), "200 OK\ncontent-type: text/plain; charset=utf-8\n\nhi"),
        (Html("<p>").into_response(), "200 OK\ncontent-type: text/html; charset=utf-8\n\n<p>"),
        (b"hi".into_response(), "200 OK\ncontent-type: application/octet-stream\n\nhi"),
        (b"hi".as_slice().into_response(), "200 OK\ncontent-type: application/octet-stream\n\nhi"),
        (b"hi".to_vec().into_response(), "200 OK\ncontent-type: application/octet-stream\n\nhi"),
        (Json([1, 2]).into_response(), "200 OK\ncontent-type: application/json\n\n[1,2]"),
        (("hi", Status::CREATED).into_response(), "201 Created\ncontent-type: text/plain; charset=utf-8\n\nhi"),
        (
            ("hi", cookies()).into_response(),
            "200 OK\ncontent-type: text/plain; charset=utf-8\nset-cookie: a=1\nset-cookie: b=2\n\nhi",
        ),
        (((), Status::SEE_OTHER, vec![Header::new("location", "/")]).into_response(), "303 See Other\nlocation: /\n\n"),
        (
            ("a,b", vec![Header::new("Content-Type", "text/csv")]).into_response(),
            "200 OK\nContent-Type: text/csv\n\na,b",
        ),
        (Ok::<_, Error>(Status::ACCEPTED).into_response(), "202 Accepted\n\n"),
        (Err::<(), _>(Status::CONFLICT).into_response(), "409 Conflict\n\n"),
        // A mere text is no error to a browser, unless its status says so.
        (
            Err::<(), _>("no").into_response(),
            "500 Internal Server Error\ncontent-type: text/plain; charset=utf-8\n\nno",
        ),
        (Response::new(Status::new(599)).with_body("x").into_response(), "599\n\nx"),
    ];
    for (response, expected) in cases {
        assert_eq!(render(&response), expected);
    }
}
