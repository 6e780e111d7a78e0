//! The OpenAPI document of the management API, made of its handlers.

use serde_json::{Value, json};
use utoipa::OpenApi;

use super::routes;

#[derive(OpenApi)]
#[openapi(
    info(
        title = "mu management API",
        description = "Stacks, versions, and who may do what on a node of mu.",
        license(name = "MIT OR Apache-2.0"),
    ),
    components(schemas(super::error::ErrorBody))
)]
struct Document;

/// The document as text, as it is served and committed.
pub(super) fn text() -> String {
    let mut text = format!("{:#}", value());
    text.push('\n');
    text
}

fn value() -> Value {
    let (_, mut document) = OpenApiOf(routes()).split();
    document.merge(Document::openapi());
    let mut value = serde_json::to_value(document).expect("the document is made of text and numbers");
    value["openapi"] = json!("3.1.0");
    value["info"] = serde_json::to_value(Document::openapi().info).expect("it is text");
    value["components"]["securitySchemes"] = json!({
        "token": {
            "type": "http",
            "scheme": "bearer",
            "description": "An API token (`mu_…`), or a JWT of an issuer that the node trusts.",
        },
        "signature": {
            "type": "apiKey",
            "in": "header",
            "name": "Signature",
            "description": "An HTTP message signature (RFC 9421) by an ed25519 key.",
        },
    });
    value["security"] = json!([{"token": []}, {"signature": []}]);
    for path in value["paths"].as_object_mut().into_iter().flat_map(|paths| paths.values_mut()) {
        for operation in path.as_object_mut().into_iter().flat_map(|path| path.values_mut()) {
            add_errors(operation);
            // Handlers are named within their resource.
            let id = format!(
                "{}_{}",
                operation["tags"][0].as_str().unwrap_or_default(),
                operation["operationId"].as_str().unwrap_or_default()
            );
            operation["operationId"] = json!(id);
        }
    }
    value
}

/// Every request may be answered with an error, and all errors look alike.
fn add_errors(operation: &mut Value) {
    let Some(responses) = operation["responses"].as_object_mut() else { return };
    for (status, description) in [("4XX", "The request is refused"), ("5XX", "The node, or a function, failed")] {
        let content = json!({"application/json": {"schema": {"$ref": "#/components/schemas/ErrorBody"}}});
        responses.insert(status.to_owned(), json!({"description": description, "content": content}));
    }
}

/// A router, taken apart for its description.
struct OpenApiOf<S>(utoipa_axum::router::OpenApiRouter<S>);

impl<S: Clone + Send + Sync + 'static> OpenApiOf<S> {
    fn split(self) -> (axum::Router<S>, utoipa::openapi::OpenApi) {
        self.0.split_for_parts()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operations_have_ids_of_their_own() {
        let document = value();
        let paths = document["paths"].as_object().unwrap();
        let operations = paths.values().flat_map(|path| path.as_object().unwrap().values());
        let mut ids: Vec<_> = operations.map(|operation| operation["operationId"].as_str().unwrap()).collect();
        let count = ids.len();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), count);
    }

    #[test]
    fn the_committed_document_is_what_the_node_serves() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../docs/reference/openapi.json");
        if std::env::var_os("MU_UPDATE_DOCS").is_some() {
            std::fs::write(path, text()).unwrap();
        }
        let committed = std::fs::read_to_string(path).unwrap_or_default();
        assert!(committed == text(), "run the tests with MU_UPDATE_DOCS=1 to rewrite docs/reference/openapi.json");
    }
}
