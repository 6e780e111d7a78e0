//! Projects in every language: made by `mu init`, and built with stand-ins for the languages' tools. `cargo xtask
//! languages` does it with the real ones.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use crate::support::{Project, mu, output};

/// A language, a file of its template, and one of its SDK.
const LANGUAGES: [(&str, &str, &str); 5] = [
    ("rust", "functions/hello/Cargo.toml", "mu-sdk/Cargo.toml"),
    ("js", "functions/hello/package.json", "js/componentize.js"),
    ("python", "functions/hello/main.py", "python/mu/__init__.py"),
    ("go", "functions/hello/go.mod", "go/serve.go"),
    ("c", "functions/hello/main.c", "c/mu.h"),
];

/// A new project in this language.
fn project_in(language: &str) -> Project {
    let project = Project::empty();
    let made = output(project.path(), &["init", ".", "--name", "my-stack", "--lang", language, "--no-git"]);
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    project
}

/// Puts a program into the project's virtual environment.
fn stand_in(project: &Project, name: &str, script: &str) {
    let path = format!(".venv/bin/{name}");
    project.write(&path, format!("#!/bin/sh\n{script}\n"));
    fs::set_permissions(project.path().join(path), fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn every_language_has_its_template_and_its_sdk() {
    for (language, source, sdk) in LANGUAGES {
        let project = project_in(language);
        assert!(project.path().join(source).is_file(), "{language}");
        let manifest = project.read("mu.yaml");
        assert!(manifest.contains("name: my-stack") && manifest.contains(&format!("lang: {language}")), "{manifest}");
        for (other, _, path) in LANGUAGES {
            assert_eq!(project.path().join(".mu/sdk").join(path).is_file(), path == sdk, "{other} in {language}");
        }
        assert!(project.read(".gitignore").contains("node_modules/"), "{language}");
    }
}

#[test]
fn a_missing_tool_is_named_by_the_build_and_by_the_doctor() {
    for (language, what, tool, remedy) in [
        ("js", "Node.js is not installed", "node", "https://nodejs.org"),
        ("python", "componentize-py is not installed", "componentize-py", "pip install componentize-py"),
        ("go", "Go is not installed", "go", "https://go.dev"),
        ("c", "zig, the compiler of C, is not installed", "zig", "pip install ziglang"),
    ] {
        let project = project_in(language);
        let without_tools = |arguments: &[&str]| {
            let mut command = mu(project.path(), arguments);
            command.env("PATH", project.path()).env_remove("VIRTUAL_ENV").output().unwrap()
        };
        let built = without_tools(&["build"]);
        let said = String::from_utf8_lossy(&built.stderr).into_owned();
        assert_eq!(built.status.code(), Some(4), "{said}");
        assert!(said.contains(&format!("building function `hello`: {what}")), "{said}");
        assert!(said.contains("hint: ") && said.contains(remedy) && said.contains("mu doctor"), "{said}");

        let examined = without_tools(&["doctor"]);
        let told = String::from_utf8_lossy(&examined.stdout).into_owned();
        assert_eq!(examined.status.code(), Some(1), "{told}");
        assert!(told.lines().any(|line| line.starts_with("missing") && line.contains(tool)), "{told}");
        assert!(told.contains(remedy), "{told}");
        assert!(!told.contains("cargo"), "{language} needs no cargo: {told}");
    }
}

/// A tool that writes its arguments and some of its environment into the file that it is asked to make.
const TELLING: &str = r#"
case "$1" in version|--version) echo 1.0; exit;; esac
out=
for word; do test "$before" = "-o" -o "$before" = "--output" && out=$word; before=$word; done
echo "GOOS=$GOOS GOARCH=$GOARCH" "$@" > "$out"
"#;

#[test]
fn tools_are_called_with_the_sources_and_the_sdk() {
    for (language, tool, expected) in [
        (
            "go",
            "go",
            "GOOS=wasip1 GOARCH=wasm build -trimpath -buildvcs=false -ldflags=-s -w -o ROOT/.mu/target/go/hello.wasm .\n",
        ),
        (
            "c",
            "zig",
            "GOOS= GOARCH= cc -target wasm32-wasi -std=c17 -Os -s -Wall -Wextra -Wl,-z,stack-size=1048576 \
             -I ROOT/.mu/sdk/c ROOT/functions/hello/main.c ROOT/functions/hello/more.c ROOT/.mu/sdk/c/mu.c \
             -o ROOT/.mu/target/c/hello.wasm\n",
        ),
        (
            "python",
            "componentize-py",
            "GOOS= GOARCH= --wit-path ROOT/.mu/sdk/wit --world service componentize \
             --python-path ROOT/functions/hello --python-path ROOT/.mu/sdk/python \
             --output ROOT/.mu/target/python/hello.wasm main\n",
        ),
    ] {
        let project = project_in(language);
        if language == "c" {
            project.write("functions/hello/more.c", "");
        }
        stand_in(&project, tool, TELLING);
        let built = output(project.path(), &["build"]);
        assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
        let root = project.path().canonicalize().unwrap();
        let told = project.read("modules/hello.wasm").replace(&root.display().to_string(), "ROOT");
        assert_eq!(told, expected);
        let again = output(project.path(), &["build"]);
        assert_eq!(String::from_utf8_lossy(&again.stderr), "hello is up to date\n", "{language}");
    }
}

#[test]
fn a_function_in_javascript_gets_its_packages_first() {
    let project = project_in("js");
    let programs = project.path().join("programs");
    let program = |name: &str, script: &str| {
        project.write(&format!("programs/{name}"), format!("#!/bin/sh\n{script}\n"));
        fs::set_permissions(programs.join(name), fs::Permissions::from_mode(0o755)).unwrap();
    };
    program("node", r#"echo component > "$3"; echo "$2" > entry"#);
    program("npm", "mkdir -p node_modules/mu-sdk && touch node_modules/mu-sdk/componentize.js");
    let build = || {
        let path = std::env::join_paths([programs.as_path(), Path::new("/usr/bin"), Path::new("/bin")]).unwrap();
        let built = mu(project.path(), &["build", "--force"]).env("PATH", path).output().unwrap();
        (built.status.code(), String::from_utf8_lossy(&built.stderr).into_owned())
    };
    let (code, said) = build();
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("Installing the packages of hello (npm install)"), "{said}");
    assert_eq!(project.read("modules/hello.wasm"), "component\n");
    assert!(project.read("functions/hello/entry").ends_with("functions/hello/main.js\n"));

    program("npm", "echo it is offline >&2; exit 1");
    let (code, said) = build();
    assert_eq!(code, Some(4), "an installation without a record is done again: {said}");
    assert!(said.contains("npm install failed") && said.contains("it is offline"), "{said}");
    project.write("functions/hello/node_modules/.package-lock.json", "{}");
    assert_eq!(build().0, Some(0));
    fs::remove_dir_all(project.path().join("functions/hello/node_modules/mu-sdk")).unwrap();
    let (code, said) = build();
    assert!(code == Some(4) && said.contains("does not name mu-sdk"), "{said}");
}

#[test]
fn what_a_tool_says_is_shown_when_it_fails() {
    let project = project_in("go");
    stand_in(&project, "go", "echo './main.go:7:2: undefined: greet' >&2; exit 1");
    let built = output(project.path(), &["build"]);
    let said = String::from_utf8_lossy(&built.stderr).into_owned();
    assert_eq!(built.status.code(), Some(4), "{said}");
    assert!(said.contains("go build failed") && said.contains("./main.go:7:2: undefined: greet"), "{said}");
}

#[test]
fn sources_that_a_language_cannot_do_without_are_named() {
    for (language, file) in [("js", "package.json"), ("python", "main.py"), ("go", "go.mod"), ("c", "main.c")] {
        let project = project_in(language);
        project.write("functions/hello/other.txt", "");
        fs::remove_file(project.path().join("functions/hello").join(file)).unwrap();
        let built = output(project.path(), &["build"]);
        let said = String::from_utf8_lossy(&built.stderr).into_owned();
        assert!(said.contains(&format!("{file} does not exist")) && said.contains("mu init --lang"), "{said}");
    }
}
