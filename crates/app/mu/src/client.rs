//! The management API of a node, as the command line asks it.
//!
//! A [`Call`] is one question. It is signed, or carries a token; it is asked again when the node cannot be reached or is
//! busy, as [`retry`] decides; and what the node refuses becomes an error that says what to do.

mod address;
mod agent;
mod call;
mod clock;
mod credentials;
mod error;
mod events;
mod pages;
mod retry;
#[cfg(test)]
pub(crate) mod stand_in;
#[cfg(test)]
mod tests;
mod trust;

use std::time::Duration;

use http::header::{AUTHORIZATION, RETRY_AFTER};
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode};
use mu_control::access::signature::SignedBody;
use mu_env::Env;
use serde::de::DeserializeOwned;
use serde_json::Value;
use ureq::{Agent, Body};

pub(crate) use crate::client::address::Address;
use crate::client::call::Content;
pub(crate) use crate::client::call::{Call, path};
pub(crate) use crate::client::credentials::{BearerToken, Credentials};
pub(crate) use crate::client::error::{CallError, Refusal};
pub(crate) use crate::client::events::{ServerEvent, ServerEvents};
pub(crate) use crate::client::pages::Limit;
use crate::client::retry::Outcome;
pub(crate) use crate::client::trust::Trust;
use crate::terminal;

/// Largest answer that is read into memory, in bytes.
const ANSWER_BYTES_MAX: u64 = 64 << 20;

/// Waits that are longer than this are told about.
const TOLD_WAIT: Duration = Duration::from_secs(1);

/// Asks one node.
#[derive(Debug)]
pub(crate) struct Client {
    address: Address,
    credentials: Credentials,
    agent: Agent,
    env: Env,
    pause: fn(Duration),
}

/// What a node answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Client {
    pub(crate) fn new(address: Address, credentials: Credentials, trust: &Trust) -> Self {
        let agent = agent::agent(&address, trust);
        Self { address, credentials, agent, env: Env::system(), pause: std::thread::sleep }
    }

    pub(crate) fn address(&self) -> &Address {
        &self.address
    }

    /// The same node, asked with other credentials.
    pub(crate) fn with_credentials(&self, credentials: Credentials) -> Self {
        Self {
            address: self.address.clone(),
            credentials,
            agent: self.agent.clone(),
            env: self.env.clone(),
            pause: self.pause,
        }
    }

    /// Asks, and reads the answer as JSON.
    pub(crate) fn ask<T: DeserializeOwned>(&self, call: &Call<'_>) -> Result<T, CallError> {
        let answer = self.send(call)?;
        serde_json::from_slice(&answer.body).map_err(|e| self.not_understood(answer.status, &e.to_string()))
    }

    /// Asks for what is at a path.
    pub(crate) fn get(&self, path: impl Into<String>) -> Result<Value, CallError> {
        self.ask(&Call::get(path))
    }

    /// Asks for something whose answer is of no interest.
    pub(crate) fn tell(&self, call: &Call<'_>) -> Result<(), CallError> {
        self.send(call).map(drop)
    }

    /// Asks, and takes a refusal for an error.
    pub(crate) fn send(&self, call: &Call<'_>) -> Result<Answer, CallError> {
        let answer = self.send_for_any(call)?;
        if answer.status.is_success() { Ok(answer) } else { Err(self.refused(&answer)) }
    }

    /// Asks, and takes every answer for an answer.
    pub(crate) fn send_for_any(&self, call: &Call<'_>) -> Result<Answer, CallError> {
        let (parts, mut body) = self.open(call)?.into_parts();
        let read = body.with_config().limit(ANSWER_BYTES_MAX).read_to_vec();
        let body = read.map_err(|e| CallError::from_transport(&self.address, &e))?;
        Ok(Answer { status: parts.status, headers: parts.headers, body })
    }

    /// Asks for a stream of events.
    pub(crate) fn events(&self, call: &Call<'_>) -> Result<ServerEvents, CallError> {
        let mut response = self.open(call)?;
        if response.status().is_success() {
            return Ok(ServerEvents::new(response.into_body().into_reader()));
        }
        let body = response.body_mut().with_config().limit(ANSWER_BYTES_MAX).read_to_vec().unwrap_or_default();
        Err(self.refused(&Answer { status: response.status(), headers: response.headers().clone(), body }))
    }

    /// Asks, again where that helps, until there is an answer whose body can be read.
    fn open(&self, call: &Call<'_>) -> Result<Response<Body>, CallError> {
        let mut tries = 0;
        loop {
            tries += 1;
            let (outcome, result) = match self.exchange(call) {
                Ok(response) => {
                    (Outcome::Answered { status: response.status(), retry_after: retry_after(&response) }, Ok(response))
                }
                Err(error) if error.is_before_sending() => (Outcome::NotSent, Err(error)),
                Err(error) => (Outcome::Lost, Err(error)),
            };
            match retry::delay(tries, call.repeat, outcome) {
                None => return result,
                Some(delay) => {
                    if delay >= TOLD_WAIT {
                        terminal::say(format!("The node is busy; asking again in {} s", delay.as_secs()));
                    }
                    (self.pause)(delay);
                }
            }
        }
    }

    /// Asks once.
    fn exchange(&self, call: &Call<'_>) -> Result<Response<Body>, CallError> {
        let request = Request::builder().method(call.method.clone()).uri(self.address.url(&call.path));
        let request = request.body(()).map_err(|e| CallError::Impossible { reason: e.to_string() })?;
        let (mut parts, ()) = request.into_parts();
        parts.headers.extend(call.headers.iter().cloned());
        let content = match &call.content {
            Content::None => None,
            Content::Bytes(bytes) => Some(bytes.as_ref()),
        };
        self.sign(&mut parts, content.unwrap_or_default())?;
        let answered = match content {
            None => self.agent.run(self.timed(Request::from_parts(parts, ()), call)),
            Some(bytes) => self.agent.run(self.timed(Request::from_parts(parts, bytes), call)),
        };
        answered.map_err(|e| CallError::from_transport(&self.address, &e))
    }

    fn timed<B: ureq::AsSendBody>(&self, request: Request<B>, call: &Call<'_>) -> Request<B> {
        let config = self.agent.configure_request(request);
        match call.patience {
            call::Patience::Whole(limit) => config.timeout_global(Some(limit)).build(),
            call::Patience::Pauses(limit) => {
                config.timeout_global(None).timeout_recv_response(Some(limit)).timeout_per_read(Some(limit)).build()
            }
        }
    }

    /// Adds what says who asks. A signature is made for each try: none is accepted twice.
    fn sign(&self, parts: &mut http::request::Parts, content: &[u8]) -> Result<(), CallError> {
        match &self.credentials {
            Credentials::None => Ok(()),
            Credentials::Key(signer) => signer
                .sign(parts, SignedBody::Bytes(content))
                .map_err(|e| CallError::Impossible { reason: e.to_string() }),
            Credentials::Token(token) => {
                let value = HeaderValue::from_str(&format!("Bearer {}", token.reveal()));
                let mut value = value.map_err(|_| CallError::Impossible {
                    reason: "the token has characters that no token has".to_owned(),
                })?;
                value.set_sensitive(true);
                parts.headers.insert(AUTHORIZATION, value);
                Ok(())
            }
        }
    }

    /// What an answer of the node itself says, where a function might have answered.
    pub(crate) fn refusal_of(&self, answer: &Answer) -> CallError {
        self.refused(answer)
    }

    /// What a refusal means. One that may be due to the clock is looked into.
    fn refused(&self, answer: &Answer) -> CallError {
        let refusal = Refusal::read(&self.address, answer);
        let is_signed = matches!(self.credentials, Credentials::Key(_));
        if answer.status == StatusCode::UNAUTHORIZED
            && is_signed
            && let Some(clocks) = self.clocks()
        {
            return CallError::Refused(Box::new(refusal.with_hint(clocks)));
        }
        CallError::Refused(Box::new(refusal))
    }

    /// What to say when the node's clock and this machine's are too far apart.
    fn clocks(&self) -> Option<String> {
        let unsigned = self.with_credentials(Credentials::None);
        let node: Value = unsigned.ask(&Call::get("/v1/node")).ok()?;
        clock::difference(node["time"].as_str()?, self.env.now())
    }

    fn not_understood(&self, status: StatusCode, reason: &str) -> CallError {
        CallError::NotUnderstood {
            address: self.address.to_string(),
            status: status.as_u16(),
            reason: reason.to_owned(),
        }
    }
}

fn retry_after(response: &Response<Body>) -> Option<Duration> {
    let seconds = response.headers().get(RETRY_AFTER)?.to_str().ok()?.parse().ok()?;
    Some(Duration::from_secs(seconds))
}
