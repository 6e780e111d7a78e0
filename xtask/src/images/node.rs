//! Node.js: Debian's, with the real FDK from npm.

use std::path::Path;
use std::process::Command;

use super::archive::Image;
use super::layer::{Compression, Layers};
use super::{debian, source, write, write_program};
use crate::failure::{Doing, Failure, Outcome};
use crate::process;

const PACKAGES: [&str; 1] = ["nodejs"];
const FDK: &str = "@fnproject/fdk@0.0.76";
/// The last one that runs on all of Debian's versions of Node.js.
const NPM: &str = "npm@10.9.4";

const QUIETLY: [&str; 4] = ["--silent", "--no-audit", "--no-fund", "--ignore-scripts"];

const NPM_PROGRAM: &str = "#!/usr/bin/node\nrequire('/usr/lib/npm/lib/cli.js')(process)\n";

pub(super) fn make(folder: &Path, layers: &Layers) -> Outcome {
    let base = layers.layer("node", &format!("{PACKAGES:?}"), Compression::Gzip, |root| {
        debian::unpack(&PACKAGES, root, &layers.empty("node-packages")?)
    })?;
    let tools = layers.layer("node-tools", &format!("{NPM} {FDK} {NPM_PROGRAM}"), Compression::Gzip, |root| {
        tools(root, &layers.empty("node-npm")?)
    })?;
    let fdk = layers.layer("node-fdk", FDK, Compression::Gzip, |root| {
        let mut install = npm("install")?;
        process::run_as_talk(install.args(["--omit=dev", "--prefix"]).arg(root.join("function")).arg(FDK))
    })?;
    let function = source("node-hello/func.js")?;
    let hello = layers
        .layer("node-hello", &function, Compression::Gzip, |root| write(&root.join("function/func.js"), &function))?;
    Image {
        name: "node-hello",
        reference: "localhost/mu/node-hello:1",
        entrypoint: &["node", "func.js"],
        directory: "/function",
        ..Image::default()
    }
    .write(folder, &[&base, &fdk, &hello])?;
    let dev = Image { name: "node", reference: "localhost/mu/node:dev", ..Image::default() };
    dev.write(folder, &[&base, &tools])
}

/// npm, and a cache of all that installing the FDK takes, so that no registry is asked.
fn tools(root: &Path, work: &Path) -> Outcome {
    process::run_as_talk(npm("pack")?.arg(NPM).current_dir(work))?;
    let packed = std::fs::read_dir(work).doing("listing the download")?.flatten().map(|entry| entry.path());
    let packed = packed.into_iter().find(|file| file.extension().is_some_and(|extension| extension == "tgz"));
    let packed = packed.ok_or_else(|| Failure::new(format!("npm brought no {NPM}")))?;
    let place = root.join("usr/lib/npm");
    std::fs::create_dir_all(&place).doing("creating the folder of npm")?;
    let mut tar = Command::new("tar");
    tar.args(["--extract", "--strip-components=1", "--file"]).arg(packed).arg("--directory").arg(&place);
    process::run_as_talk(&mut tar)?;
    write_program(&root.join("usr/bin/npm"), NPM_PROGRAM)?;

    // Any version of the FDK that a project asks for is the one that is there.
    let mut install = npm("install")?;
    install.arg("--cache").arg(root.join("npm-cache")).arg("--prefix").arg(work.join("project")).arg(FDK);
    process::run_as_talk(&mut install)?;
    let registry = process::capture(npm("config")?.args(["get", "registry"]))?;
    let configuration = format!("cache=/npm-cache\noffline=true\nregistry={registry}\nupdate-notifier=false\n");
    write(&root.join("usr/etc/npmrc"), &configuration)
}

fn npm(task: &str) -> Outcome<Command> {
    let mut command = Command::new(process::require_program("npm", "npm")?);
    command.arg(task).args(QUIETLY);
    Ok(command)
}
