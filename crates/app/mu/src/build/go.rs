//! `lang: go`: a module of Go becomes a module of WebAssembly.

use std::path::PathBuf;

use mu_stack::Language;

use crate::build::source::Source;
use crate::build::tool::Tool;
use crate::failure::Failure;
use crate::terminal::Progress;

/// Builds the function and answers with the path of what was built.
pub(crate) fn build(source: &Source<'_>, progress: &Progress) -> Result<PathBuf, Failure> {
    source.manifest("go.mod", Language::Go)?;
    let go = Tool::Go.find(&[source.folder, source.root]).map_err(|missing| source.lacks(&missing))?;
    let output = source.output(Language::Go)?;
    let mut command = go.command();
    command.env("GOOS", "wasip1").env("GOARCH", "wasm");
    // Without symbols, paths and the state of the repository, so that the same sources make the same module.
    command.args(["build", "-trimpath", "-buildvcs=false", "-ldflags=-s -w", "-o"]).arg(&output).arg(".");
    source.run("go build", &mut command, progress)?;
    Ok(output)
}
