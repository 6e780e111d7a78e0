//! Root filesystems of Debian's packages, which are unpacked and not installed: no script of theirs runs.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::failure::{Doing, Failure, Outcome};
use crate::process;

/// Others depend on them to be installed, and need them no more afterwards.
const ONLY_TO_INSTALL: [&str; 4] = ["debconf", "dpkg", "perl-base", "tar"];

/// What nobody reads in a container.
const LEFT_OUT: [&str; 8] = [
    "./usr/include",
    "./usr/share/doc",
    "./usr/share/info",
    "./usr/share/lintian",
    "./usr/share/locale",
    "./usr/share/man",
    "*/gconv",
    "*/perl-base",
];

/// Where packages expect links, since all programs and libraries moved to `/usr`.
const MOVED: [&str; 4] = ["bin", "lib", "lib64", "sbin"];

/// The commands that the instructions of a build use, all of them from one small static program.
const COMMANDS: [&str; 12] = ["cat", "chmod", "cp", "env", "id", "ln", "ls", "mkdir", "mv", "rm", "sh", "sleep"];

/// Makes a root filesystem of packages, with all that they depend on.
pub(super) fn unpack(packages: &[&str], root: &Path, work: &Path) -> Outcome {
    for folder in MOVED {
        std::fs::create_dir_all(root.join("usr").join(folder)).doing("creating a root filesystem")?;
        let link = root.join(folder);
        std::os::unix::fs::symlink(format!("usr/{folder}"), link).doing("creating a root filesystem")?;
    }
    for folder in ["dev", "etc", "proc", "run", "sys", "tmp"] {
        std::fs::create_dir_all(root.join(folder)).doing("creating a root filesystem")?;
    }
    for package in download(&[packages, &["busybox-static"]].concat(), work)? {
        extract(&package, root)?;
    }
    for command in COMMANDS {
        std::os::unix::fs::symlink("busybox", root.join("usr/bin").join(command)).doing("linking a command")?;
    }
    super::write(&root.join("etc/passwd"), "root:x:0:0::/:/bin/sh\nfn:x:1000:1000::/tmp:/bin/sh\n")?;
    super::write(&root.join("etc/group"), "root:x:0:\nfn:x:1000:\n")
}

/// Asks apt for what is missing where nothing is installed, and has it downloaded.
fn download(packages: &[&str], work: &Path) -> Outcome<Vec<PathBuf>> {
    let (archives, status) = (work.join("archives"), work.join("status"));
    std::fs::create_dir_all(archives.join("partial")).doing("creating the download folder")?;
    super::write(&status, "")?;
    let options = [
        ("Dir::State::status", status.as_path()),
        ("Dir::State::extended_states", &work.join("extended_states")),
        ("Dir::Cache", work),
        ("Dir::Cache::archives", &archives),
    ];
    let mut command = Command::new(process::require_program("apt-get", "apt")?);
    for (option, value) in options {
        command.arg("-o").arg(format!("{option}={}", value.display()));
    }
    // As root, apt would hand the download to a user who may not write here.
    command.args(["-o", "APT::Sandbox::User=root", "-o", "Debug::NoLocking=true"]);
    command.args(["install", "--download-only", "--yes", "-qq", "--no-install-recommends"]).args(packages);
    process::capture(&mut command)
        .map_err(|failure| failure.hint("`apt-get update` refreshes the lists of Debian's packages"))?;
    let mut files = Vec::new();
    for entry in std::fs::read_dir(&archives).doing("listing the downloads")? {
        let file = entry.doing("listing the downloads")?.path();
        let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let package = name.split('_').next().unwrap_or_default();
        if name.ends_with(".deb") && !ONLY_TO_INSTALL.contains(&package) {
            files.push(file);
        }
    }
    files.sort();
    Ok(files)
}

fn extract(package: &Path, root: &Path) -> Outcome {
    let mut unpack = Command::new("dpkg-deb");
    let mut unpacked = unpack.arg("--fsys-tarfile").arg(package).stdout(Stdio::piped()).spawn().doing("dpkg-deb")?;
    let mut tar = Command::new("tar");
    tar.args(["--extract", "--keep-directory-symlink", "--directory"]).arg(root);
    tar.args(LEFT_OUT.map(|path| format!("--exclude={path}")));
    if let Some(pipe) = unpacked.stdout.take() {
        tar.stdin(pipe);
    }
    process::run_as_talk(&mut tar)?;
    if unpacked.wait().doing("waiting for dpkg-deb")?.success() {
        Ok(())
    } else {
        Err(Failure::new(format!("{} cannot be unpacked", package.display())))
    }
}
