//! `lang: python`: a folder with `main.py` becomes a component.

use std::path::PathBuf;

use mu_stack::Language;

use crate::build::source::Source;
use crate::build::tool::Tool;
use crate::failure::Failure;
use crate::terminal::Progress;

/// The world of `sdk/wit` that the SDK is written for.
const WORLD: &str = "service";

/// Builds the function and answers with the path of what was built.
pub(crate) fn build(source: &Source<'_>, progress: &Progress) -> Result<PathBuf, Failure> {
    source.required("main.py", Language::Python)?;
    let tool = Tool::ComponentizePy.find(&[source.folder, source.root]).map_err(|missing| source.lacks(&missing))?;
    let sdk = source.materialise_sdk(Language::Python)?;
    let output = source.output(Language::Python)?;
    let mut command = tool.command();
    command.arg("--wit-path").arg(sdk.join("wit")).args(["--world", WORLD, "componentize"]);
    command.arg("--python-path").arg(source.folder).arg("--python-path").arg(sdk.join("python"));
    source.run("componentize-py", command.arg("--output").arg(&output).arg("main"), progress)?;
    Ok(output)
}
