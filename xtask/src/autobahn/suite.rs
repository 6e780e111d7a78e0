//! The suite itself, kept in the cache folder.
//!
//! It is written for Python 2.7, which has left Debian with release 12. So the interpreter comes out of the packages of
//! release 11, unpacked into a folder and never installed; the suite and what it needs come from the package index, in
//! the versions that the suite names. Compiling two of them takes a C compiler.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::failure::{Doing, Failure, Outcome};
use crate::{process, repository};

/// A named version, so that the cases are the same everywhere.
const SUITE: &str = "autobahntestsuite==25.10.1";

/// The last versions that Python 2.7 can install. The suite asks for `wsaccel` without saying which.
const PIP: &str = "pip==20.3.4";
const CONSTRAINTS: &str = "wsaccel==0.6.2\n";
const BUILD_TOOLS: [&str; 2] = ["setuptools==44.0.0", "wheel==0.37.1"];

/// The interpreter, its headers, and libraries of which Debian 12 has newer versions.
const PACKAGES: [&str; 7] = [
    "python2.7-minimal",
    "libpython2.7-minimal",
    "libpython2.7-stdlib",
    "libpython2.7",
    "libpython2.7-dev",
    "libssl1.1",
    "libffi7",
];

const SOURCES: &str =
    "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] http://deb.debian.org/debian bullseye main\n";

/// An installed suite.
pub(super) struct Suite {
    folder: PathBuf,
}

/// Finds the suite in the cache folder, or installs it there, which takes a minute or two.
pub(super) fn install() -> Outcome<Suite> {
    let folder = repository::cache_folder().join(SUITE.replace("==", "-"));
    let suite = Suite { folder };
    if suite.program().is_file() {
        return Ok(suite);
    }
    for (program, package) in
        [("apt-get", "apt"), ("dpkg-deb", "dpkg"), ("python3", "python3-pip"), ("cc", "build-essential")]
    {
        process::require_program(program, package)?;
    }
    eprintln!("installing {SUITE}");
    // What was left halfway is made anew.
    if suite.folder.exists() {
        std::fs::remove_dir_all(&suite.folder).doing(format_args!("removing {}", suite.folder.display()))?;
    }
    unpack_python(&suite.folder)?;
    suite.install_packages()?;
    Ok(suite)
}

impl Suite {
    /// The suite's program, to be given its arguments.
    pub(super) fn command(&self) -> Command {
        let mut command = self.python(&self.folder.join("suite"));
        command.arg(self.program());
        command
    }

    fn program(&self) -> PathBuf {
        self.folder.join("suite/bin/wstest")
    }

    /// The interpreter, with the packages of one folder.
    fn python(&self, packages: &Path) -> Command {
        let root = self.folder.join("root/usr");
        let mut command = Command::new(root.join("bin/python2.7"));
        let (headers, more) = (root.join("include/python2.7"), root.join("include"));
        command
            .env("PYTHONHOME", &root)
            .env("PYTHONPATH", packages)
            .env("LD_LIBRARY_PATH", root.join("lib/x86_64-linux-gnu"))
            .env("CFLAGS", format!("-I{} -I{}", headers.display(), more.display()));
        command
    }

    fn install_packages(&self) -> Outcome {
        let (tools, suite) = (self.folder.join("tools"), self.folder.join("suite-new"));
        // Wheels of pure Python, which the newer interpreter can fetch for the older one.
        let mut fetch = Command::new("python3");
        fetch.args(["-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:", "--dest"]);
        process::run_as_talk(fetch.arg(&tools).arg(PIP).args(BUILD_TOOLS))?;
        for entry in std::fs::read_dir(&tools).doing("listing the tools")?.flatten() {
            let mut unpack = Command::new("python3");
            process::run_as_talk(unpack.args(["-m", "zipfile", "-e"]).arg(entry.path()).arg(&tools))?;
        }
        let constraints = self.folder.join("constraints.txt");
        std::fs::write(&constraints, CONSTRAINTS).doing("writing the constraints")?;
        let mut install = self.python(&tools);
        install.args(["-m", "pip", "install", "--quiet", "--no-build-isolation", "--no-warn-script-location"]);
        install.arg("--disable-pip-version-check").arg("--constraint").arg(&constraints);
        process::run_as_talk(install.arg("--target").arg(&suite).arg(SUITE))?;
        // Installed like this, the folder of several packages lacks the mark of one.
        std::fs::write(suite.join("zope/__init__.py"), "").doing("completing the package `zope`")?;
        std::fs::rename(&suite, self.folder.join("suite")).doing("putting the suite in place")
    }
}

/// Downloads the packages with lists of their own, so that apt's are left alone, and unpacks them into `folder/root`.
fn unpack_python(folder: &Path) -> Outcome {
    let apt = folder.join("apt");
    let downloads = folder.join("packages");
    for needed in [apt.join("lists/partial"), apt.join("archives/partial"), downloads.clone()] {
        std::fs::create_dir_all(&needed).doing(format_args!("creating {}", needed.display()))?;
    }
    std::fs::write(apt.join("sources.list"), SOURCES).doing("writing the sources")?;
    std::fs::write(apt.join("status"), "").doing("writing the status")?;
    let apt_get = |arguments: &[&str]| {
        let mut command = Command::new("apt-get");
        for (option, path) in [
            ("Dir::State::Lists", apt.join("lists")),
            ("Dir::Cache", apt.clone()),
            ("Dir::Etc::SourceList", apt.join("sources.list")),
            ("Dir::State::Status", apt.join("status")),
        ] {
            command.arg("-o").arg(format!("{option}={}", path.display()));
        }
        command.args(["-o", "Dir::Etc::SourceParts=/dev/null", "-o", "APT::Sandbox::User=root", "-qq"]);
        process::run_as_talk(command.args(arguments).current_dir(&downloads))
    };
    apt_get(&["update"])?;
    apt_get(&[&["download"], &PACKAGES[..]].concat())?;
    let root = folder.join("root");
    for entry in std::fs::read_dir(&downloads).doing("listing the packages")?.flatten() {
        process::run_as_talk(Command::new("dpkg-deb").arg("--extract").arg(entry.path()).arg(&root))?;
    }
    if root.join("usr/bin/python2.7").is_file() {
        return Ok(());
    }
    Err(Failure::new("the packages brought no `python2.7`"))
}
