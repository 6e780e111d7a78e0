//! Gathers the routes of one gateway, from YAML or from protobuf.

use crate::auth::Auth;
use crate::limits::ROUTES_MAX;
use crate::method::Method;
use crate::name::{HandlerRef, HandlerRefError};
use crate::problem::{Position, Problems};
use crate::route::{PathTemplate, Route, RouteTable, Verb};
use crate::yaml::{Entry, Node, Value};

use super::{Fields, auth, shown, text};
use crate::declarations::Declarations;
use crate::keys;

/// The routes so far, with the place of each.
#[derive(Default)]
pub(crate) struct RouteList {
    routes: Vec<Route>,
    positions: Vec<Option<Position>>,
}

impl RouteList {
    /// Starts a path; a malformed one is noted, and its handlers are still looked at.
    pub(crate) fn path(&mut self, path: &str, position: Option<Position>, problems: &mut Problems) -> Option<Route> {
        if self.routes.len() == ROUTES_MAX {
            problems.add(position, format!("a gateway has at most {ROUTES_MAX} paths"));
            return None;
        }
        match path.parse::<PathTemplate>() {
            Ok(template) => Some(Route::new(template)),
            Err(error) => {
                let hint = error.hint().map(str::to_owned);
                problems.hint(position, format!("malformed path `{}`: {error}", shown(path)), hint);
                None
            }
        }
    }

    /// Ends a path that [`RouteList::path`] started.
    pub(crate) fn add(&mut self, route: Route, position: Option<Position>) {
        self.routes.push(route);
        self.positions.push(position);
    }

    /// The table of all routes; an empty one stands for routes that conflict.
    pub(crate) fn table(self, problems: &mut Problems) -> RouteTable {
        let positions = self.positions;
        RouteTable::new(self.routes).unwrap_or_else(|conflicts| {
            for conflict in conflicts {
                let position = positions.get(conflict.index).copied().flatten();
                problems.hint(position, conflict.to_string(), "remove one of them, or merge their methods".to_owned());
            }
            RouteTable::default()
        })
    }
}

/// The `endpoints` of a gateway.
pub(crate) fn endpoints(fields: &Fields<'_>, declared: &mut Declarations, problems: &mut Problems) -> RouteTable {
    let mut list = RouteList::default();
    for Entry { key: path, position, node } in fields.map("endpoints", problems) {
        let mut route = list.path(path, Some(*position), problems);
        match &node.value {
            Value::Map(handlers) => {
                for entry in handlers {
                    if entry.key == "auth" {
                        let hint =
                            "write a list: `- {method: get, route_to: function.handler, auth: token}`".to_owned();
                        problems.hint(entry.position, "`auth` belongs to one handler of a path, not to all", hint);
                        continue;
                    }
                    let verb = verb(&entry.key, entry.position, problems);
                    let target = verb.zip(handler_ref(&entry.node, problems));
                    handler(&mut route, target, None, entry.position, declared, problems);
                }
            }
            Value::List(items) => {
                for item in items {
                    listed(&mut route, item, declared, problems);
                }
            }
            Value::Scalar { .. } => {
                let message = format!("the handlers of a path are a map or a list, but this is {}", node.describe());
                let hint = "write `get: function.handler` on a line of its own below the path".to_owned();
                problems.hint(node.position, message, hint);
            }
        }
        if let Some(route) = route {
            if route.is_empty() && matches!(&node.value, Value::Map(_) | Value::List(_)) {
                warn_of_nothing(node, problems);
            }
            list.add(route, Some(*position));
        }
    }
    list.table(problems)
}

/// `- method: get` with `route_to: function.handler`.
fn listed(route: &mut Option<Route>, item: &Node, declared: &mut Declarations, problems: &mut Problems) {
    let Some(fields) = Fields::of(item, keys::ENDPOINT, "an endpoint", problems) else { return };
    let verb = fields.text("method", problems).and_then(|(text, position)| verb(text, position, problems));
    let target = fields.entry("route_to");
    let reference = target.and_then(|entry| handler_ref(&entry.node, problems));
    let position = target.map_or(fields.position(), |entry| entry.node.position);
    let auth = fields.entry("auth").map(|entry| auth::read(&entry.node, problems));
    handler(route, verb.zip(reference), auth, position, declared, problems);
}

/// Adds a handler to its path, with what it asks of callers, and notes where it leads.
pub(crate) fn handler(
    route: &mut Option<Route>,
    target: Option<(Verb, HandlerRef)>,
    auth: Option<Auth>,
    position: impl Into<Option<Position>>,
    declared: &mut Declarations,
    problems: &mut Problems,
) {
    let Some((verb, reference)) = target else { return };
    let position = position.into();
    declared.route(&reference, position, problems);
    let Some(route) = route else { return };
    let duplicate = match verb {
        Verb::Method(method) => route.add(method, reference).err().map(|duplicate| duplicate.to_string()),
        Verb::Any => route.set_any(reference).err().map(|duplicate| duplicate.to_string()),
        Verb::WebSocket => route.set_websocket(reference).err().map(|duplicate| duplicate.to_string()),
    };
    if let Some(duplicate) = duplicate {
        problems.hint(position, duplicate, "a path has one handler for each method".to_owned());
    } else if let Some(auth) = auth {
        route.set_auth(verb, auth);
    }
}

/// A method, `any` or `websocket`, or a note that it is none of them.
fn verb(text: &str, position: Position, problems: &mut Problems) -> Option<Verb> {
    match text {
        keys::ANY_VERB => Some(Verb::Any),
        keys::WEBSOCKET_VERB => Some(Verb::WebSocket),
        _ => match [keys::ANY_VERB, keys::WEBSOCKET_VERB].iter().find(|verb| text.eq_ignore_ascii_case(verb)) {
            Some(meant) => {
                problems.hint(position, format!("`{}` is not a method", shown(text)), format!("write `{meant}`"));
                None
            }
            None => method(text, position, problems).map(Verb::Method),
        },
    }
}

/// A method, or a note that it isn't one.
pub(crate) fn method(text: &str, position: Position, problems: &mut Problems) -> Option<Method> {
    match text.parse() {
        Ok(method) => Some(method),
        Err(error) => {
            let meant = text.to_ascii_lowercase().parse::<Method>().ok();
            let hint = meant.map(|method| format!("write `{}`", method.as_lower_case()));
            problems.hint(position, error.to_string(), hint);
            None
        }
    }
}

fn handler_ref(node: &Node, problems: &mut Problems) -> Option<HandlerRef> {
    let parsed = text(node, "a handler", problems)?.parse();
    parsed.map_err(|error: HandlerRefError| problems.add(node.position, error.to_string())).ok()
}

/// A path that answers nothing is a slip, not a wish.
fn warn_of_nothing(node: &Node, problems: &mut Problems) {
    let is_empty = match &node.value {
        Value::Map(entries) => entries.is_empty(),
        Value::List(items) => items.is_empty(),
        Value::Scalar { .. } => false,
    };
    if is_empty {
        problems.hint(node.position, "the path has no handlers", "write `get: function.handler`".to_owned());
    }
}
