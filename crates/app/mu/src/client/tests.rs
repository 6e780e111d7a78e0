//! The client against a server of a few lines.

use http::{HeaderMap, HeaderValue, Method, Uri};
use mu_control::access::signature::{Authorities, Verifier};
use mu_control::access::{RequestHead, SecretKey};
use mu_env::Env;
use serde_json::{Value, json};

use super::stand_in::{Asked, Reply, StandIn};
use super::*;
use crate::failure::{Cause, Failure};

fn key() -> SecretKey {
    SecretKey::from_seed(&[7; 32])
}

fn text(failure: &Failure) -> String {
    anstream::adapter::strip_str(&failure.render()).to_string()
}

/// Whether a question is signed by the test's key, for the server and the body that it came with.
fn is_signed(server: &StandIn, asked: &Asked) -> bool {
    let mut headers = HeaderMap::new();
    for (name, value) in &asked.headers {
        headers.insert(http::HeaderName::try_from(name).unwrap(), HeaderValue::from_str(value).unwrap());
    }
    let (method, uri): (Method, Uri) = (asked.method.parse().unwrap(), asked.target.parse().unwrap());
    let head = RequestHead { method: &method, uri: &uri, headers: &headers };
    let names = Authorities::only([server.url().strip_prefix("http://").unwrap()]);
    let verified = Verifier::new(Env::system(), names).verify(&head).unwrap();
    let mut body = verified.body.check();
    verified.client == key().client() && body.feed(&asked.body).and_then(|()| body.finish()).is_ok()
}

#[test]
fn every_request_is_signed_anew() {
    let server = StandIn::start(|number, _| match number {
        0 => Reply::error(503, "unavailable", &json!({})),
        _ => Reply::json(200, &json!({"ok": true})),
    });
    let client = server.client(Credentials::key(key()));
    let call = Call::order(Method::PUT, path(&["stacks", "a b", "routing"]), &json!({"weights": []}));
    assert_eq!(client.ask::<Value>(&call).unwrap(), json!({"ok": true}));
    client.get("/v1/stacks?prefix=x").unwrap();
    client.tell(&Call::delete("/v1/tokens/1")).unwrap();
    let asked = server.asked();
    assert_eq!(server.lines()[..2], ["PUT /v1/stacks/a%20b/routing", "PUT /v1/stacks/a%20b/routing"]);
    assert!(asked.iter().all(|asked| is_signed(&server, asked)));
    assert_ne!(asked[0].headers["signature"], asked[1].headers["signature"]);
    // The node knows by it that it is the same order.
    assert_eq!(asked[0].headers["idempotency-key"], asked[1].headers["idempotency-key"]);
    assert!(!asked[2].headers.contains_key("idempotency-key"));
    assert!(asked[3].headers.contains_key("idempotency-key"));
}

#[test]
fn a_token_is_sent_and_never_shown() {
    let server = StandIn::start(|_, _| Reply::error(401, "unauthenticated", &json!({})));
    let token = BearerToken::parse("mu_secret-of-mine").unwrap();
    let client = server.client(Credentials::Token(token));
    let error = client.get("/v1/me").unwrap_err();
    assert_eq!(server.asked()[0].headers["authorization"], "Bearer mu_secret-of-mine");
    assert!(!server.asked()[0].headers.contains_key("signature"));
    let shown = format!("{client:?}{error:?}");
    assert!(!shown.contains("secret-of-mine") && !text(&error.into()).contains("secret-of-mine"));
}

#[test]
fn a_broken_connection_is_tried_again_unless_it_could_be_done_twice() {
    let start = || StandIn::start(|number, _| if number < 2 { Reply::HangUp } else { Reply::json(200, &json!({})) });
    let server = start();
    server.client(Credentials::None).get("/v1/stacks").unwrap();
    assert_eq!(server.asked().len(), 3);

    let server = start();
    let call = Call::order(Method::POST, "/v1/tokens", &json!({})).once();
    let failure = Failure::from(server.client(Credentials::None).tell(&call).unwrap_err());
    assert_eq!((server.asked().len(), failure.cause()), (1, Cause::Unavailable));
    assert!(!server.asked()[0].headers.contains_key("idempotency-key"));
}

#[test]
fn a_busy_node_is_asked_a_bounded_number_of_times() {
    let server = StandIn::start(|_, _| Reply::error(429, "exhausted", &json!({})).with("retry-after", "2"));
    let failure = Failure::from(server.client(Credentials::None).get("/v1/stacks").unwrap_err());
    assert_eq!((server.asked().len(), failure.cause()), (4, Cause::Unavailable));

    let server = StandIn::start(|_, _| Reply::error(503, "unavailable", &json!({})).with("retry-after", "3600"));
    server.client(Credentials::None).get("/v1/stacks").unwrap_err();
    assert_eq!(server.asked().len(), 1);
}

#[test]
fn where_nothing_listens_the_url_is_named() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut client = Client::new(format!("http://{free}").parse().unwrap(), Credentials::None, &Trust::system());
    client.pause = |_| {};
    let failure = Failure::from(client.get("/v1/node").unwrap_err());
    assert_eq!(failure.cause(), Cause::Unavailable);
    assert_eq!(
        text(&failure),
        format!(
            "error: the node at http://{free} cannot be reached: nothing listens there\n\
             hint: `mu serve` starts a node; `mu context list` shows the ones you know\n"
        )
    );
}

#[test]
fn refusals_say_what_to_do_and_have_exit_codes() {
    for (status, code, cause, hint) in [
        (400, "invalid", Cause::Refused, ""),
        (401, "unauthenticated", Cause::Unauthenticated, "mu login"),
        (403, "denied", Cause::Refused, "mu whoami"),
        (404, "unknown_stack", Cause::NotFound, "mu deploy"),
        (409, "routing_changed", Cause::Conflict, "mu stack route"),
        (413, "too_large", Cause::Refused, ""),
        (500, "internal", Cause::Failed, ""),
    ] {
        let server = StandIn::start(move |_, _| Reply::error(status, code, &json!({})).with("x-request-id", "r-1"));
        let failure = Failure::from(server.client(Credentials::None).get("/v1/stacks").unwrap_err());
        assert_eq!(failure.cause(), cause, "{code}");
        let text = text(&failure);
        assert!(text.starts_with(&format!("error: it is {code} (code {code}")), "{text}");
        assert!(text.contains(hint) && text.contains("hint: ") != hint.is_empty(), "{text}");
    }
}

#[test]
fn an_answer_of_something_else_is_quoted_and_cannot_move_the_cursor() {
    let body = b"<html>\x1b[31mBad gateway".to_vec();
    let server = StandIn::start(move |_, _| Reply::Answer { status: 502, headers: Vec::new(), body: body.clone() });
    let text = text(&server.client(Credentials::None).get("/v1/stacks").unwrap_err().into());
    assert!(text.contains("502 Bad Gateway") && text.contains("<html>\\u{1b}[31mBad gateway"), "{text}");

    let server = StandIn::start(|_, _| Reply::Answer { status: 200, headers: Vec::new(), body: b"hello".to_vec() });
    let failure = Failure::from(server.client(Credentials::None).get("/v1/stacks").unwrap_err());
    assert!(failure.message().contains("not as this mu expects"), "{}", failure.message());
}

#[test]
fn both_times_are_told_when_a_clock_is_wrong() {
    let server = StandIn::start(|_, asked| match asked.target.as_str() {
        "/v1/node" => Reply::json(200, &json!({"time": "2001-02-03T04:05:06.000Z"})),
        _ => Reply::error(401, "unauthenticated", &json!({})),
    });
    let text = text(&server.client(Credentials::key(key())).get("/v1/me").unwrap_err().into());
    assert!(text.contains("2001-02-03T04:05:06.000Z by the node's") && text.contains("by this machine's"), "{text}");
    // Nobody has to be known for that.
    assert!(!server.asked()[1].headers.contains_key("signature"));
}

#[test]
fn lists_follow_the_cursor_up_to_the_limit() {
    let pages = |number: usize, _: &Asked| {
        let items: Vec<_> = (0..2).map(|item| json!(number * 2 + item)).collect();
        Reply::json(
            200,
            &json!({"items": items, "next_cursor": if number < 2 { json!(format!("c{number}")) } else { json!(null) }}),
        )
    };
    let server = StandIn::start(pages);
    let all = server.client(Credentials::None).list("/v1/stacks", &[("prefix", Some("p"))], Limit { limit: 1_000 });
    assert_eq!(json!(all.unwrap()), json!([0, 1, 2, 3, 4, 5]));
    assert_eq!(
        server.lines(),
        [
            "GET /v1/stacks?prefix=p&limit=100",
            "GET /v1/stacks?prefix=p&limit=100&cursor=c0",
            "GET /v1/stacks?prefix=p&limit=100&cursor=c1",
        ]
    );

    let server = StandIn::start(pages);
    let some = server.client(Credentials::None).list("/v1/stacks", &[], Limit { limit: 3 });
    assert_eq!(json!(some.unwrap()), json!([0, 1, 2]));
    assert_eq!(server.lines()[1], "GET /v1/stacks?limit=1&cursor=c0");
}

#[test]
fn a_cursor_that_leads_to_itself_is_not_followed_for_ever() {
    let server = StandIn::start(|_, _| Reply::json(200, &json!({"items": [1], "next_cursor": "same"})));
    let all = server.client(Credentials::None).list("/v1/stacks", &[], Limit { limit: 1_000 });
    assert_eq!(all.unwrap().len(), 2);
}

#[test]
fn a_redirect_is_not_followed() {
    let server = StandIn::start(|_, _| {
        Reply::Answer { status: 307, headers: Vec::new(), body: Vec::new() }
            .with("location", "http://127.0.0.1:1/v1/me")
    });
    let failure = Failure::from(server.client(Credentials::key(key())).get("/v1/me").unwrap_err());
    assert!(failure.message().contains("307"), "{}", failure.message());
    assert_eq!(server.asked().len(), 1);
}

#[test]
fn events_are_read_as_they_come() {
    let body = b": hi\n\nevent: line\ndata: {\"message\":\"a\"}\n\nevent: dropped\ndata: {\"lines\":3}\n\n".to_vec();
    let server = StandIn::start(move |_, _| Reply::Answer { status: 200, headers: Vec::new(), body: body.clone() });
    let events = server.client(Credentials::None).events(&Call::events("/v1/stacks/s/logs/follow")).unwrap();
    let names: Vec<_> = events.map(|event| event.unwrap().name).collect();
    assert_eq!(names, ["line", "dropped"]);
    assert_eq!(server.asked()[0].headers["accept"], "text/event-stream");
}
