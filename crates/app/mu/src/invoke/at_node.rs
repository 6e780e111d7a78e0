//! Calls a handler of a stack that is deployed on a node.

use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use http::header::ACCEPT;
use http::{HeaderName, HeaderValue, Method};
use serde_json::json;

use super::{Arguments, Output, body, cause};
use crate::client::{Answer, Call, Client, path};
use crate::failure::{Cause, Failure};
use crate::output::written;
use crate::remote::{OnStack, Remote};
use crate::terminal::{self, printable};

/// Longer than any function may run, which is 5 minutes.
const PATIENCE: Duration = Duration::from_secs(5 * 60 + 30);

/// By which a function's answer is told from one of the node.
const INVOCATION_ID: HeaderName = HeaderName::from_static("x-mu-invocation-id");

/// Headers that say to the node who asks; a function never gets them.
const OWN_HEADERS: [&str; 5] = ["authorization", "signature", "signature-input", "content-digest", "idempotency-key"];

pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let remote = Remote { context: arguments.context.clone() };
    let stack = arguments.stack.clone();
    let (client, stack) = OnStack { stack, remote }.connect()?;
    call(&client, &stack, arguments)
}

fn call(client: &Client, stack: &str, arguments: &Arguments) -> Result<(), Failure> {
    let content = body(arguments.data.as_deref())?;
    let answer = client.send_for_any(&question(stack, arguments, &content)?)?;
    let Some(invocation) = answer.headers.get(INVOCATION_ID) else {
        // No function has answered: either the node refused, or it is not one that we know.
        return Err(client.refusal_of(&answer).into());
    };
    terminal::say(format!("{} (invocation {})", answer.status.as_u16(), shown(invocation)));
    answer.headers.iter().for_each(|(name, value)| terminal::say(format!("{name}: {}", shown(value))));
    terminal::say("");
    written(terminal::print(match arguments.output {
        Output::Body => answer.body.clone(),
        Output::Json => format!("{:#}\n", as_json(&answer, invocation)).into_bytes(),
    }))?;
    match answer.status.as_u16() {
        ..400 => Ok(()),
        status => Err(Failure::new(cause(status), format!("the handler answered {status}"))
            .hint(format!("`mu logs --invocation {}` shows what it wrote", shown(invocation)))),
    }
}

fn question<'a>(stack: &str, arguments: &Arguments, content: &'a [u8]) -> Result<Call<'a>, Failure> {
    let handler = arguments.handler.to_string();
    let mut call = Call::bytes(Method::POST, path(&["stacks", stack, "invoke", &handler]), content);
    let method = arguments.method.as_str();
    call = call.query(&[("mu-method", Some(method).filter(|method| *method != "POST"))]);
    for (name, value) in &arguments.path_param {
        call = call.query(&[("mu-path-param", Some(&format!("{name}={value}")))]);
    }
    for (name, value) in &arguments.query {
        call = call.query(&[(name, Some(value))]);
    }
    for (name, value) in &arguments.header {
        if OWN_HEADERS.iter().any(|own| name.eq_ignore_ascii_case(own)) {
            let message =
                format!("the header `{name}` says to the node who you are, and cannot be sent to the function");
            return Err(Failure::new(Cause::Failed, message)
                .hint("call a route of the function instead: `mu stack show` has the gateways"));
        }
        let parsed = (HeaderName::try_from(name), HeaderValue::try_from(value));
        let (Ok(name), Ok(value)) = parsed else {
            return Err(Failure::new(Cause::Failed, format!("`{name}: {value}` is not a valid header")));
        };
        call = call.header(name, value);
    }
    if !arguments.header.iter().any(|(name, _)| name.eq_ignore_ascii_case(ACCEPT.as_str())) {
        call = call.header(ACCEPT, HeaderValue::from_static("*/*"));
    }
    // A call may do something; whoever wants it twice says it twice.
    Ok(call.once().patience(PATIENCE))
}

fn shown(value: &HeaderValue) -> String {
    printable(&String::from_utf8_lossy(value.as_bytes()))
}

fn as_json(answer: &Answer, invocation: &HeaderValue) -> serde_json::Value {
    let headers: Vec<_> = answer.headers.iter().map(|(name, value)| (name.as_str(), shown(value))).collect();
    let body = BASE64_STANDARD.encode(&answer.body);
    json!({
        "answer": {"status": answer.status.as_u16(), "headers": headers, "body": body},
        "error": null,
        "invocation": shown(invocation),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::Credentials;
    use crate::client::stand_in::{Reply, StandIn};

    fn arguments(given: &[&str]) -> Arguments {
        #[derive(clap::Parser)]
        struct Only {
            #[command(flatten)]
            arguments: Arguments,
        }
        <Only as clap::Parser>::parse_from([&["invoke", "--context", "c", "cart.show"], given].concat()).arguments
    }

    #[test]
    fn the_node_is_asked_once_with_all_that_the_function_gets() {
        let server = StandIn::start(|_, _| Reply::error(503, "unavailable", &json!({})));
        let given = ["--path-param", "id=a b", "--query", "q=1&2", "-H", "x-user: me", "-d", "{}"];
        let failure = call(&server.client(Credentials::None), "shop", &arguments(&given)).unwrap_err();
        assert_eq!(failure.cause(), Cause::Unavailable);
        let asked = server.asked();
        assert_eq!(
            server.lines(),
            ["POST /v1/stacks/shop/invoke/cart.show?mu-method=GET&mu-path-param=id%3Da+b&q=1%262"]
        );
        assert_eq!((asked[0].headers["x-user"].as_str(), asked[0].body.as_slice()), ("me", &b"{}"[..]));
        assert!(!asked[0].headers.contains_key("idempotency-key"));
    }

    #[test]
    fn an_answer_of_the_function_has_the_exit_codes_of_one() {
        for (status, expected) in [(200, None), (404, Some(Cause::Rejected)), (503, Some(Cause::FunctionFailed))] {
            let server = StandIn::start(move |_, _| Reply::json(status, &json!({})).with("x-mu-invocation-id", "i1"));
            let result = call(&server.client(Credentials::None), "shop", &arguments(&["-X", "POST"]));
            assert_eq!(result.err().map(|failure| failure.cause()), expected);
            assert_eq!(server.lines(), ["POST /v1/stacks/shop/invoke/cart.show"]);
        }
        let server = StandIn::start(|_, _| Reply::error(404, "unknown_stack", &json!({})));
        let refused = call(&server.client(Credentials::None), "shop", &arguments(&[])).unwrap_err();
        assert_eq!(refused.cause(), Cause::NotFound);
    }

    #[test]
    fn credentials_are_not_for_functions() {
        let refused = question("shop", &arguments(&["-H", "Authorization: Bearer x"]), b"").unwrap_err();
        assert!(refused.message().contains("`Authorization`"), "{}", refused.message());
    }
}
