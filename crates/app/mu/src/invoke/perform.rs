//! Runs a call in the process that holds the data.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use http::{HeaderMap, HeaderName, HeaderValue};
use mu_invoke::{InvokeError, Kind, Receipt};
use mu_node::{CallParams, Node};
use mu_runtime::{Form, Request, Response, collect_body, full_body};
use mu_stack::{HandlerRef, StackId};
use mu_telemetry::LogRecord;
use url::form_urlencoded;

use crate::invoke::message::{Answer, DOCUMENT_BYTES_MAX, Question, Refusal, Reply, Told};
use crate::report::{Captured, Colours, Tap, Text, json};

/// Runs the call that `question` describes on what is deployed on `node`, which reports to `tap`.
pub(crate) async fn perform(node: &Node, tap: &Tap, question: Question) -> Reply {
    let (stack, handler, request) = match parse(question) {
        Ok(parsed) => parsed,
        Err(message) => return refused(Refusal { status: 400, code: "invalid".to_owned(), message }),
    };
    let id = node.new_invocation_id();
    let capture = tap.capture(id);
    let Some(result) = node.call(CallParams { id, stack, handler, request }).await else {
        let message = "the stack that is served has another id or lacks the function; save mu.yaml and try again";
        return refused(Refusal { status: 404, code: "not_found".to_owned(), message: message.to_owned() });
    };
    let result = match result {
        Ok(response) => answer(response).await,
        Err(error) => Err(refusal(&error)),
    };
    let Captured { logs, receipt } = capture.take();
    Reply { result, receipt: receipt.as_ref().map(tell_call), logs: logs.iter().map(tell_log).collect() }
}

fn parse(question: Question) -> Result<(StackId, HandlerRef, Request), String> {
    let Question { stack, handler, method, path_params, query, headers, body } = question;
    let mut map = HeaderMap::with_capacity(headers.len());
    for (name, value) in headers {
        let parsed = (HeaderName::try_from(&name), HeaderValue::try_from(&value));
        let (Ok(name), Ok(value)) = parsed else { return Err(format!("`{name}: {value}` is not a valid header")) };
        map.try_append(name, value).map_err(|e| e.to_string())?;
    }
    let request = Request {
        form: Form::Http,
        begun: None,
        method: method.parse().map_err(|_| format!("`{method}` is not a method"))?,
        path: "/".to_owned(),
        path_params,
        raw_query: raw_query(&query),
        query,
        headers: map,
        body: full_body(BASE64_STANDARD.decode(body).map_err(|e| e.to_string())?),
    };
    Ok((stack.parse().map_err(text)?, handler.parse().map_err(text)?, request))
}

/// The query as a client would have written it.
fn raw_query(query: &[(String, String)]) -> Option<String> {
    let mut written = form_urlencoded::Serializer::new(String::new());
    (!query.is_empty()).then(|| written.extend_pairs(query).finish())
}

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}

async fn answer(response: Response) -> Result<Answer, Refusal> {
    let headers = response.headers.iter();
    let headers =
        headers.map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned()));
    let (status, headers) = (response.status.as_u16(), headers.collect());
    // Base64 makes four bytes of three, and the headers take some.
    match collect_body(response.body, DOCUMENT_BYTES_MAX / 2).await {
        Ok(body) => Ok(Answer { status, headers, body: BASE64_STANDARD.encode(body) }),
        Err(e) => Err(Refusal { status: 502, code: Kind::FunctionFailed.to_string(), message: e.to_string() }),
    }
}

fn refusal(error: &InvokeError) -> Refusal {
    let status = error.kind.http_status().as_u16();
    Refusal { status, code: error.code.to_owned(), message: error.message.clone() }
}

fn refused(refusal: Refusal) -> Reply {
    Reply { result: Err(refusal), receipt: None, logs: Vec::new() }
}

fn tell_call(receipt: &Receipt) -> Told {
    let mut text = String::new();
    // Colours are the caller's to take away.
    Text::new(Colours::Shown).call(receipt, &mut text);
    Told { text, json: serde_json::to_value(json::call(receipt)).unwrap_or_default() }
}

fn tell_log(record: &LogRecord) -> Told {
    let mut text = String::new();
    Text::new(Colours::Shown).log(record, &mut text);
    Told { text, json: serde_json::to_value(json::log(record)).unwrap_or_default() }
}
