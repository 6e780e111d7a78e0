//! The service by its requests, without a host.

use mu_sdk::{Request, Response, test::TestContext};
use serde_json::{Value, json};

use crate::{BOX, TABLE, handlers};

struct Service(TestContext);

impl Service {
    fn new() -> Self {
        Self(TestContext::new().with_table(TABLE).with_box(BOX))
    }

    fn call(&mut self, handler: &str, request: Request) -> Response {
        self.0.call(handlers::MU_FUNCTIONS, handler, &request).expect("the handler exists")
    }

    /// Adds a todo for `user`; the status.
    fn add(&mut self, user: &str, todo: Value) -> u16 {
        let request = from(user).with_header("content-type", "application/json").with_body(todo.to_string());
        self.call("add_todo", request).status.code()
    }

    /// The status, and the body as JSON.
    fn get(&mut self, handler: &str, request: Request) -> (u16, Value) {
        let response = self.call(handler, request);
        (response.status.code(), serde_json::from_slice(&response.body).expect("the body is JSON"))
    }
}

fn from(user: &str) -> Request {
    Request::default().with_header("X-User-Id", user)
}

fn attachment(user: &str, title: &str, name: &str) -> Request {
    from(user).with_path_param("title", title).with_path_param("name", name)
}

#[test]
fn todos_are_added_listed_shown_and_deleted() {
    let mut service = Service::new();
    assert_eq!(service.add("ada", json!({"title": "tea", "description": "green"})), 201);
    assert_eq!(service.add("ada", json!({"title": "milk"})), 201);
    let (milk, tea) = (json!({"title": "milk", "description": ""}), json!({"title": "tea", "description": "green"}));
    assert_eq!(service.get("get_all", from("ada")), (200, json!([milk, tea])));
    assert_eq!(
        service.get("get_todo", from("ada").with_path_param("title", "tea")),
        (200, json!({"title": "tea", "description": "green", "attachments": []}))
    );
    assert_eq!(service.call("delete_todo", from("ada").with_path_param("title", "tea")).status.code(), 204);
    assert_eq!(service.get("get_all", from("ada")), (200, json!([milk])));
}

#[test]
fn a_title_is_taken_once() {
    let mut service = Service::new();
    assert_eq!(service.add("ada", json!({"title": "tea"})), 201);
    assert_eq!(service.add("ada", json!({"title": "tea", "description": "black"})), 409);
    assert_eq!(service.get("get_all", from("ada")).1[0]["description"], "");
    assert_eq!(service.add("bob", json!({"title": "tea"})), 201);
}

#[test]
fn attachments_are_kept_with_their_todo() {
    let mut service = Service::new();
    service.add("ada", json!({"title": "tea"}));
    let put = |body: &[u8]| attachment("ada", "tea", "leaf.jpg").with_body(body);
    assert_eq!(service.call("put_attachment", put(&[1, 2, 255])).status.code(), 204);
    assert_eq!(service.call("get_attachment", attachment("ada", "tea", "leaf.jpg")).body, [1, 2, 255]);
    let shown = service.get("get_todo", from("ada").with_path_param("title", "tea")).1;
    assert_eq!(shown["attachments"], json!([{"name": "leaf.jpg", "bytes": 3}]));

    service.call("delete_todo", from("ada").with_path_param("title", "tea"));
    service.add("ada", json!({"title": "tea"}));
    assert_eq!(service.call("get_attachment", attachment("ada", "tea", "leaf.jpg")).status.code(), 404);
}

#[test]
fn users_see_their_own() {
    let mut service = Service::new();
    service.add("ada", json!({"title": "tea"}));
    service.call("put_attachment", attachment("ada", "tea", "leaf.jpg").with_body("x"));
    for user in ["bob", "ad", "adaa", "ADA"] {
        assert_eq!(service.get("get_all", from(user)), (200, json!([])), "{user}");
        assert_eq!(service.get("get_todo", from(user).with_path_param("title", "tea")).0, 404, "{user}");
        assert_eq!(service.call("get_attachment", attachment(user, "tea", "leaf.jpg")).status.code(), 404, "{user}");
    }
}

#[test]
fn wrong_requests_are_told_what_is_wrong() {
    let mut service = Service::new();
    let message = |service: &mut Service, handler: &str, request: Request| {
        let (status, body) = service.get(handler, request);
        (status, body["message"].as_str().unwrap_or_default().to_owned())
    };
    for (handler, request, status, expected) in [
        ("get_all", Request::default(), 401, "say who you are in the header `x-user-id`"),
        ("get_all", from("a/b"), 401, "the header `x-user-id`: a name cannot hold the character '/'"),
        ("get_todo", from("ada").with_path_param("title", "none"), 404, "there is no todo `none`"),
        ("delete_todo", from("ada").with_path_param("title", "none"), 404, "there is no todo `none`"),
        ("put_attachment", attachment("ada", "none", "a"), 404, "there is no todo `none`"),
        ("get_attachment", attachment("ada", "none", "a"), 404, "nothing named `a` is attached to `none`"),
        ("get_attachment", attachment("ada", "tea", "a/b"), 400, "wrong path: a name cannot hold the character '/'"),
        (
            "add_todo",
            from("ada").with_header("content-type", "application/json").with_body(r#"{"title":""}"#),
            400,
            "the body is not the JSON expected: a name has 1 to 200 bytes, and this one has 0 at line 1 column 12",
        ),
    ] {
        assert_eq!(message(&mut service, handler, request), (status, expected.to_owned()), "{handler}");
    }
}
