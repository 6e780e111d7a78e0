//! The management API against its own description: schemathesis asks a node everything that the OpenAPI document has, in
//! ways that are right and wrong. No answer may be a failure of the node, or one that the document does not describe.

use std::path::Path;
use std::process::Command;

use crate::bench::control::Node;
use crate::failure::{Doing, Outcome};
use crate::python::Environment;
use crate::{process, repository};

const PACKAGES: [&str; 1] = ["schemathesis==4.32.5"];
/// Names the folder to use instead of `schemathesis` in the cache folder.
const FOLDER_VARIABLE: &str = "MU_SCHEMATHESIS";
/// Cases made up of each operation, beside those that look at the edges of its schema.
const EXAMPLES: &str = "30";

/// What is asked.
struct Round {
    /// Where the names in paths come from.
    configuration: &'static str,
    /// Operations that are left out.
    left_out: &'static [&'static str],
}

const ROUNDS: [Round; 2] = [
    // Names are made up, or taken from answers.
    Round { configuration: "", left_out: &["--exclude-path-regex", "/follow$"] },
    // Names are of what is there, which is not to be deleted on the way.
    Round {
        configuration: "[parameters]\n\
                        \"path.stack\" = \"hello\"\n\
                        \"path.number\" = 1\n\
                        \"path.handler\" = \"hello.index\"\n\
                        \"path.name\" = \"KEY\"\n",
        left_out: &["--exclude-path-regex", "/follow$|^/v1/stacks$|^/v1/stacks/\\{stack\\}$"],
    },
];

/// Runs it against a node with a stack.
pub(crate) fn run() -> Outcome {
    let environment = Environment::install("schemathesis", FOLDER_VARIABLE, &PACKAGES)?;
    let program = environment.programs().join("schemathesis");
    let binaries = process::development_build()?;
    let work = tempfile::tempdir().doing("creating a temporary folder")?;
    let node = Node::start(&binaries, work.path())?;
    let token = node.become_operator()?;
    node.deploy(&repository::root().join("examples/hello"))?;
    for round in &ROUNDS {
        ask(&program, work.path(), &node, &token, round)?;
    }
    node.stop()
}

fn ask(program: &Path, work: &Path, node: &Node, token: &str, round: &Round) -> Outcome {
    let configuration = work.join("schemathesis.toml");
    std::fs::write(&configuration, round.configuration).doing("writing the configuration of schemathesis")?;
    let mut command = Command::new(program);
    command.arg("--config-file").arg(&configuration).arg("run");
    command.arg(format!("http://{}/v1/openapi.json", node.api()));
    command.args(["--header", &format!("Authorization: Bearer {token}")]).args(round.left_out);
    // Some rules are beyond a schema: shares add up to 100, a cursor is one that was given out. Who may ask what is tested
    // elsewhere; here, too many wrong credentials are answered 429.
    command.args(["--exclude-checks", "positive_data_acceptance,ignored_auth,missing_required_header"]);
    command.args(["--max-examples", EXAMPLES, "--generation-deterministic"]);
    command.args(["--request-timeout", "60", "--warnings", "off", "--no-color"]);
    process::run(command.current_dir(work))
}
