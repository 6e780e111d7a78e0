//! Greets whoever is named in the path.

use mu_sdk::*;

#[mu_functions]
mod handlers {
    use super::*;

    /// `GET /` and `GET /{name}`. The route without a name leaves it out.
    #[mu_function]
    fn greet(Path(name): Path<Option<String>>) -> String {
        let name = name.unwrap_or_else(|| "world".to_owned());
        let greeting = std::env::var("GREETING").unwrap_or_else(|_| "Hello".to_owned());
        log::info!("greeting {name}");
        format!("{greeting}, {name}!\n")
    }
}

#[cfg(test)]
mod tests {
    use mu_sdk::test::TestContext;

    use super::*;

    #[test]
    fn whoever_is_named_is_greeted() {
        for (request, body) in [
            (Request::default(), "Hello, world!\n"),
            (Request::default().with_path_param("name", "Ada"), "Hello, Ada!\n"),
        ] {
            let response = TestContext::new().call(handlers::MU_FUNCTIONS, "greet", &request).unwrap();
            assert_eq!(response.body, body.as_bytes());
        }
    }
}
