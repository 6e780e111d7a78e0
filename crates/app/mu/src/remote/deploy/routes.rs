//! Where the routes of a deployed stack are reached.

use std::collections::BTreeMap;

use mu_stack::{Gateway, Method};
use serde_json::{Value, json};

use crate::run::{curl, example_path};

/// A route, and where it is reached.
pub(super) struct RouteUrl {
    gateway: String,
    /// Without one, WebSockets.
    method: Option<Method>,
    path: String,
    handler: String,
    url: String,
}

/// The routes of gateways, of which `urls` says where they are reached.
pub(super) fn route_urls<'a>(
    gateways: impl Iterator<Item = &'a Gateway>,
    urls: &BTreeMap<String, String>,
) -> Vec<RouteUrl> {
    let mut all = Vec::new();
    for gateway in gateways {
        let Some(base) = urls.get(gateway.name.as_str()).map(|url| url.trim_end_matches('/')) else { continue };
        for route in gateway.routes.routes() {
            let template = route.template();
            let handlers = route.handlers().iter().map(|(method, handler)| (Some(*method), handler));
            for (method, handler) in handlers.chain(route.websocket().map(|handler| (None, handler))) {
                let base = if method.is_some() { base.to_owned() } else { websocket(base) };
                all.push(RouteUrl {
                    gateway: gateway.name.to_string(),
                    method,
                    path: template.to_string(),
                    handler: handler.to_string(),
                    url: format!("{base}/{}", example_path(template)),
                });
            }
        }
    }
    all
}

/// The same place for WebSockets: `ws` for `http`, `wss` for `https`.
fn websocket(base: &str) -> String {
    base.strip_prefix("http").map_or_else(|| base.to_owned(), |rest| format!("ws{rest}"))
}

impl RouteUrl {
    /// What to paste into a shell.
    pub(super) fn line(&self) -> String {
        match self.method {
            Some(method) => format!("{:<7} {}", method.as_str(), curl(method, &self.url)),
            None => format!("{:<7} {}", "WS", self.url),
        }
    }

    pub(super) fn to_json(&self) -> Value {
        json!({
            "gateway": self.gateway,
            "method": self.method.map_or("websocket", Method::as_str),
            "path": self.path,
            "handler": self.handler,
            "url": self.url,
        })
    }
}
