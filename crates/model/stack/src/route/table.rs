//! The routes of one gateway, and the search among them: once per request, so without allocating but for parameters.

use crate::auth::Auth;
use crate::method::{Method, MethodSet};
use crate::name::HandlerRef;
use crate::route::segment::decode;
use crate::route::template::{PathTemplate, Segment};

/// One path of a gateway and the handlers of its methods.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    template: PathTemplate,
    handlers: Vec<(Method, HandlerRef)>,
    any: Option<HandlerRef>,
    websocket: Option<HandlerRef>,
    /// What some of its handlers ask of callers, in place of what their functions ask.
    auth: Vec<(Verb, Auth)>,
}

/// What a path has a handler for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// A method.
    Method(Method),
    /// All methods that are not named.
    Any,
    /// The events of WebSocket connections.
    WebSocket,
}

/// The method already has a handler at this path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the method {method} has two handlers")]
pub struct DuplicateMethod {
    /// The method.
    pub method: Method,
}

/// The path already has a handler for all other methods.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`any` has two handlers")]
pub struct DuplicateAny;

/// The path already has a handler of WebSocket events.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`websocket` has two handlers")]
pub struct DuplicateWebSocket;

impl Route {
    /// A path that answers nothing yet.
    #[must_use]
    pub fn new(template: PathTemplate) -> Self {
        Self { template, handlers: Vec::new(), any: None, websocket: None, auth: Vec::new() }
    }

    /// Adds the handler of a method.
    pub fn add(&mut self, method: Method, handler: HandlerRef) -> Result<(), DuplicateMethod> {
        if self.handler(method).is_some() {
            return Err(DuplicateMethod { method });
        }
        self.handlers.push((method, handler));
        Ok(())
    }

    /// Sets the handler of all methods that have none of their own when the route becomes part of a table.
    pub fn set_any(&mut self, handler: HandlerRef) -> Result<(), DuplicateAny> {
        if self.any.is_some() {
            return Err(DuplicateAny);
        }
        self.any = Some(handler);
        Ok(())
    }

    /// Sets the handler of the events of WebSocket connections.
    pub fn set_websocket(&mut self, handler: HandlerRef) -> Result<(), DuplicateWebSocket> {
        if self.websocket.is_some() {
            return Err(DuplicateWebSocket);
        }
        self.websocket = Some(handler);
        Ok(())
    }

    /// Sets what the handler of a verb asks of callers, in place of what its function asks.
    pub fn set_auth(&mut self, verb: Verb, auth: Auth) {
        self.auth.retain(|(other, _)| *other != verb);
        self.auth.push((verb, auth));
    }

    /// What the handler of a verb asks of callers, if the route itself says so.
    #[must_use]
    pub fn auth(&self, verb: Verb) -> Option<&Auth> {
        self.auth.iter().find(|(other, _)| *other == verb).map(|(_, auth)| auth)
    }

    /// Whether the route itself says what any of its handlers asks.
    #[must_use]
    pub fn has_auth(&self) -> bool {
        !self.auth.is_empty()
    }

    /// The path.
    #[must_use]
    pub fn template(&self) -> &PathTemplate {
        &self.template
    }

    /// The methods and their handlers, as declared.
    #[must_use]
    pub fn handlers(&self) -> &[(Method, HandlerRef)] {
        &self.handlers
    }

    /// The handler of the events of WebSocket connections.
    #[must_use]
    pub fn websocket(&self) -> Option<&HandlerRef> {
        self.websocket.as_ref()
    }

    /// Whether the path leads anywhere.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.handlers.is_empty() && self.any.is_none() && self.websocket.is_none()
    }

    /// Gives what is meant for all other methods to each of them.
    fn spread_any(&mut self) {
        if let Some(handler) = self.any.take() {
            let left = Method::ALL.into_iter().filter(|&method| self.handler(method).is_none());
            let left: Vec<_> = left.map(|method| (method, handler.clone())).collect();
            if let Some(auth) = self.auth(Verb::Any).cloned() {
                self.auth.retain(|(verb, _)| *verb != Verb::Any);
                self.auth.extend(left.iter().map(|(method, _)| (Verb::Method(*method), auth.clone())));
            }
            self.handlers.extend(left);
        }
    }

    fn handler(&self, method: Method) -> Option<&HandlerRef> {
        self.handlers.iter().find(|(declared, _)| *declared == method).map(|(_, handler)| handler)
    }

    /// `HEAD` is answered wherever `GET` is, and `OPTIONS` everywhere. A WebSocket begins with a `GET`.
    fn allow(&self) -> MethodSet {
        let declared: MethodSet = self.handlers.iter().map(|&(method, _)| method).collect();
        let declared = if self.websocket.is_some() { declared.with(Method::Get) } else { declared };
        let declared = if declared.contains(Method::Get) { declared.with(Method::Head) } else { declared };
        declared.with(Method::Options)
    }
}

/// The routes of one gateway.
///
/// **Which route wins.** A template matches a path of the same number of segments whose literals are equal and whose
/// parameters are not empty; one that ends with `{rest...}` matches all longer paths as well. Of several, the most
/// literal one wins: at the leftmost segment where two differ, the literal beats the parameter, which beats the rest, so
/// `/a/{x}/c` beats `/{y}/b/c` for `/a/b/c`. Two templates that differ in no such place have the same shape and can't be
/// in one table. The order of declaration therefore never matters.
///
/// **Then the method.** The path decides alone: when the winner has no handler for the method, the answer is
/// [`RouteMatch::MethodNotAllowed`], even if a less literal template has one. A path is one resource, and its methods
/// can be read off one place of the manifest.
#[derive(Clone, Debug)]
pub struct RouteTable {
    routes: Vec<Route>,
    nodes: Vec<Node>,
}

/// What a request's method and path lead to.
#[derive(Debug, PartialEq, Eq)]
pub enum RouteMatch<'t> {
    /// A handler.
    Found {
        /// The handler to invoke.
        handler: &'t HandlerRef,
        /// Parameters of the path in their order, percent-decoded.
        params: Vec<(&'t str, String)>,
        /// The winning template: the name of the route in logs and metrics.
        template: &'t PathTemplate,
        /// What the route itself asks of callers; without it, what the function asks.
        auth: Option<&'t Auth>,
    },
    /// The path is known and the method is not. An `OPTIONS` request without a handler of its own ends here too: the
    /// gateway answers it with the same list.
    MethodNotAllowed {
        /// The methods the path has, with the `HEAD` and `OPTIONS` that come for free.
        allow: MethodSet,
        /// The winning template.
        template: &'t PathTemplate,
    },
    /// A `GET` or `HEAD` of a path that has no handler of its own for them, but one for WebSockets: the client must
    /// ask for one.
    UpgradeRequired {
        /// The winning template.
        template: &'t PathTemplate,
    },
    /// No template matches the path.
    NotFound,
    /// The path has a `%` without two hexadecimal digits after it, or its decoded bytes are not UTF-8.
    BadEncoding,
}

/// Two templates that match exactly the same paths.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the paths `{first}` and `{second}` match the same requests")]
pub struct RouteConflict {
    /// The template that came first.
    pub first: PathTemplate,
    /// The one that has no request left to match.
    pub second: PathTemplate,
    /// Index of the second one in what was given to [`RouteTable::new`].
    pub index: usize,
}

/// A node of the tree of segments. Each template is one way from the root, so a search visits a node at most once.
#[derive(Clone, Debug, Default)]
struct Node {
    /// Sorted by text.
    literals: Vec<(Box<str>, usize)>,
    parameter: Option<usize>,
    /// The route that takes all that is left.
    rest: Option<usize>,
    /// The route whose last segment leads here.
    route: Option<usize>,
}

impl RouteTable {
    /// A table of these routes, or every pair that conflicts.
    pub fn new(mut routes: Vec<Route>) -> Result<Self, Vec<RouteConflict>> {
        routes.iter_mut().for_each(Route::spread_any);
        let mut nodes = vec![Node::default()];
        let mut conflicts = Vec::new();
        for (index, route) in routes.iter().enumerate() {
            match end(&mut nodes, &route.template) {
                end @ None => *end = Some(index),
                &mut Some(first) => conflicts.push(RouteConflict {
                    first: routes[first].template.clone(),
                    second: route.template.clone(),
                    index,
                }),
            }
        }
        if conflicts.is_empty() { Ok(Self { routes, nodes }) } else { Err(conflicts) }
    }

    /// The routes, as declared.
    #[must_use]
    pub fn routes(&self) -> &[Route] {
        &self.routes
    }

    /// Finds the handler of a request.
    ///
    /// `path` is the raw, still encoded part of the URL's path behind the gateway's name, with or without its leading
    /// `/` and without the query. It is split first and decoded then, so an encoded slash never separates segments.
    #[must_use]
    pub fn find(&self, method: Method, path: &str) -> RouteMatch<'_> {
        let (route, path) = match self.find_route(path) {
            Ok(found) => found,
            Err(answer) => return answer,
        };
        let template = &route.template;
        let (method, handler) = match route.handler(method) {
            None if method == Method::Head => (Method::Get, route.handler(Method::Get)),
            found => (method, found),
        };
        match handler {
            Some(handler) => {
                let auth = route.auth(Verb::Method(method));
                RouteMatch::Found { handler, params: params(template, path), template, auth }
            }
            None if matches!(method, Method::Get | Method::Head) && route.websocket.is_some() => {
                RouteMatch::UpgradeRequired { template }
            }
            None => RouteMatch::MethodNotAllowed { allow: route.allow(), template },
        }
    }

    /// Finds the handler of the WebSocket connections of a path, as [`RouteTable::find`] does for requests;
    /// [`RouteMatch::MethodNotAllowed`] where the path exists without one.
    #[must_use]
    pub fn find_websocket(&self, path: &str) -> RouteMatch<'_> {
        let (route, path) = match self.find_route(path) {
            Ok(found) => found,
            Err(answer) => return answer,
        };
        let template = &route.template;
        match &route.websocket {
            Some(handler) => {
                let auth = route.auth(Verb::WebSocket);
                RouteMatch::Found { handler, params: params(template, path), template, auth }
            }
            None => RouteMatch::MethodNotAllowed { allow: route.allow(), template },
        }
    }

    /// The route of a path, and the path without its leading slash.
    fn find_route<'p>(&self, path: &'p str) -> Result<(&Route, &'p str), RouteMatch<'_>> {
        let path = path.strip_prefix('/').unwrap_or(path);
        if path.contains('%') && path.split('/').any(|segment| decode(segment).is_none()) {
            return Err(RouteMatch::BadEncoding);
        }
        let route = self.search(0, Some(path)).and_then(|index| self.routes.get(index));
        route.map(|route| (route, path)).ok_or(RouteMatch::NotFound)
    }

    /// The route at the end of `rest`, literals first. The depth is that of the longest template.
    fn search(&self, node: usize, rest: Option<&str>) -> Option<usize> {
        let node = &self.nodes[node];
        let Some(rest) = rest else { return node.route };
        let (raw, rest) = match rest.split_once('/') {
            Some((segment, rest)) => (segment, Some(rest)),
            None => (rest, None),
        };
        let segment = decode(raw)?;
        let literal = node.literals.binary_search_by(|(text, _)| (**text).cmp(&segment)).ok();
        literal.and_then(|index| self.search(node.literals[index].1, rest)).or_else(|| {
            let parameter = node.parameter.filter(|_| !segment.is_empty());
            parameter.and_then(|parameter| self.search(parameter, rest)).or(node.rest)
        })
    }
}

impl Default for RouteTable {
    fn default() -> Self {
        Self { routes: Vec::new(), nodes: vec![Node::default()] }
    }
}

impl PartialEq for RouteTable {
    fn eq(&self, other: &Self) -> bool {
        self.routes == other.routes
    }
}

impl Eq for RouteTable {}

/// The place for the route of a template, made when it isn't there.
fn end<'n>(nodes: &'n mut Vec<Node>, template: &PathTemplate) -> &'n mut Option<usize> {
    let mut node = 0;
    for segment in template.segments() {
        match child(nodes, node, segment) {
            Some(next) => node = next,
            None => return &mut nodes[node].rest,
        }
    }
    &mut nodes[node].route
}

/// The node below `node` for a segment, made when it isn't there; `None` for the segment below which there is nothing.
fn child(nodes: &mut Vec<Node>, node: usize, segment: &Segment) -> Option<usize> {
    let next = nodes.len();
    let known = match segment {
        Segment::Rest(_) => return None,
        Segment::Parameter(_) => *nodes[node].parameter.get_or_insert(next),
        Segment::Literal(text) => {
            let literals = &mut nodes[node].literals;
            match literals.binary_search_by(|(known, _)| known.cmp(text)) {
                Ok(index) => literals[index].1,
                Err(index) => {
                    literals.insert(index, (text.clone(), next));
                    next
                }
            }
        }
    };
    if known == next {
        nodes.push(Node::default());
    }
    Some(known)
}

fn params<'t>(template: &'t PathTemplate, path: &str) -> Vec<(&'t str, String)> {
    let mut left = path;
    let mut params = Vec::new();
    for segment in template.segments() {
        let (raw, behind) = left.split_once('/').unwrap_or((left, ""));
        let raw = if matches!(segment, Segment::Rest(_)) { left } else { raw };
        // Whatever cannot be decoded was found out before.
        params.extend(segment.parameter().zip(decode(raw)).map(|(name, value)| (name, value.into_owned())));
        left = behind;
    }
    params
}

#[cfg(test)]
mod tests;
