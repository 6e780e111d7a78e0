//! `lang: c`: the C files of a folder become a module.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use mu_stack::Language;

use crate::build::source::Source;
use crate::build::tool::Tool;
use crate::failure::Failure;
use crate::terminal::Progress;

/// How large the stack is. Left to itself, the compiler makes it 16 MiB, which every invocation would pay for.
const STACK_BYTES: u32 = 1 << 20;

/// Builds the function and answers with the path of what was built.
pub(crate) fn build(source: &Source<'_>, progress: &Progress) -> Result<PathBuf, Failure> {
    source.required("main.c", Language::C)?;
    let files =
        c_files(source.folder).map_err(|e| source.failed(format!("reading {}: {e}", source.folder.display())))?;
    let zig = Tool::Zig.find(&[source.folder, source.root]).map_err(|missing| source.lacks(&missing))?;
    let sdk = source.materialise_sdk(Language::C)?.join("c");
    let output = source.output(Language::C)?;
    let mut command = zig.command();
    command.args(["cc", "-target", "wasm32-wasi", "-std=c17", "-Os", "-s", "-Wall", "-Wextra"]);
    command.arg(format!("-Wl,-z,stack-size={STACK_BYTES}")).arg("-I").arg(&sdk);
    command.args(files).arg(sdk.join("mu.c")).arg("-o").arg(&output);
    source.run("zig cc", &mut command, progress)?;
    Ok(output)
}

/// The C files of a folder, not of those below it, in order.
fn c_files(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "c") {
            files.push(path);
        }
    }
    files.sort_unstable();
    Ok(files)
}
