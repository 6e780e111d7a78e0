//! Python: Debian's, with the real FDK from PyPI.

use std::path::Path;
use std::process::Command;

use super::archive::Image;
use super::layer::{Compression, Layer, Layers};
use super::{debian, inside, source, write, write_program};
use crate::failure::{Doing, Failure, Outcome};
use crate::process;

const PACKAGES: [&str; 2] = ["python3-minimal", "libpython3-stdlib"];
/// The FDK, and what of its dependencies functions need.
const FDK: [&str; 4] = ["fdk==0.1.128", "httptools==0.9.0", "iso8601==0.1.12", "pbr==7.1.3"];
const PIP: &str = "pip==26.3";

/// The layers of the hello.
pub(super) const HELLO: [&str; 3] = ["python", "python-fdk", "python-hello"];

/// Nothing can be written in a container, so that all that may be imported is compiled here; by hashes that are not looked
/// at, since the times of files do not get into a layer. That includes what Python wrote for itself when it ran before.
const COMPILE: [&str; 5] = ["-m", "compileall", "-q", "-f", "--invalidation-mode=unchecked-hash"];

const PIP_PROGRAM: &str = "#!/usr/bin/python3\n\
    import sys\n\
    from pip._internal.cli.main import main\n\
    sys.exit(main())\n";
/// Where there is no network, packages come from a folder.
const PIP_CONFIGURATION: &str = "[global]\n\
    no-index = true\n\
    find-links = /wheels\n\
    disable-pip-version-check = true\n\
    root-user-action = ignore\n";

pub(super) fn make(folder: &Path, layers: &Layers) -> Outcome {
    let base = layers.layer("python", &format!("{PACKAGES:?} {COMPILE:?}"), Compression::Gzip, |root| {
        debian::unpack(&PACKAGES, root, &layers.empty("python-packages")?)?;
        compile(root, &format!("/usr/lib/{}", version(root)?))
    })?;
    // For the very Python below.
    let below = &base.diff_id;
    let tools_inputs = format!("{below} {PIP} {FDK:?} {PIP_PROGRAM} {PIP_CONFIGURATION}");
    let tools = layers.layer("python-tools", &tools_inputs, Compression::Gzip, |root| tools(root, layers, &base))?;
    let fdk = layers.layer("python-fdk", &format!("{below} {FDK:?} {COMPILE:?}"), Compression::Gzip, |root| {
        let whole = layers.unpack("python-fdk", &[&base, &tools])?;
        let install = ["install", "--quiet", "--no-compile", "--no-deps", "--target", "/python"];
        process::run_as_talk(inside(&whole, "pip3")?.args(install).args(FDK))?;
        compile(&whole, "/python")?;
        std::fs::rename(whole.join("python"), root.join("python")).doing("moving the FDK")
    })?;
    let function = source("python-hello/func.py")?;
    let hello = layers
        .layer("python-hello", &function, Compression::Gzip, |root| write(&root.join("function/func.py"), &function))?;
    Image {
        name: "python-hello",
        reference: "localhost/mu/python-hello:1",
        entrypoint: &["/python/bin/fdk", "/function/func.py", "handler"],
        env: &["PYTHONPATH=/function:/python"],
        directory: "/function",
    }
    .write(folder, &[&base, &fdk, &hello])?;
    let dev = Image { name: "python", reference: "localhost/mu/python:dev", ..Image::default() };
    dev.write(folder, &[&base, &tools])
}

/// pip, and all that installing the FDK takes, as its users install it.
fn tools(root: &Path, layers: &Layers, base: &Layer) -> Outcome {
    let python = layers.unpack("python-tools", &[base])?;
    let version = version(&python)?;
    let number = version.trim_start_matches("python");
    let environment = layers.empty("python-environment")?;
    let host = process::require_program("python3", "python3-venv")?;
    process::run_as_talk(Command::new(host).args(["-m", "venv"]).arg(&environment))?;
    let wheels = root.join("wheels");
    let mut download = Command::new(environment.join("bin/pip"));
    download.args(["download", "--quiet", "--disable-pip-version-check", "--only-binary=:all:"]);
    // For the image's Python, not for the one that runs this.
    download.args(["--python-version", number, "--implementation", "cp", "--abi", &abi(number), "--abi", "none"]);
    for platform in ["manylinux2014", "manylinux_2_28"] {
        download.arg("--platform").arg(format!("{platform}_{}", std::env::consts::ARCH));
    }
    process::run_as_talk(download.args(["--platform", "any", "--dest"]).arg(&wheels).args(FDK).arg(PIP))?;

    let pip = format!("pip-{}-py3-none-any.whl", PIP.trim_start_matches("pip=="));
    let packages = root.join("usr/lib/python3/dist-packages");
    std::fs::create_dir_all(&packages).doing("creating the folder of pip")?;
    let mut unzip = Command::new(environment.join("bin/python"));
    process::run_as_talk(unzip.args(["-m", "zipfile", "-e"]).arg(wheels.join(pip)).arg(&packages))?;
    write_program(&root.join("usr/bin/pip3"), PIP_PROGRAM)?;
    write(&root.join("etc/pip.conf"), PIP_CONFIGURATION)
}

fn compile(root: &Path, folder: &str) -> Outcome {
    process::run_as_talk(inside(root, "python3")?.args(COMPILE).arg(folder))
}

/// The name of the image's Python: `python3.11`.
fn version(root: &Path) -> Outcome<String> {
    let program = root.join("usr/bin/python3");
    let leads_to = std::fs::read_link(&program).doing(format_args!("reading {}", program.display()))?;
    let name = leads_to.file_name().map(|name| name.to_string_lossy().into_owned());
    name.filter(|name| name.starts_with("python3.")).ok_or_else(|| Failure::new("Debian's Python has no version"))
}

/// `cp311` of `3.11`.
fn abi(number: &str) -> String {
    format!("cp{}", number.replace('.', ""))
}
