//! The chat by its events, without a host.

use mu_sdk::{Request, Response, Status, test::TestContext};

use crate::{TABLE, handlers};

struct Chat(TestContext);

impl Chat {
    fn new() -> Self {
        Self(TestContext::new().with_table(TABLE))
    }

    /// An event of `who`, whose connection has the same name; each of `deliveries` is what came of one line sent.
    fn event(&mut self, who: &str, kind: &str, body: &str, deliveries: &[u16]) -> u16 {
        for status in deliveries {
            self.0.respond_to_http(Ok(Response::new(Status::from(*status))));
        }
        let request = Request::default()
            .with_path_param("room", "kitchen")
            .with_query_param("name", who)
            .with_header("mu-websocket-event", kind)
            .with_header("mu-websocket-connection", who)
            .with_header("mu-websocket-code", "1000")
            .with_body(body);
        self.call("on_event", &request).status.code()
    }

    fn members(&mut self) -> String {
        let response = self.call("members", &Request::default().with_path_param("room", "kitchen"));
        String::from_utf8(response.body).expect("text")
    }

    fn call(&mut self, handler: &str, request: &Request) -> Response {
        self.0.call(handlers::MU_FUNCTIONS, handler, request).expect("the handler exists")
    }

    /// What was sent: to whom, and what.
    fn sent(&self) -> Vec<String> {
        let line = |url: &str, body: Vec<u8>| {
            let to = url.rsplit('/').next().unwrap_or_default().to_owned();
            format!("{to} < {}", String::from_utf8(body).expect("text"))
        };
        self.0.http_requests().into_iter().map(|request| line(&request.url, request.body)).collect()
    }
}

#[test]
fn everyone_in_the_room_hears_what_is_said() {
    let mut chat = Chat::new();
    assert_eq!(chat.event("ada", "open", "", &[204]), 204);
    assert_eq!(chat.event("bob", "open", "", &[204, 204]), 204);
    assert_eq!(chat.event("ada", "message", "tea?", &[204, 204]), 204);
    assert_eq!(chat.members(), "ada\nbob\n");
    assert_eq!(chat.event("ada", "close", "", &[204]), 204);
    assert_eq!(chat.members(), "bob\n");
    let expected = [
        "ada < * ada is here",
        "ada < * bob is here",
        "bob < * bob is here",
        "ada < ada: tea?",
        "bob < ada: tea?",
        "bob < * ada has gone",
    ];
    assert_eq!(chat.sent(), expected);
}

#[test]
fn who_is_gone_is_forgotten_and_who_is_slow_is_not() {
    let mut chat = Chat::new();
    chat.event("ada", "open", "", &[204]);
    chat.event("bob", "open", "", &[404, 429]);
    assert_eq!(chat.members(), "bob\n");
}

#[test]
fn whoever_has_no_name_is_refused() {
    let mut chat = Chat::new();
    for name in ["", "a/b", "a\nb"] {
        assert_eq!(chat.event(name, "open", "", &[]), 400, "{name:?}");
    }
    assert_eq!(chat.members(), "");
}
