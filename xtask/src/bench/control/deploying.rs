//! What a deploy of three functions takes beyond uploading and compiling them: all deploys but the first find both done.

use std::path::Path;

use serde_json::json;

use super::super::row::Row;
use super::super::{Options, median, project};
use super::node::same_again;
use super::{Node, millis, timed};
use crate::failure::{Doing, Outcome};

const ROUNDS: usize = 15;

pub(super) fn rows(root: &Path, binaries: &Path, options: Options) -> Outcome<Vec<Row>> {
    let work = tempfile::tempdir().doing("creating a temporary folder")?;
    let folder = work.path().join("project");
    project::three_functions(root, &folder)?;
    let node = Node::start(binaries, work.path())?;
    let token = node.become_operator()?;
    let ((), first) = timed(|| node.deploy(&folder))?;

    let mut client = node.connect(&token)?;
    let version = same_again(&mut client, project::NAME)?;
    let hashes: Vec<_> = version["artifacts"].as_object().into_iter().flat_map(|all| all.values()).collect();
    let hashes = json!({ "hashes": hashes });
    let stack = format!("/v1/stacks/{}", project::NAME);
    let (mut whole, mut asked) = (Vec::new(), Vec::new());
    for _ in 0..if options.quick { 1 } else { ROUNDS } {
        whole.push(millis(timed(|| node.deploy(&folder))?.1));
        // The same requests without a process that reads the project, makes a connection and signs.
        let ((), time) = timed(|| {
            client.get(&stack)?;
            client.order("POST", &format!("{stack}/artifacts/missing"), &hashes)?;
            client.order("POST", &format!("{stack}/versions"), &version)?;
            client.get(&stack).map(drop)
        })?;
        asked.push(millis(time));
    }
    node.stop()?;
    Ok(vec![
        Row::new("first deploy of 3 functions, upload and compiling included", "ms", millis(first)),
        Row::new("deploy of 3 functions, uploaded and compiled before", "ms", median(whole)?).goal("ours <= 300"),
        Row::new("its requests alone", "ms", median(asked)?),
    ])
}
