//! What happens on a connection, as requests to the handler of its route.
//!
//! Each event goes to the version of the stack that is in service at that time: a connection outlives deployments.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Method, StatusCode};
use mu_env::{Env, InvocationId};
use mu_invoke::{Cause, Closing, Deployment, InvokeError, Invoker, Routed, Socket, SocketEvent, SocketMessage, Target};
use mu_runtime::{Form, Request, Response, collect_body, full_body};
use mu_stack::PathTemplate;

use crate::auth::Caller;
use crate::query::parse_query;

const EVENT: HeaderName = HeaderName::from_static("mu-websocket-event");
const CONNECTION: HeaderName = HeaderName::from_static("mu-websocket-connection");
const CODE: HeaderName = HeaderName::from_static("mu-websocket-code");

/// How often an event that found no room is tried again; each time after as long as the refusal asks to wait.
const RETRIES_MAX: u32 = 10;

/// Marks the headers of a request as those of an event.
pub(super) fn mark(headers: &mut HeaderMap, event: SocketEvent, socket: &Socket) {
    headers.insert(EVENT, HeaderValue::from_static(event.as_str()));
    let id = HeaderValue::from_str(&socket.id().to_string());
    headers.insert(CONNECTION, id.expect("hexadecimal digits are fit for a header"));
}

/// The events of one connection after it was opened.
pub(super) struct Events {
    pub(super) env: Env,
    pub(super) invoker: Arc<Invoker>,
    pub(super) socket: Arc<Socket>,
    /// Who opened the connection, where that was asked for: all events are theirs.
    pub(super) caller: Option<Box<Caller>>,
    /// The handshake's query, which could be decoded.
    pub(super) query: Option<Box<str>>,
    pub(super) message_bytes_max: u64,
}

/// What a handler says to a message.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Answer {
    Nothing,
    /// Send this.
    Reply(SocketMessage),
    /// End the connection.
    End(Closing),
}

/// Why an event has no answer.
enum Unanswered {
    /// The stack has no such route any longer.
    NoRoute,
    Failed(InvokeError),
}

/// Where the events of a connection lead at the moment.
struct Place {
    deployment: Arc<Deployment>,
    target: Target,
    params: Vec<(String, String)>,
    template: PathTemplate,
}

impl Events {
    /// Gives the handler a message.
    pub(super) async fn message(self: Arc<Self>, message: SocketMessage) -> Answer {
        let mut headers = HeaderMap::new();
        self.mark(&mut headers, SocketEvent::Message);
        headers.insert(header::CONTENT_TYPE, message.kind().content_type());
        match self.invoke(SocketEvent::Message, &headers, message.data()).await {
            Ok((id, response)) => self.understand(id, response, &message).await,
            Err(Unanswered::NoRoute) => Answer::End(Closing::new(1001, "the route is gone")),
            Err(Unanswered::Failed(error)) => {
                // Whoever had to wait too long for a place may come back later; anything else is a mistake.
                let code = if error.retry_after.is_some() { 1013 } else { 1011 };
                self.log_end(code, &error.message);
                Answer::End(Closing::new(code, error.invocation.to_string()))
            }
        }
    }

    /// Tells the handler that the connection has ended. What it says to that does not matter.
    pub(super) async fn close(&self, closing: &Closing) {
        let mut headers = HeaderMap::new();
        self.mark(&mut headers, SocketEvent::Close);
        headers.insert(CODE, HeaderValue::from(closing.code));
        if !closing.reason.is_empty() {
            headers.insert(header::CONTENT_TYPE, mu_invoke::MessageKind::Text.content_type());
        }
        let reason = Bytes::copy_from_slice(closing.reason.as_bytes());
        match self.invoke(SocketEvent::Close, &headers, &reason).await {
            Ok(_) => {}
            Err(Unanswered::NoRoute) => {
                tracing::debug!(connection = %self.socket.id(), "nobody is left to be told that the connection ended");
            }
            Err(Unanswered::Failed(error)) => {
                tracing::warn!(connection = %self.socket.id(), %error, "telling a function that a connection ended");
            }
        }
    }

    fn mark(&self, headers: &mut HeaderMap, event: SocketEvent) {
        mark(headers, event, &self.socket);
        if let Some(caller) = &self.caller {
            caller.mark(headers);
        }
    }

    /// What a response means.
    async fn understand(&self, id: InvocationId, response: Response, message: &SocketMessage) -> Answer {
        let Response { status, headers, body } = response;
        if status.is_client_error() {
            self.log_end(1008, status.as_str());
            return Answer::End(Closing::new(1008, id.to_string()));
        }
        if !status.is_success() {
            self.log_end(1011, status.as_str());
            return Answer::End(Closing::new(1011, id.to_string()));
        }
        if matches!(status, StatusCode::NO_CONTENT | StatusCode::RESET_CONTENT) {
            return Answer::Nothing;
        }
        match collect_body(body, self.message_bytes_max).await {
            // Nothing to say, or an empty message: whoever says what kind of nothing it is means the latter.
            Ok(data) if data.is_empty() && !headers.contains_key(header::CONTENT_TYPE) => Answer::Nothing,
            Ok(data) => Answer::Reply(SocketMessage::from_http(&headers, data, message.kind())),
            Err(error) => {
                self.log_end(1011, &error.to_string());
                Answer::End(Closing::new(1011, id.to_string()))
            }
        }
    }

    /// Invokes the handler for an event. One that finds no room is tried again, so that a rush of events costs time and
    /// no connections.
    async fn invoke(
        &self,
        event: SocketEvent,
        headers: &HeaderMap,
        data: &Bytes,
    ) -> Result<(InvocationId, Response), Unanswered> {
        let mut tries = 0;
        loop {
            let id = self.env.new_invocation_id();
            let found = match self.invoker.awake(&self.socket.stack()).await {
                Ok(deployment) => deployment.and_then(|deployment| self.place(deployment)),
                // Retried below like one that found no place in the function.
                Err(asleep) if tries < RETRIES_MAX => {
                    tries += 1;
                    tokio::time::sleep(self.jittered(asleep.retry_after)).await;
                    continue;
                }
                Err(asleep) => return Err(Unanswered::Failed(asleep.into_error(id))),
            };
            let Place { deployment, target, params, template } = found.ok_or(Unanswered::NoRoute)?;
            let (gateway, connection) = (Arc::clone(self.socket.gateway()), self.socket.id());
            let cause = Cause::WebSocket { gateway, template, event, connection };
            let query = self.query.as_deref().and_then(|query| parse_query(query).ok());
            let request = Request {
                form: Form::Http,
                begun: None,
                method: Method::POST,
                path: self.socket.path().to_owned(),
                path_params: params,
                query: query.unwrap_or_default(),
                raw_query: self.query.as_deref().map(str::to_owned),
                headers: headers.clone(),
                body: full_body(data.clone()),
            };
            let error = match self.invoker.invoke(&deployment, &target, cause, id, request).await {
                Ok(response) => return Ok((id, response)),
                Err(error) => error,
            };
            match error.retry_after {
                Some(delay) if tries < RETRIES_MAX => {
                    tries += 1;
                    tokio::time::sleep(self.jittered(delay)).await;
                }
                _ => return Err(Unanswered::Failed(error)),
            }
        }
    }

    /// The route of the connection in the stack's version of this moment.
    fn place(&self, deployment: Arc<Deployment>) -> Option<Place> {
        let gateway = deployment.gateway(self.socket.gateway())?;
        let Routed::Found { target, params, template, .. } = gateway.websocket(self.socket.path()) else { return None };
        let params = params.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        let (target, template) = (target.clone(), template.clone());
        Some(Place { deployment, target, params, template })
    }

    /// A delay of half to one and a half times the length, so that those refused together do not return together.
    fn jittered(&self, delay: Duration) -> Duration {
        let millis = u64::try_from(delay.as_millis()).unwrap_or(u64::MAX).max(1);
        Duration::from_millis(millis / 2 + self.env.random().next_u64() % millis)
    }

    fn log_end(&self, code: u16, why: &str) {
        tracing::info!(connection = %self.socket.id(), code, why, "a function ends a WebSocket connection");
    }
}
