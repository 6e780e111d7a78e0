//! `mu invoke`: one call of one handler, against the project's data.

mod at_node;
mod message;
mod perform;
mod remote;

use std::fs;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use clap::{Args, ValueEnum};
use http::header::CONTENT_TYPE;
use mu_runtime::EgressPolicy;
use mu_stack::{HandlerRef, Manifest, Method};
use serde_json::json;

use crate::build::{self, BuilderArgs, Options, Tell};
use crate::context::ContextName;
use crate::failure::{Cause, Failure};
pub(crate) use crate::invoke::message::{DOCUMENT_BYTES_MAX, Question, Reply, SOCKET_FILE};
pub(crate) use crate::invoke::perform::perform;
use crate::local_node;
use crate::project::{self, Project, find_func};
use crate::report::Tap;
use crate::run::{OVERRIDE_PREFIX, Version, overrides};
use crate::terminal::{self, BOLD, YELLOW};

/// Call one handler and print its answer
///
/// The body goes to standard output; the status, the headers, the function's log and what the call used go to standard
/// error. When `mu run` serves the project, the call runs there, on what is served; otherwise the project is built and
/// the call runs on the data that `mu run` would use. Variables MU_FN_NAME of the shell count only when no `mu run`
/// serves the project: it has its own. With --context, a stack that is deployed on a node is called instead. Exits with 6
/// when the status is 400 to 499, and with 7 when it is 500 or more or the function failed.
#[derive(Args, Debug)]
pub(crate) struct Arguments {
    /// What to call: FUNCTION.HANDLER
    handler: HandlerRef,
    /// The request's method
    #[arg(long, short = 'X', default_value = "GET", value_parser = method)]
    method: Method,
    /// A parameter of the path; may be repeated
    #[arg(long, value_name = "NAME=VALUE", value_parser = pair::<'='>)]
    path_param: Vec<(String, String)>,
    /// A parameter of the query; may be repeated
    #[arg(long, value_name = "NAME=VALUE", value_parser = pair::<'='>)]
    query: Vec<(String, String)>,
    /// A header; may be repeated
    #[arg(long, short = 'H', value_name = "NAME: VALUE", value_parser = pair::<':'>)]
    header: Vec<(String, String)>,
    /// The body: a text, @FILE for a file's contents, or - for standard input
    #[arg(long, short, value_name = "DATA")]
    data: Option<String>,
    /// The project: a directory with mu.yaml, app.yaml or func.yaml, or one below it
    #[arg(long, short = 'C', value_name = "DIR", default_value = ".")]
    dir: PathBuf,
    /// Where tables and boxes are kept [default: .mu/data in the project]
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Let the function send HTTP requests to this machine and to private networks, when `mu run` does not decide it
    #[arg(long)]
    allow_private_network: bool,
    #[command(flatten)]
    builder: BuilderArgs,
    /// Call what is deployed on a node: the name of a context
    #[arg(long, value_name = "NAME", conflicts_with_all = ["dir", "data_dir", "allow_private_network", "builder"])]
    context: Option<ContextName>,
    /// Which stack of the node: its name or id [default: the name in mu.yaml here or above]
    #[arg(long, short, requires = "context")]
    stack: Option<String>,
    /// What to print on standard output
    #[arg(long, value_enum, default_value_t = Output::Body)]
    output: Output,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Output {
    /// The answer's body
    Body,
    /// One JSON object: the answer, the log and what the call used
    Json,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    if arguments.context.is_some() {
        return at_node::run(arguments);
    }
    let project = Project::find(&arguments.dir)?;
    let manifest = project.load()?;
    check_function(&manifest, &arguments.handler)?;
    let (mut question, overrides) = (arguments.question(&manifest)?, overrides()?);
    question.headers.extend(content_type(&project, &manifest, arguments)?);
    let data_dir = project.data_dir(arguments.data_dir.as_deref());
    let reply = match remote::ask(&data_dir, &question)? {
        Some(reply) => {
            if let Some(ignored) = ignored(overrides.keys()) {
                terminal::say(ignored);
            }
            reply
        }
        None => {
            let egress = local_node::egress(arguments.allow_private_network);
            let options = Options::of(Tell::Built).with(arguments.builder);
            let version = Version::build(&project, &manifest, options)?;
            call_here(&project, version, &data_dir, egress, question)?
        }
    };
    show(&reply, arguments.output)
}

impl Arguments {
    fn question(&self, manifest: &Manifest) -> Result<Question, Failure> {
        Ok(Question {
            stack: project::stack_id(manifest).to_string(),
            handler: self.handler.to_string(),
            method: self.method.as_str().to_owned(),
            path_params: self.path_param.clone(),
            query: self.query.clone(),
            headers: self.header.clone(),
            body: BASE64_STANDARD.encode(body(self.data.as_deref())?),
        })
    }
}

/// The bytes that `--data` stands for.
fn body(data: Option<&str>) -> Result<Vec<u8>, Failure> {
    let failed = |what: &str, e: &io::Error| Failure::from_error(Cause::Failed, format!("reading {what}"), e);
    match data {
        None => Ok(Vec::new()),
        Some("-") => {
            let mut bytes = Vec::new();
            io::stdin().read_to_end(&mut bytes).map_err(|e| failed("standard input", &e))?;
            Ok(bytes)
        }
        Some(data) => match data.strip_prefix('@') {
            Some(path) => fs::read(path).map_err(|e| failed(path, &e)),
            None => Ok(data.as_bytes().to_vec()),
        },
    }
}

/// The warning that `overrides` had no effect on a call in a `mu run`; `None` without any.
fn ignored<'a>(overrides: impl Iterator<Item = &'a String>) -> Option<String> {
    let names: Vec<_> = overrides.map(|name| format!("{OVERRIDE_PREFIX}{name}")).collect();
    let names = Some(names.join(", ")).filter(|names| !names.is_empty())?;
    let why = "the call ran in the `mu run` that serves the project; set it in that one's shell, or stop it";
    Some(format!("{YELLOW}warning{YELLOW:#}{BOLD}:{BOLD:#} {names} had no effect: {why}"))
}

/// The header that a func file wants its function to be called with, unless the command line says otherwise.
fn content_type(
    project: &Project,
    manifest: &Manifest,
    arguments: &Arguments,
) -> Result<Option<(String, String)>, Failure> {
    let is_given = arguments.header.iter().any(|(name, _)| name.eq_ignore_ascii_case(CONTENT_TYPE.as_str()));
    // Beside a mu.yaml, a func file only says how the image is built.
    let mut functions = manifest.functions().filter(|_| project.is_app() && !is_given);
    let Some(function) = functions.find(|function| *function.name() == arguments.handler.function) else {
        return Ok(None);
    };
    let found = find_func(&build::source_dir(project.root(), function))?;
    let content_type = found.and_then(|found| found.file.content_type);
    Ok(content_type.map(|content_type| (CONTENT_TYPE.to_string(), content_type)))
}

fn check_function(manifest: &Manifest, handler: &HandlerRef) -> Result<(), Failure> {
    if manifest.functions().any(|function| *function.name() == handler.function) {
        return Ok(());
    }
    let names: Vec<&str> = manifest.functions().map(|function| function.name().as_str()).collect();
    let hint = format!("the functions are: {}", names.join(", "));
    Err(Failure::new(Cause::Failed, format!("no function is named `{}`", handler.function)).hint(hint))
}

/// Runs the call in this process.
fn call_here(
    project: &Project,
    version: Version,
    data_dir: &Path,
    egress: EgressPolicy,
    question: Question,
) -> Result<Reply, Failure> {
    let tap = Arc::new(Tap::new(None));
    local_node::runtime()?.block_on(async {
        let node = local_node::start(project, data_dir, egress, &tap)?;
        local_node::deploy(&node, version).await?;
        let reply = perform(&node, &tap, question).await;
        node.stop().await;
        Ok(reply)
    })
}

fn show(reply: &Reply, output: Output) -> Result<(), Failure> {
    let stdout = match output {
        Output::Body => match &reply.result {
            Ok(answer) => BASE64_STANDARD.decode(&answer.body).unwrap_or_default(),
            Err(_) => Vec::new(),
        },
        Output::Json => format!("{:#}\n", as_json(reply)).into_bytes(),
    };
    if let Ok(answer) = &reply.result {
        terminal::say(answer.status.to_string());
        answer.headers.iter().for_each(|(name, value)| terminal::say(format!("{name}: {value}")));
        terminal::say("");
    }
    terminal::print(stdout).map_err(|e| Failure::from_error(Cause::Failed, "writing the answer", &e))?;
    for told in reply.receipt.iter().chain(&reply.logs) {
        terminal::say(told.text.trim_end());
    }
    match &reply.result {
        Ok(answer) if answer.status < 400 => Ok(()),
        Ok(answer) => Err(Failure::new(cause(answer.status), format!("the handler answered {}", answer.status))),
        Err(refusal) => Err(Failure::new(cause(refusal.status), refusal.message.clone())
            .hint(format!("code `{}`; the lines above are the function's log", refusal.code))),
    }
}

const fn cause(status: u16) -> Cause {
    if status < 500 { Cause::Rejected } else { Cause::FunctionFailed }
}

fn as_json(reply: &Reply) -> serde_json::Value {
    let (answer, error) = match &reply.result {
        Ok(answer) => (json!(answer), json!(null)),
        Err(refusal) => (json!(null), json!(refusal)),
    };
    let logs: Vec<_> = reply.logs.iter().map(|told| &told.json).collect();
    json!({"answer": answer, "error": error, "receipt": reply.receipt.as_ref().map(|told| &told.json), "logs": logs})
}

fn method(text: &str) -> Result<Method, mu_stack::ParseMethodError> {
    Method::from_str(&text.to_ascii_lowercase())
}

/// Reads `name=value` or `name: value`.
fn pair<const SEPARATOR: char>(text: &str) -> Result<(String, String), String> {
    match text.split_once(SEPARATOR) {
        Some((name, value)) if !name.trim().is_empty() => {
            let value = if SEPARATOR == ':' { value.trim() } else { value };
            Ok((name.trim().to_owned(), value.to_owned()))
        }
        _ => Err(format!("write a name, `{SEPARATOR}` and a value")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs() {
        let (equals, colon) = (pair::<'='>, pair::<':'>);
        let both = |name: &str, value: &str| Ok((name.to_owned(), value.to_owned()));
        assert_eq!(equals("a=b=c"), both("a", "b=c"));
        assert_eq!(equals("a="), both("a", ""));
        assert_eq!(colon("x-user-id: me:you "), both("x-user-id", "me:you"));
        assert!(equals("a").is_err());
        assert!(equals("=b").is_err());
    }

    #[test]
    fn a_func_file_says_the_type_of_what_its_function_is_called_with() {
        #[derive(clap::Parser)]
        struct Only {
            #[command(flatten)]
            arguments: Arguments,
        }
        let root = tempfile::tempdir().unwrap();
        fs::write(root.path().join("func.yaml"), "name: f\nruntime: go\ncontent_type: text/csv\n").unwrap();
        let project = Project::find(root.path()).unwrap();
        let manifest = project.load().unwrap();
        let header = |given: &[&str]| {
            let arguments = <Only as clap::Parser>::parse_from([&["invoke", "f.call"], given].concat()).arguments;
            content_type(&project, &manifest, &arguments).unwrap().map(|(_, value)| value)
        };
        assert_eq!(header(&[]).as_deref(), Some("text/csv"));
        assert_eq!(header(&["-H", "Content-Type: text/plain"]), None);
    }
}
