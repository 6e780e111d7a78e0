//! Images of containers, for tests and benchmarks: of Debian's packages and the real FDKs, made without a registry and
//! without a builder. Each is an archive of the Open Container Initiative, with few and small layers.
//!
//! | archive | what it is |
//! |---|---|
//! | `python-hello`, `node-hello` | functions as users of Project Fn's FDKs write them |
//! | `fn-test` | a function of one static program, which misbehaves on request; the program lies beside it |
//! | `python`, `node` | what `mu build` builds functions with where there is no network: their packages are in them |
//!
//! What is made is kept with the text of what it was made from, and is made again when that changes.

mod archive;
mod debian;
mod layer;
mod node;
mod python;

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::failure::{Doing, Failure, Outcome};
use crate::{process, repository};
use archive::Image;
use layer::{Compression, Layers};

/// Names the folder of the images, to this task and to the tests, which otherwise leave containers out.
pub(crate) const FOLDER_VARIABLE: &str = "MU_TEST_IMAGES";

/// Where the sources of the functions are, below the root.
const SOURCES: &str = "guests/containers";

const FN_TEST: &str = "fn-test";
const FN_TEST_SOURCES: [&str; 4] = ["main.rs", "deeds.rs", "http.rs", "json.rs"];

/// Why they are not made, if this machine cannot run containers either.
pub(crate) fn obstacle() -> Option<&'static str> {
    (!rustix::process::geteuid().is_root()).then_some("making images and running containers takes root")
}

/// Makes an archive that has nothing of this machine and of this moment in it.
fn tar() -> Command {
    let mut tar = Command::new("tar");
    tar.args(["--create", "--format=gnu", "--sort=name", "--mtime=@0", "--owner=0", "--group=0", "--numeric-owner"]);
    tar
}

/// Makes those that are missing, and says where they are.
pub(crate) fn run() -> Outcome {
    let folder = make()?;
    println!("{}", folder.display());
    Ok(())
}

/// Makes those that are missing, and returns their folder.
pub(crate) fn make() -> Outcome<PathBuf> {
    if let Some(obstacle) = obstacle() {
        return Err(Failure::new(obstacle));
    }
    let folder = folder();
    std::fs::create_dir_all(&folder).doing(format_args!("creating {}", folder.display()))?;
    let layers = Layers::of(&folder)?;
    fn_test(&folder, &layers)?;
    python::make(&folder, &layers)?;
    node::make(&folder, &layers)?;
    Ok(folder)
}

/// Unpacks what the images of Python consist of, for whoever measures it without a container.
pub(crate) fn unpack_python_hello(root: &Path) -> Outcome {
    python::HELLO.iter().try_for_each(|name| layer::unpack(&layer::gzipped(&folder(), name), root))
}

/// Where they are, or will be.
pub(crate) fn folder() -> PathBuf {
    let named = std::env::var_os(FOLDER_VARIABLE).filter(|value| !value.is_empty());
    named.map_or_else(|| repository::cache_folder().join("images"), PathBuf::from)
}

fn fn_test(folder: &Path, layers: &Layers) -> Outcome {
    let sources = repository::root().join(SOURCES).join(FN_TEST);
    let texts: Vec<_> = FN_TEST_SOURCES.iter().map(|name| read(&sources.join(name))).collect::<Outcome<_>>()?;
    // Static, so that there is no interpreter and no library in the image. Not for this machine's own processor.
    let mut compile = Command::new("rustc");
    compile.args(["--edition", "2024", "-C", "opt-level=s", "-C", "panic=abort", "-C", "strip=symbols"]);
    compile.args(["-C", "target-feature=+crt-static"]).arg(sources.join(FN_TEST_SOURCES[0]));
    let inputs = format!("{compile:?}\n{}", texts.concat());
    let program = folder.join(FN_TEST);
    let layer = layers.layer(FN_TEST, &inputs, Compression::None, |root| {
        process::run_as_talk(compile.arg("-o").arg(&program))?;
        std::fs::copy(&program, root.join(FN_TEST)).map(drop).doing("copying the program of fn-test")
    })?;
    Image { name: FN_TEST, reference: "localhost/mu/fn-test:1", entrypoint: &["/fn-test"], ..Image::default() }
        .write(folder, &[&layer])
}

/// A source file of a function.
fn source(path: &str) -> Outcome<String> {
    read(&repository::root().join(SOURCES).join(path))
}

fn read(file: &Path) -> Outcome<String> {
    std::fs::read_to_string(file).doing(format_args!("reading {}", file.display()))
}

fn write(file: &Path, text: &str) -> Outcome {
    if let Some(folder) = file.parent() {
        std::fs::create_dir_all(folder).doing(format_args!("creating {}", folder.display()))?;
    }
    std::fs::write(file, text).doing(format_args!("writing {}", file.display()))
}

fn write_program(file: &Path, text: &str) -> Outcome {
    write(file, text)?;
    process::run_as_talk(Command::new("chmod").arg("755").arg(file))
}

/// A program of a root filesystem, run in it, without what this machine's own programs are told by variables.
fn inside(root: &Path, program: &str) -> Outcome<Command> {
    let mut command = Command::new(process::require_program("chroot", "coreutils")?);
    command.env_clear().env("PATH", "/usr/bin:/bin").env("HOME", "/tmp").arg(root).arg(program);
    Ok(command)
}
