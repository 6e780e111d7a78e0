//! The `fn` command line against a node: `tests/data/fn_cli.json` has what it sends and what is answered.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use super::super::world::{OPERATOR, Who, World};
use crate::access::{NodeRights, Role, TokenScope, TokenStacks};

const RECORDED: &str = include_str!("../../../../tests/data/fn_cli.json");

#[derive(Deserialize)]
struct Recorded {
    headers: BTreeMap<String, String>,
    commands: Vec<Command>,
}

#[derive(Deserialize)]
struct Command {
    command: String,
    requests: Vec<Exchange>,
}

#[derive(Deserialize)]
struct Exchange {
    /// Method and path.
    request: String,
    /// Whether the client sends its token, which it does not for everything.
    #[serde(default = "yes")]
    token: bool,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    body: Option<Value>,
    text: Option<String>,
    status: u16,
    #[serde(default)]
    answer: Value,
    /// Names by which later requests know parts of the answer.
    #[serde(default)]
    keep: BTreeMap<String, String>,
}

fn yes() -> bool {
    true
}

#[tokio::test(start_paused = true)]
async fn the_command_line_works() {
    let recorded: Recorded = serde_json::from_str(RECORDED).unwrap();
    let world = World::new().await;
    let scope = TokenScope { stacks: TokenStacks::All, role: Role::Admin, node: NodeRights::Passed };
    let (token, mut kept) = (world.token(OPERATOR, scope).await, BTreeMap::new());
    for Command { command, requests } in recorded.commands {
        for exchange in requests {
            let request = filled(&exchange.request, &kept);
            let (method, path) = request.split_once(' ').unwrap();
            let mut headers: Vec<(&str, &str)> = Vec::new();
            headers.extend(recorded.headers.iter().chain(&exchange.headers).map(|(name, value)| (&**name, &**value)));
            let mut body = exchange.text.unwrap_or_default();
            if let Some(json) = exchange.body {
                headers.push(("content-type", "application/json"));
                body = filled(&json.to_string(), &kept);
            }
            let who = if exchange.token { &token } else { &Who::Nobody };
            let answer = world.send(who, method, path, &headers, body.into()).await;
            let (status, json) = (answer.status.as_u16(), answer.json());
            assert_eq!(status, exchange.status, "{command}: {request}: {json}");
            let expected: Value = serde_json::from_str(&filled(&exchange.answer.to_string(), &kept)).unwrap();
            assert!(agrees(&expected, &json), "{command}: {request}:\n{json:#}\nis not\n{expected:#}");
            for (name, pointer) in exchange.keep {
                kept.insert(name, json.pointer(&pointer).unwrap().as_str().unwrap().to_owned());
            }
        }
    }
}

fn filled(text: &str, kept: &BTreeMap<String, String>) -> String {
    kept.iter().fold(text.to_owned(), |text, (name, value)| text.replace(&format!("{{{name}}}"), value))
}

/// Whether an answer has all that was expected.
fn agrees(expected: &Value, actual: &Value) -> bool {
    match (expected, actual) {
        (Value::String(any), actual) if any == "*" => !actual.is_null(),
        (Value::Object(expected), Value::Object(actual)) => {
            expected.iter().all(|(name, value)| actual.get(name).is_some_and(|actual| agrees(value, actual)))
        }
        (Value::Array(expected), Value::Array(actual)) => {
            expected.len() == actual.len()
                && expected.iter().zip(actual).all(|(expected, actual)| agrees(expected, actual))
        }
        (expected, actual) => expected == actual,
    }
}
