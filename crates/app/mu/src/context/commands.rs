//! `mu context`.

use clap::{Args, Subcommand};
use serde::Deserialize;
use serde_json::{Value, json};

use super::target::TargetProof;
use super::{Context, ContextName, Contexts, Home, Proof, Surroundings, Target};
use crate::client::Address;
use crate::failure::{Cause, Failure};
use crate::output::{OutputArgs, or_dash};
use crate::terminal::{self, BOLD};

/// Choose between the nodes that you work with
///
/// A context is a node's URL and what says to it who you are. They are kept in mu/contexts.yaml in XDG_CONFIG_HOME or
/// ~/.config; tokens are in files of their own. `mu login` makes a context and checks it.
#[derive(Args, Debug)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// Add a node without asking it
    ///
    /// Requests are signed with your identity key; `mu login` adds one with a token, or with a certificate authority.
    Add {
        /// What to call it
        name: ContextName,
        /// Where its management API is, like http://127.0.0.1:12000
        url: String,
    },
    /// Use another node from now on
    Use { name: ContextName },
    /// List the nodes you know
    List {
        #[command(flatten)]
        output: OutputArgs,
    },
    /// Show a context, or the one in use
    Show {
        name: Option<ContextName>,
        #[command(flatten)]
        output: OutputArgs,
    },
    /// Forget a node, and the token for it
    Remove { name: ContextName },
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let home = Home::find()?;
    match &arguments.command {
        Command::Add { name, url } => {
            let context = Context { address: Address::given(url)?, proof: Proof::Key, principal: None, ca_file: None };
            add(&home, name, context)
        }
        Command::Use { name } => {
            let mut contexts = home.contexts()?;
            find(&contexts, name)?;
            contexts.current = Some(name.clone());
            home.write_contexts(&contexts)?;
            terminal::say(format!("Using {BOLD}{name}{BOLD:#}"));
            Ok(())
        }
        Command::List { output } => list(&home.contexts()?, *output),
        Command::Show { name, output } => show(&home, name.as_ref(), *output),
        Command::Remove { name } => {
            let mut contexts = home.contexts()?;
            find(&contexts, name)?;
            contexts.all.remove(name);
            contexts.current.take_if(|current| current == name);
            home.write_contexts(&contexts)?;
            home.remove_token(name)
        }
    }
}

/// Adds a context, which is used if none is. One of the same name is not replaced.
fn add(home: &Home, name: &ContextName, context: Context) -> Result<(), Failure> {
    let mut contexts = home.contexts()?;
    if contexts.all.contains_key(name) {
        return Err(Failure::new(Cause::Conflict, format!("a context is named `{name}` already"))
            .hint(format!("`mu context remove {name}` forgets it; `mu login URL --name {name}` replaces it")));
    }
    contexts.all.insert(name.clone(), context);
    contexts.current.get_or_insert_with(|| name.clone());
    home.write_contexts(&contexts)
}

fn find<'a>(contexts: &'a Contexts, name: &ContextName) -> Result<&'a Context, Failure> {
    contexts.all.get(name).ok_or_else(|| {
        Failure::new(Cause::NotFound, format!("no context is named `{name}`"))
            .hint("`mu context list` shows which there are; `mu login URL` makes one")
    })
}

/// A context, as it is printed.
#[derive(Deserialize)]
struct Printed {
    name: String,
    url: String,
    credentials: String,
    principal: Option<String>,
    current: bool,
}

fn printed(name: &str, context: &Context, contexts: &Contexts) -> Value {
    json!({
        "name": name,
        "url": context.address.to_string(),
        "credentials": context.proof.as_str(),
        "principal": context.principal,
        "current": contexts.current.as_ref().is_some_and(|current| current.as_str() == name),
    })
}

fn list(contexts: &Contexts, output: OutputArgs) -> Result<(), Failure> {
    let all: Vec<Value> =
        contexts.all.iter().map(|(name, context)| printed(name.as_str(), context, contexts)).collect();
    output.output.list(&all, ["", "NAME", "URL", "CREDENTIALS", "PRINCIPAL"], |context: Printed| {
        let mark = if context.current { "*" } else { "" };
        [mark.to_owned(), context.name, context.url, context.credentials, or_dash(context.principal)]
    })
}

fn show(home: &Home, name: Option<&ContextName>, output: OutputArgs) -> Result<(), Failure> {
    let contexts = home.contexts()?;
    let shown = match name {
        Some(name) => printed(name.as_str(), find(&contexts, name)?, &contexts),
        None => {
            let target = Target::choose(None, &Surroundings::read()?, &contexts)?;
            match &target.context {
                Some(name) => printed(name.as_str(), find(&contexts, name)?, &contexts),
                None => {
                    let credentials = if matches!(target.proof, TargetProof::Given(_)) { "token" } else { "key" };
                    let url = target.address.to_string();
                    json!({"name": "MU_URL", "url": url, "credentials": credentials, "current": true})
                }
            }
        }
    };
    output.output.record(&shown, |context: Printed| {
        vec![
            ("name", context.name),
            ("url", context.url),
            ("credentials", context.credentials),
            ("principal", or_dash(context.principal)),
        ]
    })
}
