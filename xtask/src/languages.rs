//! Functions in other languages than Rust: their SDKs are tested, and a project of each is made, built and called, with
//! the tools that its user would have. Rust's own template is tried elsewhere; here it is a component's turn. The tools are installed on first use, in a folder of their own.

mod tools;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use serde_json::Value;

use crate::failure::{Doing, Failure, Outcome};
use crate::{process, repository};
use tools::Tools;

/// As `mu init --lang` calls them.
const LANGUAGES: [&str; 4] = ["js", "python", "go", "c"];

/// What the handler of every template answers to its first and second caller.
const ANSWERS: [&str; 2] = ["Hello, Ada! Visit 1.", "Hello, Ada! Visit 2."];

/// Installs the tools, tests the SDKs, then makes a project in every language.
pub(crate) fn run() -> Outcome {
    let tools = Tools::install()?;
    let work = tempfile::tempdir().doing("creating a temporary folder")?;
    test_sdks(&tools, work.path())?;
    let mu = process::development_build()?.join("mu");
    println!("language  build s       bytes  first call");
    for language in LANGUAGES {
        try_language(&tools, &mu, work.path(), language)?;
    }
    try_rust_component(&tools, &mu, work.path())
}

/// Runs the tests of every SDK, against the vectors where it speaks the stdio protocol.
fn test_sdks(tools: &Tools, work: &Path) -> Outcome {
    let sdk = repository::root().join("sdk");
    process::run(tools.command("go").args(["test", "./..."]).current_dir(sdk.join("go")))?;
    process::run(tools.command("go").args(["vet", "./..."]).current_dir(sdk.join("go")))?;

    let tested = work.join("vectors_test");
    let mut compile = tools.command("python3");
    compile.args(["-m", "ziglang", "cc", "-std=gnu17", "-Wall", "-Wextra", "-Werror", "-o"]).arg(&tested);
    process::run(compile.args(["mu.c", "vectors_test.c"]).current_dir(sdk.join("c")))?;
    process::run(Command::new(tested).arg(sdk.join("vectors/abi.json")))?;

    let packages = ["install", "--no-audit", "--no-fund", "--no-package-lock"];
    process::run_as_talk(tools.command("npm").args(packages).current_dir(sdk.join("js")))?;
    process::run(tools.command("node").args(["--test", "tests"]).current_dir(sdk.join("js")))?;

    let bindings = work.join("bindings");
    let mut bind = tools.command("componentize-py");
    bind.args(["--quiet", "--wit-path"]).arg(sdk.join("wit")).args(["--world", "service", "bindings"]);
    process::run(bind.arg(&bindings))?;
    let path = std::env::join_paths([bindings, sdk.join("python")]).doing("naming the folders of Python")?;
    let mut test = tools.command("python3");
    test.env("PYTHONPATH", path).env("PYTHONDONTWRITEBYTECODE", "1");
    process::run(
        test.args(["-m", "unittest", "discover", "--start-directory", "tests"]).current_dir(sdk.join("python")),
    )
}

/// Makes a project, builds it, and calls its handler twice.
fn try_language(tools: &Tools, mu: &Path, work: &Path, language: &str) -> Outcome {
    let project = work.join(language);
    let mu = mu.to_string_lossy();
    let mut init = tools.command(&mu);
    init.arg("init").arg(&project).args(["--lang", language, "--yes", "--no-git"]);
    process::run_as_talk(&mut init)?;
    process::run_as_talk(tools.command(&mu).args(["doctor"]).arg(&project))?;

    let start = Instant::now();
    process::run_as_talk(tools.command(&mu).args(["build", "-C"]).arg(&project))?;
    let build = start.elapsed();
    let module = project.join("modules/hello.wasm");
    let bytes = std::fs::metadata(&module).doing(format_args!("looking at {}", module.display()))?.len();

    let call = |output: &str| {
        let mut invoke = tools.command(&mu);
        invoke.args(["invoke", "hello.greet", "--path-param", "name=Ada", "--output", output, "-C"]).arg(&project);
        process::capture(&mut invoke)
    };
    let start = Instant::now();
    let answer = call("body")?;
    let first = start.elapsed();
    for (answer, expected) in [(answer, ANSWERS[0]), (call("body")?, ANSWERS[1])] {
        if answer != expected {
            return Err(Failure::new(format!("the project in {language} answered `{answer}`, not `{expected}`")));
        }
    }
    let told = call("json")?;
    if !has_logged(&told, "greeting Ada") {
        return Err(Failure::new(format!("the project in {language} did not log whom it greets:\n{told}")));
    }
    println!("{language:<8} {:>8.1} {bytes:>11} {:>8.1} s", build.as_secs_f64(), first.as_secs_f64());
    Ok(())
}

/// A function in Rust that is a component: `mu build` makes it with the target of modules.
const COMPONENT: [(&str, &str); 3] = [
    (
        "mu.yaml",
        "name: component\nversion: 0.1.0\nservices:\n  - type: Function\n    name: hello\n    runtime: wasi-http\n    \
         lang: rust\n    source: hello\n  - type: Gateway\n    name: api\n    endpoints:\n      \
         /{rest...}: {any: hello.handle}\n",
    ),
    (
        "hello/Cargo.toml",
        "[package]\nname = \"hello\"\nversion = \"0.1.0\"\nedition = \"2024\"\n\n[lib]\n\
         crate-type = [\"cdylib\"]\n\n[dependencies]\nwasip2 = \"1\"\n",
    ),
    ("hello/src/lib.rs", include_str!("../../guests/components/minimal/src/lib.rs")),
];

fn try_rust_component(tools: &Tools, mu: &Path, work: &Path) -> Outcome {
    let project = work.join("rust-component");
    for (name, text) in COMPONENT {
        let path = project.join(name);
        let folder = path.parent().unwrap_or(&project);
        std::fs::create_dir_all(folder).doing(format_args!("creating {}", folder.display()))?;
        std::fs::write(&path, text).doing(format_args!("writing {}", path.display()))?;
    }
    let mu = mu.to_string_lossy();
    process::run_as_talk(tools.command(&mu).args(["build", "-C"]).arg(&project))?;
    let mut invoke = tools.command(&mu);
    invoke.args(["invoke", "hello.handle", "--output", "body", "-C"]).arg(&project);
    match process::capture(&mut invoke)?.as_str() {
        "hello" => Ok(()),
        other => Err(Failure::new(format!("the component in Rust answered `{other}`, not `hello`"))),
    }
}

/// Whether the JSON that `mu invoke` prints has this line in the function's log.
fn has_logged(told: &str, line: &str) -> bool {
    let told: Value = serde_json::from_str(told).unwrap_or_default();
    told["logs"].as_array().is_some_and(|lines| lines.iter().any(|logged| logged["message"] == line))
}

/// A program's folder goes before the others.
fn path_with(folder: &Path) -> Outcome<std::ffi::OsString> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders: Vec<PathBuf> = std::iter::once(folder.to_owned()).chain(std::env::split_paths(&path)).collect();
    std::env::join_paths(folders).doing("adding a folder to PATH")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_looked_for_in_the_log() {
        for (told, has_it) in [
            (r#"{"logs":[{"message":"first"},{"level":"info","message":"greeting Ada"}]}"#, true),
            (r#"{"logs":[{"message":"greeting Ada Lovelace"}]}"#, false),
            (r#"{"logs":[]}"#, false),
            ("greeting Ada", false),
        ] {
            assert_eq!(has_logged(told, "greeting Ada"), has_it, "{told}");
        }
    }
}
