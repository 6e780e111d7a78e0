//! What the macros accept, and what they write.

use mu_sdk::{Request, Status, test::TestContext};

/// Handlers of each shape that is permitted.
#[mu_sdk::mu_functions]
mod shapes {
    use mu_sdk::*;

    #[mu_function]
    fn nothing() {}

    #[mu_function]
    fn shared_context(ctx: &MuContext) {
        ctx.log("seen", LogLevel::Info);
    }

    #[mu_function]
    fn exclusive_context(ctx: &mut MuContext, body: &str) -> String {
        ctx.log("seen", LogLevel::Info);
        body.to_uppercase()
    }

    /// The only form there once was.
    #[mu_function]
    fn named_lifetime<'a>(_ctx: &'a mut MuContext, request: &'a Request, body: &'a [u8]) -> &'a [u8] {
        assert_eq!(request.body, body);
        body
    }

    #[mu_sdk::mu_function]
    pub(super) fn by_path(ctx: &mut MuContext, params: PathParams<'_>) -> impl IntoResponse + use<> {
        ctx.log("seen", LogLevel::Info);
        params.len().to_string()
    }

    #[mu_function]
    fn r#type() -> &'static str {
        "a keyword"
    }

    // The written code has parameters of these names.
    #[mu_function]
    fn request(context: Vec<u8>) -> Vec<u8> {
        context
    }

    #[mu_function]
    fn context(request: &Request) -> Result<impl IntoResponse + use<>> {
        Ok((request.method.as_str(), Status::ACCEPTED))
    }

    #[mu_function]
    #[cfg(not(test))]
    fn left_out() {}

    /// Not marked, hence no handler.
    #[expect(dead_code, reason = "shows that it is not called")]
    fn unmarked() {}
}

fn call(name: &str, body: &str) -> Result<(Status, String), String> {
    let request = Request::default().with_body(body);
    let response = TestContext::new().call(shapes::MU_FUNCTIONS, name, &request)?;
    Ok((response.status, String::from_utf8(response.body).expect("these handlers answer text")))
}

#[test]
fn handlers_of_each_shape_are_called() {
    for (name, status, body) in [
        ("nothing", Status::NO_CONTENT, ""),
        ("shared_context", Status::NO_CONTENT, ""),
        ("exclusive_context", Status::OK, "TEXT"),
        ("named_lifetime", Status::OK, "text"),
        ("by_path", Status::OK, "0"),
        ("type", Status::OK, "a keyword"),
        ("request", Status::OK, "text"),
        ("context", Status::ACCEPTED, "GET"),
    ] {
        assert_eq!(call(name, "text"), Ok((status, body.to_owned())), "{name}");
    }
}

#[test]
fn an_unknown_handler_is_told_with_the_known_ones() {
    for name in ["unmarked", "left_out", ""] {
        let error = call(name, "").expect_err(name);
        assert_eq!(
            error,
            format!(
                "this function has no handler `{name}`; it has `nothing`, `shared_context`, `exclusive_context`, \
                 `named_lifetime`, `by_path`, `type`, `request`, `context`"
            )
        );
    }
}
