//! `mu login`.

use std::path::{self, PathBuf};

use clap::Args;
use http::Method;
use serde::Deserialize;
use serde_json::{Value, json};

use super::read_text;
use crate::client::{Address, BearerToken, Call, CallError, Client, Credentials, Trust};
use crate::context::{Context, ContextName, Home, Proof};
use crate::failure::{Cause, Failure};
use crate::output::view;
use crate::terminal::{self, BOLD, YELLOW, printable};

/// Longest token that is read, in bytes.
const TOKEN_BYTES_MAX: u64 = 8 * 1024;

/// Make a node known, and use it from now on
///
/// Asks the node whether it knows your identity key, which is made when there is none (`mu whoami` shows it). The first
/// operator of a new node signs in with its bootstrap token; where there is no key, in a pipeline, an API token does.
#[derive(Args, Debug)]
pub(crate) struct Arguments {
    /// Where its management API is, like http://127.0.0.1:12000
    url: String,
    /// What to call the context [default: made of the URL]
    #[arg(long, short)]
    name: Option<ContextName>,
    /// Become the first operator, with the node's bootstrap token: the file bootstrap.token in its data directory
    #[arg(long, value_name = "FILE", conflicts_with = "token_stdin")]
    bootstrap_token_file: Option<PathBuf>,
    /// Sign in with an API token, which is read from standard input
    #[arg(long)]
    token_stdin: bool,
    /// Trust the certificate authority in this PEM file, and no other, to say that it is the node; from now on as well
    #[arg(long, value_name = "FILE")]
    ca_file: Option<PathBuf>,
}

/// What a node says to everybody.
#[derive(Debug, Deserialize)]
struct NodeView {
    version: String,
    #[serde(default)]
    api: String,
    #[serde(default)]
    has_operator: bool,
}

/// Who somebody is.
#[derive(Debug, Deserialize)]
struct MeView {
    principal: String,
    #[serde(default)]
    role: Option<String>,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let (home, address) = (Home::find()?, Address::given(&arguments.url)?);
    let name = arguments.name.clone().map_or_else(|| name_of(&address), Ok)?;
    let ca_file = arguments.ca_file.as_ref().map(path::absolute).transpose();
    let ca_file = ca_file.map_err(|e| Failure::from_error(Cause::Failed, "--ca-file", &e))?;
    let anybody = Client::new(address.clone(), Credentials::None, &Trust::read(ca_file.as_deref())?);
    let node = node(&anybody)?;
    if address.is_readable_by_others() {
        let message = "the URL begins with http://, so that others on the network can read what you send";
        terminal::say(format!("{YELLOW}warning{YELLOW:#}{BOLD}:{BOLD:#} {message}"));
    }
    let (proof, token, me) = if arguments.token_stdin {
        let token = read_token(None)?;
        let me = me(&anybody.with_credentials(Credentials::Token(token.clone())))?;
        (Proof::Token, Some(token), me)
    } else {
        let key = home.identity()?;
        if let Some(file) = &arguments.bootstrap_token_file {
            become_operator(&anybody, read_token(Some(file))?, &key.client().to_string())?;
        }
        let own = key.client().to_string();
        let (proof, me) = sign_in(&anybody, Credentials::key(key), &own, &node)?;
        (proof, None, me)
    };
    let mut contexts = home.contexts()?;
    match &token {
        Some(token) => home.write_token(&name, token)?,
        None => home.remove_token(&name)?,
    }
    let context = Context { address: address.clone(), proof, principal: Some(me.principal.clone()), ca_file };
    contexts.all.insert(name.clone(), context);
    contexts.current = Some(name.clone());
    home.write_contexts(&contexts)?;
    let role = me.role.map(|role| format!(", {}", printable(&role))).unwrap_or_default();
    terminal::say(format!(
        "Signed in to {BOLD}{name}{BOLD:#} ({address}, mu {}) as {}{role}",
        printable(&node.version),
        printable(&me.principal)
    ));
    Ok(())
}

/// Looks whether there is a node, and one that this mu can talk to.
fn node(anybody: &Client) -> Result<NodeView, Failure> {
    let answer: Value = anybody.get("/v1/node").map_err(|error| match &error {
        CallError::Refused(_) | CallError::NotUnderstood { .. } => Failure::from(error)
            .hint("is this the URL of the management API? `mu serve` prints it; functions are served at another one"),
        _ => Failure::from(error),
    })?;
    let node: NodeView = view(&answer)?;
    if !matches!(node.api.as_str(), "" | "v1") {
        let message = format!("the node speaks version {} of the API, and this mu speaks v1", printable(&node.api));
        return Err(Failure::new(Cause::Failed, message).hint(format!("use mu {}", printable(&node.version))));
    }
    Ok(node)
}

/// Signs in with the key, or, at a node that lets everybody on its machine in, as nobody in particular.
fn sign_in(anybody: &Client, key: Credentials, own: &str, node: &NodeView) -> Result<(Proof, MeView), Failure> {
    let refused = match me(&anybody.with_credentials(key)) {
        Ok(me) => return Ok((Proof::Key, me)),
        Err(error) => error,
    };
    if refused.refusal().is_none_or(|refusal| refusal.status != 403) {
        return Err(refused.into());
    }
    if let Ok(nobody) = me(anybody)
        && nobody.role.is_some()
    {
        terminal::say("The node lets everybody on its machine in, so that requests need no signature");
        return Ok((Proof::Nothing, nobody));
    }
    let failure = Failure::new(Cause::Unauthenticated, format!("the node does not know your key, {own}"));
    Err(if node.has_operator {
        failure.hint(format!("ask one of its operators to run `mu member set {own} member`, and sign in again"))
    } else {
        failure.hint("it has no operator yet: `--bootstrap-token-file` takes bootstrap.token of its data directory")
    })
}

fn me(client: &Client) -> Result<MeView, CallError> {
    client.ask(&Call::get("/v1/me"))
}

/// Makes the owner of a key the node's first operator.
fn become_operator(anybody: &Client, token: BearerToken, key: &str) -> Result<(), Failure> {
    let call = Call::order(Method::POST, "/v1/node/operator", &json!({"principal": key})).once();
    anybody.with_credentials(Credentials::Token(token)).tell(&call).map_err(|error| {
        let refusal = error.refusal().map(|refusal| refusal.status);
        let failure = Failure::from(error);
        match refusal {
            Some(401 | 409) => failure.hint("once a node has an operator, `mu login URL` alone signs in"),
            _ => failure,
        }
    })
}

fn read_token(from: Option<&PathBuf>) -> Result<BearerToken, Failure> {
    let bytes = read_text(from.map(PathBuf::as_path), TOKEN_BYTES_MAX)?;
    let what = from.map_or_else(|| "standard input".to_owned(), |path| path.display().to_string());
    let text = String::from_utf8_lossy(&bytes).into_owned();
    BearerToken::parse(&text).map_err(|e| Failure::from_error(Cause::Failed, what, &e))
}

/// What the context of a node is called unless somebody says otherwise.
fn name_of(address: &Address) -> Result<ContextName, Failure> {
    let name = if address.is_loopback() { "local".to_owned() } else { address.host().replace(':', "-") };
    name.parse()
        .map_err(|e| Failure::from_error(Cause::Failed, format!("`{name}`"), &e).hint("--name says what to call it"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::stand_in::{Asked, Reply, StandIn};

    fn node_of(has_operator: bool) -> NodeView {
        NodeView { version: "0.1.0".to_owned(), api: "v1".to_owned(), has_operator }
    }

    fn signed(asked: &Asked) -> bool {
        asked.headers.contains_key("signature")
    }

    fn sign_in_at(server: &StandIn, has_operator: bool) -> Result<(Proof, MeView), Failure> {
        let key = mu_control::access::SecretKey::from_seed(&[1; 32]);
        let anybody = server.client(Credentials::None);
        sign_in(&anybody, Credentials::key(key), "k_mine", &node_of(has_operator))
    }

    #[test]
    fn contexts_are_called_after_their_node() {
        for (url, expected) in [
            ("http://127.0.0.1:12000", "local"),
            ("https://mu.example.com", "mu.example.com"),
            ("http://10.0.0.1:12000", "10.0.0.1"),
            ("http://[fd00::1]:12000", "fd00--1"),
        ] {
            assert_eq!(name_of(&url.parse().unwrap()).unwrap().as_str(), expected);
        }
    }

    #[test]
    fn a_key_that_the_node_knows_is_enough() {
        let server = StandIn::start(|_, _| {
            Reply::json(200, &json!({"principal": "k_mine", "role": "member", "how": "signature"}))
        });
        let (proof, me) = sign_in_at(&server, true).unwrap();
        assert_eq!((proof, me.principal.as_str(), me.role.as_deref()), (Proof::Key, "k_mine", Some("member")));
        assert!(signed(&server.asked()[0]));
    }

    #[test]
    fn a_key_that_the_node_does_not_know_is_told_to_be_added() {
        for (has_operator, hint) in [(true, "mu member set k_mine member"), (false, "--bootstrap-token-file")] {
            let server = StandIn::start(|_, asked| match signed(asked) {
                true => Reply::error(403, "denied", &json!({})),
                false => Reply::error(401, "unauthenticated", &json!({})),
            });
            let failure = sign_in_at(&server, has_operator).unwrap_err();
            assert_eq!(failure.cause(), Cause::Unauthenticated);
            assert!(failure.render().contains(hint), "{}", failure.render());
        }
    }

    #[test]
    fn a_node_that_lets_everybody_in_needs_no_key() {
        let server = StandIn::start(|_, asked| match signed(asked) {
            true => Reply::error(403, "denied", &json!({})),
            false => Reply::json(200, &json!({"principal": "anonymous", "role": "operator"})),
        });
        assert_eq!(sign_in_at(&server, true).unwrap().0, Proof::Nothing);
    }

    #[test]
    fn the_bootstrap_token_makes_the_key_an_operator() {
        let server = StandIn::start(|number, _| match number {
            0 => Reply::json(201, &json!({"principal": "k_mine"})),
            _ => Reply::error(401, "unauthenticated", &json!({})),
        });
        let token = BearerToken::parse("mub_once").unwrap();
        become_operator(&server.client(Credentials::None), token.clone(), "k_mine").unwrap();
        let asked = &server.asked()[0];
        assert_eq!((asked.line().as_str(), asked.json()), ("POST /v1/node/operator", json!({"principal": "k_mine"})));
        assert_eq!(asked.headers["authorization"], "Bearer mub_once");
        let failure = become_operator(&server.client(Credentials::None), token, "k_mine").unwrap_err();
        assert!(failure.render().contains("mu login URL") && !failure.render().contains("mub_once"));
    }
}
