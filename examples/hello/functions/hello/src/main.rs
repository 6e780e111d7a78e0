//! Greets whoever is named in the path, and counts how often.

use mu_sdk::*;

#[mu_functions]
mod handlers {
    use super::*;

    /// `GET /` and `GET /{name}`. The route without a name leaves it out, and nobody is counted.
    #[mu_function]
    fn greet(ctx: &MuContext, Path(name): Path<Option<String>>) -> Result<String> {
        let greeting = std::env::var("GREETING").unwrap_or_else(|_| "Hello".to_owned());
        log::info!("greeting {}", name.as_deref().unwrap_or("the world"));
        let Some(name) = name else { return Ok(format!("{greeting}, world!\n")) };

        let seen = ctx.db().get("visits", &name)?.unwrap_or_default();
        let count = String::from_utf8(seen)?.parse().unwrap_or(0) + 1;
        ctx.db().put("visits", &name, count.to_string())?;
        Ok(format!("{greeting}, {name}! Visit {count}.\n"))
    }
}

#[cfg(test)]
mod tests {
    use mu_sdk::test::TestContext;

    use super::*;

    #[test]
    fn whoever_is_named_is_greeted_and_counted() {
        let mut context = TestContext::new().with_table("visits");
        let world = Request::default();
        let ada = Request::default().with_path_param("name", "Ada");
        for (request, body) in [
            (&world, "Hello, world!\n"),
            (&ada, "Hello, Ada! Visit 1.\n"),
            (&ada, "Hello, Ada! Visit 2.\n"),
            (&world, "Hello, world!\n"),
        ] {
            let response = context.call(handlers::MU_FUNCTIONS, "greet", request).unwrap();
            assert_eq!(response.body, body.as_bytes());
        }
    }
}
