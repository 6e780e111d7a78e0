//! What is answered to which request.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::join_all;
use http::header::{ALLOW, AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue, WWW_AUTHENTICATE};
use http::{Method, Request, Response, StatusCode};
use http_body_util::Full;
use mu_telemetry::METRICS_CONTENT_TYPE;
use serde_json::{Map, Value, json};

use super::OperationsParts;
use super::probe::Finding;

pub(super) type Answer = Response<Full<Bytes>>;

/// Answers requests.
pub(super) struct Answers(OperationsParts);

impl Answers {
    pub(super) fn new(parts: OperationsParts) -> Self {
        Self(parts)
    }

    pub(super) async fn answer<B>(&self, request: &Request<B>) -> Answer {
        let path = request.uri().path();
        if !matches!(path, "/metrics" | "/healthz" | "/readyz") {
            let message = "there are /metrics, /healthz and /readyz";
            return error(StatusCode::NOT_FOUND, "not_found", message, &json!({}));
        }
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            let message = format!("{path} is read with GET");
            let answer = error(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", &message, &json!({}));
            return with(answer, ALLOW, "GET, HEAD");
        }
        match path {
            "/metrics" if !self.may_read_metrics(request) => {
                let message = "metrics are for who presents `metrics.token` as a bearer token";
                let answer = error(StatusCode::UNAUTHORIZED, "unauthenticated", message, &json!({}));
                with(answer, WWW_AUTHENTICATE, "Bearer")
            }
            "/metrics" => self.metrics().await,
            "/readyz" => self.ready().await,
            _ => respond(StatusCode::OK, "application/json", json!({"status": "alive"}).to_string()),
        }
    }

    fn may_read_metrics<B>(&self, request: &Request<B>) -> bool {
        let Some(token) = &self.0.token else { return true };
        let presented = request.headers().get(AUTHORIZATION).map(HeaderValue::as_bytes).unwrap_or_default();
        match presented.split_at_checked("Bearer ".len()) {
            Some((scheme, guess)) => scheme.eq_ignore_ascii_case(b"Bearer ") && token.is(guess),
            None => false,
        }
    }

    async fn metrics(&self) -> Answer {
        let (metrics, readings) = (self.0.metrics.clone(), Arc::clone(&self.0.readings));
        // Thousands of functions make megabytes of text, and threads that serve requests should not write it.
        match tokio::task::spawn_blocking(move || metrics.encode(readings())).await {
            Ok(text) => respond(StatusCode::OK, METRICS_CONTENT_TYPE, text),
            Err(failure) => {
                tracing::error!(%failure, "writing the metrics");
                let message = "the metrics could not be written; the node's log says why";
                error(StatusCode::INTERNAL_SERVER_ERROR, "internal", message, &json!({}))
            }
        }
    }

    async fn ready(&self) -> Answer {
        let mut findings = join_all(self.0.probes.iter().map(super::Probe::find)).await;
        if self.0.shutdown.is_requested() {
            let failure = Some("the node stops".to_owned());
            findings.push(Finding { name: "shutdown", failure, took: std::time::Duration::ZERO });
        }
        let failed: Vec<_> = findings.iter().filter(|finding| finding.failure.is_some()).map(|it| it.name).collect();
        let checks: Map<_, _> = findings.iter().map(|finding| (finding.name.to_owned(), told(finding))).collect();
        if failed.is_empty() {
            return respond(
                StatusCode::OK,
                "application/json",
                json!({"status": "ready", "checks": checks}).to_string(),
            );
        }
        let message = format!("not ready: {}", failed.join(", "));
        let details = json!({"failed": failed, "checks": checks});
        error(StatusCode::SERVICE_UNAVAILABLE, "unavailable", &message, &details)
    }
}

fn told(finding: &Finding) -> Value {
    let took_ms = u64::try_from(finding.took.as_millis()).unwrap_or(u64::MAX);
    match &finding.failure {
        None => json!({"ok": true, "took_ms": took_ms}),
        Some(failure) => json!({"ok": false, "took_ms": took_ms, "message": failure}),
    }
}

/// An error in the shape that all interfaces of the node have.
fn error(status: StatusCode, code: &str, message: &str, details: &Value) -> Answer {
    let body = json!({"code": code, "message": message, "details": details});
    respond(status, "application/json", body.to_string())
}

fn respond(status: StatusCode, content_type: &'static str, body: String) -> Answer {
    let mut response = Response::new(Full::from(body));
    *response.status_mut() = status;
    with(with(response, CONTENT_TYPE, content_type), CACHE_CONTROL, "no-store")
}

fn with(mut response: Answer, name: HeaderName, value: &'static str) -> Answer {
    response.headers_mut().insert(name, HeaderValue::from_static(value));
    response
}
