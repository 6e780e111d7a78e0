//! Commands that ask a node.

pub(crate) mod audit_log;
pub(crate) mod deploy;
pub(crate) mod domain;
pub(crate) mod grant;
pub(crate) mod login;
pub(crate) mod logs;
pub(crate) mod member;
pub(crate) mod quota;
pub(crate) mod rollout;
pub(crate) mod secret;
pub(crate) mod stack;
pub(crate) mod token;
pub(crate) mod usage;
pub(crate) mod version_number;
pub(crate) mod whoami;

use std::io::{self, Read};
use std::path::Path;

use clap::{Args, ValueEnum};
use inquire::Confirm;
use serde::{Deserialize, Serialize};

use crate::client::Client;
use crate::context::{ContextName, Home, Surroundings, Target};
use crate::failure::{Cause, Failure};
use crate::project::Project;
use crate::terminal;

/// Which node is asked.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct Remote {
    /// Which node to ask: the name of a context [default: MU_CONTEXT, or the one in use]
    #[arg(long, value_name = "NAME")]
    pub(crate) context: Option<ContextName>,
}

/// Which stack of which node is meant.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct OnStack {
    /// Which stack: its name or id [default: the name in mu.yaml here or above]
    #[arg(long, short)]
    pub(crate) stack: Option<String>,
    #[command(flatten)]
    pub(crate) remote: Remote,
}

/// A role on a stack; each may do what those before it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Role {
    /// Reads everything but the values of secrets
    Viewer,
    /// Also calls functions
    Invoker,
    /// Also deploys, routes, and sets secrets and configuration
    Developer,
    /// Also gives roles, claims domains and deletes the stack
    Admin,
}

/// Whether something that cannot be undone is asked about.
#[derive(Args, Clone, Copy, Debug)]
pub(crate) struct Certainty {
    /// Ask nothing
    #[arg(long, short)]
    yes: bool,
}

impl Remote {
    /// What asks the node.
    pub(crate) fn connect(&self) -> Result<Client, Failure> {
        let home = Home::find()?;
        Target::choose(self.context.as_ref(), &Surroundings::read()?, &home.contexts()?)?.client(&home)
    }
}

impl OnStack {
    /// What asks the node, and the stack that it is asked about.
    pub(crate) fn connect(&self) -> Result<(Client, String), Failure> {
        let stack = self.stack()?;
        Ok((self.remote.connect()?, stack))
    }

    fn stack(&self) -> Result<String, Failure> {
        if let Some(stack) = &self.stack {
            return Ok(stack.clone());
        }
        let project = Project::find(Path::new("."))
            .map_err(|failure| failure.hint("`--stack NAME` names a stack; or go to the directory of a project"))?;
        Ok(project.load()?.name().to_string())
    }
}

impl Certainty {
    /// Asks whether to go on, unless that is said already.
    pub(crate) fn confirm(self, question: &str) -> Result<(), Failure> {
        if self.yes {
            return Ok(());
        }
        if !terminal::is_interactive() {
            return Err(Failure::new(Cause::Failed, format!("{question} Nobody is there to be asked"))
                .hint("--yes says that you are sure"));
        }
        match Confirm::new(question).with_default(false).prompt() {
            Ok(true) => Ok(()),
            _ => Err(Failure::new(Cause::Failed, "nothing was done")),
        }
    }
}

/// Reads a small text of others from a file, or from standard input.
fn read_text(from: Option<&Path>, bytes_max: u64) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    let (what, read) = match from {
        Some(path) => (path.display().to_string(), read_within(std::fs::File::open(path), bytes_max, &mut bytes)),
        None => ("standard input".to_owned(), read_within(Ok(io::stdin().lock()), bytes_max, &mut bytes)),
    };
    read.map_err(|e| Failure::from_error(Cause::Failed, format!("reading {what}"), &e))?;
    if bytes.len() as u64 > bytes_max {
        return Err(Failure::new(Cause::Failed, format!("{what} has more than {bytes_max} bytes")));
    }
    Ok(bytes)
}

fn read_within(source: io::Result<impl Read>, bytes_max: u64, into: &mut Vec<u8>) -> io::Result<usize> {
    source?.take(bytes_max + 1).read_to_end(into)
}
