//! Debian's compiler packages: which versions there are, and unpacking them without installing.
//!
//! They are not installed because `rustc-web` conflicts with every other Rust toolchain of the machine.

use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::failure::{Doing, Failure, Outcome};
use crate::process;

/// The host's linkers, below a sysroot.
pub(super) const HOST_PROGRAMS: &str = "lib/rustlib/x86_64-unknown-linux-gnu/bin";

/// The oldest compiler series that reads this repository: `rust-version` of the workspace.
const SERIES_MIN: (u32, u32) = (1, 95);

/// Libraries of Debian's LLVM that a small installation may lack, and the packages that carry them.
const LLVM_LIBRARIES: [(&str, &str); 8] = [
    ("libbsd.so.0", "libbsd0"),
    ("libedit.so.2", "libedit2"),
    ("libffi.so.8", "libffi8"),
    ("libicuuc.so.72", "libicu72"),
    ("libmd.so.0", "libmd0"),
    ("libxml2.so.2", "libxml2"),
    ("libz3.so.4", "libz3-4"),
    ("libzstd.so.1", "libzstd1"),
];

/// The release of the packages that apt would install today.
pub(super) struct Release {
    /// Full version of all `rustc-web` packages.
    compiler: String,
    /// Compiler series, as it stands in package names: `1.96`.
    series: String,
    /// The LLVM package that series was built against.
    llvm: String,
    libc: String,
}

impl Release {
    /// Asks apt for its candidates, refreshing its lists first if they are empty.
    pub(super) fn candidate() -> Outcome<Self> {
        for program in ["apt-get", "apt-cache", "dpkg-deb", "ldd"] {
            if process::find_program(program).is_none() {
                return Err(Failure::new(format!("`{program}` is not installed, so Debian's compiler cannot be used"))
                    .hint(format!("`rustup target add {}` is the way on this machine", super::TARGET)));
            }
        }
        let compiler = match candidate_of("rustc-web")? {
            Some(version) => version,
            None => {
                process::run_as_talk(Command::new("apt-get").arg("update"))?;
                candidate_of("rustc-web")?.ok_or_else(|| too_old("apt knows no package `rustc-web`"))?
            }
        };
        let (major, minor) =
            series(&compiler).ok_or_else(|| Failure::new(format!("cannot read rustc-web's version `{compiler}`")))?;
        if (major, minor) < SERIES_MIN {
            return Err(too_old(&format!("apt's candidate of `rustc-web` is {compiler}")));
        }
        let series = format!("{major}.{minor}");
        let llvm = llvm_of(&format!("libstd-rust-web-{series}"))?;
        let libc = candidate_of("wasi-libc")?.ok_or_else(|| too_old("apt knows no package `wasi-libc`"))?;
        Ok(Self { compiler, series, llvm, libc })
    }

    /// What to download. Everything of the compiler is pinned to one version: a mix does not work.
    fn packages(&self) -> Vec<String> {
        let compiler = [
            "rustc-web".to_owned(),
            format!("libstd-rust-web-{}", self.series),
            "libstd-rust-web-dev".to_owned(),
            "rust-web-src".to_owned(),
            // Not for wasm: the core library of on-chain programs, which are built with the same prefix.
            "libstd-rust-web-dev-bpf".to_owned(),
        ];
        let mut packages: Vec<_> = compiler.iter().map(|name| format!("{name}={}", self.compiler)).collect();
        packages.push(self.llvm.clone());
        packages.push(format!("wasi-libc={}", self.libc));
        packages
    }
}

impl fmt::Display for Release {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "rustc-web {}, {}, wasi-libc {}", self.compiler, self.llvm, self.libc)
    }
}

/// Downloads the packages into `downloads` and unpacks them into `made/root`.
pub(super) fn unpack(release: &Release, made: &Path, downloads: &Path) -> Outcome {
    let root = made.join("root");
    std::fs::create_dir_all(&root).doing("creating the prefix")?;
    download_and_unpack(&release.packages(), downloads, &root)?;

    let missing = missing_libraries(&root)?;
    if missing.is_empty() {
        return Ok(());
    }
    let packages = missing
        .iter()
        .map(|library| {
            let known = LLVM_LIBRARIES.iter().find(|(name, _)| name == library);
            known.map(|(_, package)| (*package).to_owned()).ok_or_else(|| {
                Failure::new(format!("Debian's LLVM needs `{library}`, which this machine does not have"))
                    .hint(format!("apt-get install {}", release.llvm))
            })
        })
        .collect::<Outcome<Vec<_>>>()?;
    download_and_unpack(&packages, &downloads.join("llvm"), &root)
}

/// Once the library is built its sources are dead weight: 360 MB.
pub(super) fn drop_sources(made: &Path) -> Outcome {
    for folder in ["src", "lib/rustlib/src", "lib/wasm32-wasi", "include", "share"] {
        let folder = made.join("root/usr").join(folder);
        if folder.exists() {
            std::fs::remove_dir_all(&folder).doing(format_args!("removing {}", folder.display()))?;
        }
    }
    Ok(())
}

fn download_and_unpack(packages: &[String], downloads: &Path, root: &Path) -> Outcome {
    std::fs::create_dir_all(downloads).doing("creating the download folder")?;
    // As root, apt would hand the download to a user who may not write here, and warn about it.
    let mut command = Command::new("apt-get");
    command.args(["download", "-qq", "-o", "APT::Sandbox::User=root"]).args(packages).current_dir(downloads);
    process::run_as_talk(&mut command)?;
    for entry in std::fs::read_dir(downloads).doing("listing the downloads")? {
        let file = entry.doing("listing the downloads")?.path();
        if file.extension().is_some_and(|extension| extension == "deb") {
            process::run_as_talk(Command::new("dpkg-deb").arg("--extract").arg(&file).arg(root))?;
        }
    }
    Ok(())
}

/// Names of shared libraries that Debian's LLVM asks for and neither the machine nor the prefix has.
fn missing_libraries(root: &Path) -> Outcome<Vec<String>> {
    let folder = root.join("usr/lib/x86_64-linux-gnu");
    let listing = std::fs::read_dir(&folder).doing(format_args!("listing {}", folder.display()))?;
    let files: Vec<PathBuf> = listing.flatten().map(|entry| entry.path()).collect();
    let llvm = files.iter().find(|file| file.to_string_lossy().contains("libLLVM.so"));
    let llvm = llvm.ok_or_else(|| Failure::new("Debian's LLVM package has no libLLVM.so"))?;
    let said = process::capture(Command::new("ldd").arg(llvm).env("LD_LIBRARY_PATH", &folder))?;
    Ok(unresolved(&said))
}

/// The names that `ldd` could not resolve.
fn unresolved(said: &str) -> Vec<String> {
    said.lines()
        .filter_map(|line| line.trim().strip_suffix("=> not found"))
        .map(|name| name.trim().to_owned())
        .collect()
}

/// The version apt would install, if it knows the package.
fn candidate_of(package: &str) -> Outcome<Option<String>> {
    let said = process::capture(Command::new("apt-cache").args(["policy", package]).env("LC_ALL", "C"))?;
    Ok(candidate_in(&said))
}

fn candidate_in(policy: &str) -> Option<String> {
    let line = policy.lines().find_map(|line| line.trim().strip_prefix("Candidate:"))?.trim();
    (line != "(none)").then(|| line.to_owned())
}

/// The `libllvmNN` a package depends on.
fn llvm_of(package: &str) -> Outcome<String> {
    let said = process::capture(Command::new("apt-cache").args(["depends", package]).env("LC_ALL", "C"))?;
    let mut names = said.lines().filter_map(|line| line.trim().strip_prefix("Depends: "));
    names
        .find(|name| name.starts_with("libllvm"))
        .map(str::to_owned)
        .ok_or_else(|| Failure::new(format!("package `{package}` depends on no libllvm")))
}

fn series(version: &str) -> Option<(u32, u32)> {
    let mut parts = version.split('.');
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

fn too_old(what: &str) -> Failure {
    let (major, minor) = SERIES_MIN;
    Failure::new(format!("{what}; {major}.{minor} or newer is needed")).hint(format!(
        "on Debian 12 the security suite has it: run `apt-get update` with bookworm-security among the sources; elsewhere \
         `rustup target add {}`",
        super::TARGET
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_apt_says() {
        let policy = "rustc-web:\n  Installed: (none)\n  Candidate: 1.96.0+dfsg1-1~deb12u2\n  Version table:\n";
        assert_eq!(candidate_in(policy).as_deref(), Some("1.96.0+dfsg1-1~deb12u2"));
        assert_eq!(candidate_in("x:\n  Candidate: (none)\n"), None);
        assert_eq!(candidate_in(""), None);
    }

    #[test]
    fn reads_the_series_of_a_version() {
        assert_eq!(series("1.96.0+dfsg1-1~deb12u2"), Some((1, 96)));
        assert_eq!(series("nonsense"), None);
    }

    #[test]
    fn reads_what_ldd_misses() {
        let said = "\tlibz3.so.4 => not found\n\tlibc.so.6 => /lib/libc.so.6 (0x1)\n\tlinux-vdso.so.1 (0x2)\n";
        assert_eq!(unresolved(said), ["libz3.so.4"]);
    }
}
