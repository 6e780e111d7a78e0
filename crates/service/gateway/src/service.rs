//! One request from its head to the head of its response.

use std::sync::Arc;

use http::header::{self, HeaderMap, HeaderValue};
use http::request::Parts;
use http::{Method, Request, Response, StatusCode, Uri, Version};
use hyper::body::Incoming;
use hyper::upgrade::OnUpgrade;
use mu_env::{Env, InvocationId};
use mu_invoke::{DeployedGateway, Deployment, Found, Invoker, Kind, Routed};
use mu_stack::{Auth, MethodSet};
use mu_telemetry::Limit;

use crate::auth::{Authenticator, Caller};
use crate::config::GatewayConfig;
use crate::cors;
use crate::error::{ApiError, shown};
use crate::function::{self, Matched};
use crate::hosts::HostTable;
use crate::locate::Place;
use crate::object;
use crate::ports::GatewayPorts;
use crate::query::NotText;
use crate::request_id::{X_REQUEST_ID, client_request_id, id_value};
use crate::response::{ResponseBody, respond, without_body};
use crate::websocket::{self, SocketTasks};

/// Answers requests.
pub(crate) struct Service {
    env: Env,
    invoker: Arc<Invoker>,
    ports: GatewayPorts,
    config: GatewayConfig,
    sockets: SocketTasks,
}

/// A request as it was received, without its URL.
pub(crate) struct Received {
    /// The id under which a function would be invoked.
    pub(crate) id: InvocationId,
    /// The same as the value of a header.
    pub(crate) invocation: HeaderValue,
    pub(crate) request_id: HeaderValue,
    pub(crate) method: Method,
    pub(crate) version: Version,
    pub(crate) headers: HeaderMap,
    /// Who sent it, once that is found out.
    pub(crate) caller: Option<Box<Caller>>,
    pub(crate) body: Incoming,
    /// How the connection is had for another protocol, if the client asks for one.
    pub(crate) upgrade: Option<OnUpgrade>,
}

impl Service {
    pub(crate) fn new(
        env: Env,
        invoker: Arc<Invoker>,
        ports: GatewayPorts,
        config: GatewayConfig,
        sockets: SocketTasks,
    ) -> Self {
        Self { env, invoker, ports, config, sockets }
    }

    pub(crate) fn env(&self) -> &Env {
        &self.env
    }

    pub(crate) fn sockets(&self) -> &SocketTasks {
        &self.sockets
    }

    pub(crate) fn invoker(&self) -> &Arc<Invoker> {
        &self.invoker
    }

    pub(crate) fn hosts(&self) -> &HostTable {
        &self.ports.hosts
    }

    pub(crate) fn authenticator(&self) -> &dyn Authenticator {
        &*self.ports.authenticator
    }

    pub(crate) fn limit_hit(&self, limit: Limit) {
        self.ports.limit_hit(limit);
    }

    pub(crate) fn config(&self) -> &GatewayConfig {
        &self.config
    }

    /// Answers one request, whatever it is.
    ///
    /// Everything but the work itself is decided in plain functions: the fewer levels of futures a request passes
    /// through, the less of it is copied.
    pub(crate) async fn answer(&self, request: Request<Incoming>) -> Response<ResponseBody> {
        let (Parts { method, uri, version, headers, mut extensions, .. }, body) = request.into_parts();
        let id = self.env.new_invocation_id();
        let invocation = id_value(id);
        let request_id = client_request_id(&headers).unwrap_or(&invocation).clone();
        let upgrade = extensions.remove();
        let received = Received {
            id,
            invocation,
            request_id: request_id.clone(),
            method,
            version,
            headers,
            caller: None,
            body,
            upgrade,
        };
        let is_head = received.method == Method::HEAD;

        let mut response = match self.locate(&uri, &received) {
            Err(error) => error.into_response(),
            Ok(Place { found, address, is_own_host }) => {
                let deployment = match found {
                    Found::Deployment(deployment) => Ok(deployment),
                    // Boxed, so that other requests don't carry its size.
                    found => Box::pin(self.wake(found, &address.stack, id)).await,
                };
                match deployment {
                    Err(error) => error.into_response(),
                    Ok(deployment) => match gateway(&deployment, &address.service) {
                        Some(gateway) => {
                            let origin = received.headers.get(header::ORIGIN);
                            let policy = gateway.cors().map(|policy| (policy, origin.cloned()));
                            let mut response = match find_route(&deployment, gateway, &uri, address.rest, &received) {
                                Step::Invoke(matched) => {
                                    let mut response = match matched.auth {
                                        Auth::None => function::call(self, matched, received).await,
                                        _ => Box::pin(function::call_as(self, matched, received)).await,
                                    };
                                    if policy.is_some() {
                                        cors::take_back(response.headers_mut());
                                    }
                                    response
                                }
                                // Boxed as well.
                                Step::Open(matched) => Box::pin(websocket::open(self, matched, received)).await,
                                Step::Answered(response) => response,
                            };
                            if let Some((policy, origin)) = policy {
                                cors::permit(policy, origin, response.headers_mut());
                            }
                            response
                        }
                        None if deployment.has_public_box(&address.service) && !is_own_host => {
                            let (boxes, bytes) = (self.invoker.boxes(), uri_bytes(&uri));
                            let response = object::answer(boxes, &deployment, &address, bytes, &received).await;
                            response.unwrap_or_else(ApiError::into_response)
                        }
                        None => unknown_service(&deployment, &address.service).into_response(),
                    },
                }
            }
        };
        response.headers_mut().insert(&X_REQUEST_ID, request_id);
        if is_head { without_body(response) } else { response }
    }
}

/// The gateway of that name, or the only one where a host is for whichever there is.
fn gateway<'d>(deployment: &'d Deployment, name: &str) -> Option<&'d DeployedGateway> {
    if name.is_empty() { deployment.only_gateway() } else { deployment.gateway(name) }
}

/// What is to be done for a request to a gateway.
enum Step<'d> {
    /// Invoke the handler of a route.
    Invoke(Matched<'d>),
    /// Open a WebSocket, if the handler accepts.
    Open(Matched<'d>),
    /// Nothing: the gateway answers by itself.
    Answered(Response<ResponseBody>),
}

/// The route that a request matches, or what the gateway answers by itself.
fn find_route<'d>(
    deployment: &'d Arc<Deployment>,
    gateway: &'d DeployedGateway,
    uri: &'d Uri,
    path: &'d str,
    received: &Received,
) -> Step<'d> {
    let method = &received.method;
    if let Some(policy) = gateway.cors()
        && cors::is_preflight(method, &received.headers)
        && let Some(allow) = gateway.methods(path)
    {
        return Step::Answered(cors::preflight(policy, &received.headers, allow));
    }
    if *method == Method::GET
        && gateway.has_websockets()
        && websocket::is_asked_for(&received.headers)
        && let Routed::Found { target, params, template, auth } = gateway.websocket(path)
    {
        return Step::Open(Matched { deployment, gateway, target, params, template, auth, uri, path });
    }
    let routed = match route_method(method) {
        Some(method) => gateway.route(method, path),
        None => gateway.methods(path).map_or(Routed::NotFound, |allow| Routed::MethodNotAllowed { allow }),
    };
    let error = match routed {
        Routed::Found { target, params, template, auth } => {
            return Step::Invoke(Matched { deployment, gateway, target, params, template, auth, uri, path });
        }
        Routed::MethodNotAllowed { allow } if *method == Method::OPTIONS => return Step::Answered(options(allow)),
        Routed::MethodNotAllowed { allow } => method_not_allowed(method, path, allow),
        Routed::UpgradeRequired => websocket::required(path),
        Routed::NotFound => unknown_path(deployment, gateway, path),
        Routed::BadEncoding => {
            ApiError::new(Kind::Invalid, format!("the path `{}` cannot be percent-decoded", shown(path)))
        }
    };
    Step::Answered(error.into_response())
}

/// The bytes of path and query.
pub(crate) fn uri_bytes(uri: &Uri) -> usize {
    uri.path().len() + uri.query().map_or(0, str::len)
}

/// The method as routes know it; none for methods that no route can have.
fn route_method(method: &Method) -> Option<mu_stack::Method> {
    Some(match *method {
        Method::GET => mu_stack::Method::Get,
        Method::HEAD => mu_stack::Method::Head,
        Method::POST => mu_stack::Method::Post,
        Method::PUT => mu_stack::Method::Put,
        Method::PATCH => mu_stack::Method::Patch,
        Method::DELETE => mu_stack::Method::Delete,
        Method::OPTIONS => mu_stack::Method::Options,
        _ => return None,
    })
}

/// The answer to `OPTIONS` where the function has none of its own.
pub(crate) fn options(allow: MethodSet) -> Response<ResponseBody> {
    let headers = HeaderMap::from_iter([(header::ALLOW, cors::method_list(allow))]);
    respond(StatusCode::NO_CONTENT, headers, ResponseBody::nothing())
}

// === errors ===

pub(crate) fn method_not_allowed(method: &Method, path: &str, allow: MethodSet) -> ApiError {
    let message = format!("the path `{}` has no {}; it has {allow}", shown(path), shown(method.as_str()));
    ApiError::new(Kind::MethodNotAllowed, message)
        .detail("allow", allow.to_string())
        .header(header::ALLOW, cors::method_list(allow))
}

fn unknown_service(deployment: &Deployment, service: &str) -> ApiError {
    let stack = deployment.name();
    if service.is_empty() {
        let message = format!("stack `{stack}` has not one gateway; its host has to be claimed for one of them");
        return ApiError::new(Kind::NotFound, message).detail("stack", &**stack);
    }
    let message = format!("stack `{stack}` has no gateway or public box `{}`", shown(service));
    ApiError::new(Kind::NotFound, message).detail("stack", &**stack).detail("service", service)
}

fn unknown_path(deployment: &Deployment, gateway: &DeployedGateway, path: &str) -> ApiError {
    let (stack, gateway) = (deployment.name(), gateway.name());
    let message = format!("gateway `{gateway}` of stack `{stack}` has no path `{}`", shown(path));
    ApiError::new(Kind::NotFound, message).detail("stack", &**stack).detail("gateway", &**gateway).detail("path", path)
}

impl From<NotText> for ApiError {
    fn from(error: NotText) -> Self {
        Self::new(Kind::Invalid, error.to_string())
    }
}
