//! A compiler for `wasm32-wasip1` where `rustup target add` is not possible.
//!
//! Rustup's own target is always preferred. Without it, Debian's security suite carries a compiler and the matching
//! sources of the standard library; they are unpacked into a folder of their own (nothing is installed system-wide) and
//! the library is built once. Compiler and library must both be Debian's: their versions have to be equal.

mod debian;
mod library;

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::failure::{Doing, Failure, Outcome};
use crate::{process, repository};

pub(crate) const TARGET: &str = "wasm32-wasip1";

/// Names the prefix, to us and to `mu build`.
const PREFIX_VARIABLE: &str = "MU_WASM_TOOLCHAIN";

/// Raised whenever the content of a finished prefix changes, so that older ones are made again.
const LAYOUT: u32 = 2;

/// Written last into a prefix; holds what it was made from.
const STAMP: &str = "mu-wasm-toolchain";

/// A compiler that can build guests.
pub(crate) enum Compiler {
    /// Rustup's toolchain has the target installed.
    Rustup,
    /// The prefix made by [`install`].
    Prefix(PathBuf),
}

impl Compiler {
    /// The compiler this machine has: the one named in the environment, else rustup's, else the one in the cache.
    pub(crate) fn find() -> Outcome<Self> {
        let prefix = default_prefix();
        let is_named = std::env::var_os(PREFIX_VARIABLE).is_some_and(|value| !value.is_empty());
        let is_complete = installed(&prefix).is_some();
        if is_named && is_complete {
            Ok(Self::Prefix(prefix))
        } else if rustup_has_target()? {
            Ok(Self::Rustup)
        } else if is_complete {
            Ok(Self::Prefix(prefix))
        } else {
            Err(Failure::new(format!("no compiler for {TARGET} on this machine"))
                .hint(format!("`rustup target add {TARGET}`, or on Debian `cargo xtask wasm-toolchain`")))
        }
    }

    /// Makes a cargo command build with this compiler.
    pub(crate) fn apply<'command>(&self, cargo: &'command mut Command) -> &'command mut Command {
        match self {
            Self::Rustup => cargo.env_remove("RUSTC"),
            Self::Prefix(prefix) => cargo.env("RUSTC", prefix.join("bin/rustc")),
        }
    }

    /// Makes a `mu` below this command build with this compiler.
    pub(crate) fn name_to_mu<'command>(&self, command: &'command mut Command) -> &'command mut Command {
        match self {
            Self::Rustup => command.env_remove(PREFIX_VARIABLE),
            Self::Prefix(prefix) => command.env(PREFIX_VARIABLE, prefix),
        }
    }

    /// What distinguishes this compiler from one that was here before.
    pub(crate) fn identity(&self) -> Outcome<String> {
        match self {
            Self::Rustup => process::capture(rustc().arg("-vV")),
            Self::Prefix(prefix) => installed(prefix)
                .ok_or_else(|| Failure::new(format!("the toolchain in {} went away", prefix.display()))),
        }
    }
}

/// Makes the toolchain in `prefix` and returns where it is; `None` when rustup's target makes it needless.
pub(crate) fn install(prefix: Option<PathBuf>, force: Force) -> Outcome<Option<PathBuf>> {
    let prefix = std::path::absolute(prefix.unwrap_or_else(default_prefix)).doing("reading the prefix")?;
    if force == Force::No && rustup_has_target()? {
        eprintln!("rustup's {TARGET} target is installed: nothing to do (--force makes the Debian one all the same)");
        return Ok(None);
    }
    let present = installed(&prefix);
    let release = match (debian::Release::candidate(), &present) {
        (Ok(release), _) => release,
        // Without package lists we cannot tell whether there is a newer one, and the one we have works.
        (Err(_), Some(_)) if force == Force::No => return Ok(Some(prefix)),
        (Err(failure), _) => return Err(failure),
    };
    let stamp = format!("layout {LAYOUT}, {release}\n");
    if force == Force::No && present.as_deref() == Some(&stamp) {
        eprintln!("the toolchain in {} is complete: {}", prefix.display(), stamp.trim());
        return Ok(Some(prefix));
    }
    refuse_foreign_folder(&prefix)?;
    make(&prefix, &release, &stamp)?;
    Ok(Some(prefix))
}

/// Whether to make the toolchain although there is a usable one.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Force {
    Yes,
    No,
}

/// Builds everything in a temporary folder beside the prefix, then swaps it in: a prefix is complete or absent.
fn make(prefix: &Path, release: &debian::Release, stamp: &str) -> Outcome {
    let parent = prefix.parent().unwrap_or(Path::new("/"));
    std::fs::create_dir_all(parent).doing(format_args!("creating {}", parent.display()))?;
    let work =
        tempfile::Builder::new().prefix(".wasm-toolchain-").tempdir_in(parent).doing("creating a temporary folder")?;
    let made = work.path().join("prefix");

    eprintln!("making the {TARGET} toolchain from {release} (about two minutes)");
    debian::unpack(release, &made, &work.path().join("packages"))?;
    write_wrapper(&made)?;
    link_linkers(&made)?;
    library::build(&made, &work.path().join("library"))?;
    debian::drop_sources(&made)?;
    std::fs::write(made.join(STAMP), stamp).doing("writing the stamp")?;

    if prefix.exists() {
        let old = work.path().join("old");
        std::fs::rename(prefix, &old).doing(format_args!("moving the old {} away", prefix.display()))?;
    }
    std::fs::rename(&made, prefix).doing(format_args!("moving the toolchain to {}", prefix.display()))
}

/// A shell wrapper that finds its libraries wherever the prefix was moved to.
fn write_wrapper(made: &Path) -> Outcome {
    let text = "#!/bin/sh\n\
        prefix=$(cd \"$(dirname \"$0\")/..\" && pwd)\n\
        LD_LIBRARY_PATH=\"$prefix/root/usr/lib/x86_64-linux-gnu\" exec \"$prefix/root/usr/bin/rustc\" \"$@\"\n";
    let file = made.join("bin/rustc");
    std::fs::create_dir_all(made.join("bin")).doing("creating the wrapper's folder")?;
    std::fs::write(&file, text).doing("writing the compiler's wrapper")?;
    process::run_as_talk(Command::new("chmod").arg("755").arg(&file))
}

/// Debian ships no linker for wasm; rustup's own stand in. They find their libraries relative to where they are, so
/// they are linked, not copied.
fn link_linkers(made: &Path) -> Outcome {
    let theirs = PathBuf::from(process::capture(rustc().args(["--print", "sysroot"]))?).join(debian::HOST_PROGRAMS);
    let ours = made.join("root/usr").join(debian::HOST_PROGRAMS);
    std::fs::create_dir_all(&ours).doing("creating the linkers' folder")?;
    for linker in ["rust-lld", "wasm-component-ld"] {
        let source = theirs.join(linker);
        if !source.is_file() {
            return Err(Failure::new(format!("`{linker}` is not in {}", theirs.display()))
                .hint("install Rust with rustup (https://rustup.rs): its toolchains carry this linker"));
        }
        std::os::unix::fs::symlink(&source, ours.join(linker)).doing(format_args!("linking {linker}"))?;
    }
    Ok(())
}

/// The stamp of a complete prefix whose links still lead somewhere.
fn installed(prefix: &Path) -> Option<String> {
    let linker = prefix.join("root/usr").join(debian::HOST_PROGRAMS).join("rust-lld");
    linker.exists().then(|| std::fs::read_to_string(prefix.join(STAMP)).ok()).flatten()
}

/// A prefix is replaced as a whole, so it must be ours or empty.
fn refuse_foreign_folder(prefix: &Path) -> Outcome {
    let occupied = std::fs::read_dir(prefix).is_ok_and(|folder| folder.count() > 0);
    if occupied && !prefix.join("bin/rustc").is_file() {
        return Err(Failure::new(format!("{} holds something else than a toolchain made here", prefix.display()))
            .hint("name an empty folder with --prefix"));
    }
    Ok(())
}

fn rustup_has_target() -> Outcome<bool> {
    let folder = process::capture(rustc().args(["--print", "target-libdir", "--target", TARGET]))?;
    Ok(Path::new(&folder).is_dir())
}

fn rustc() -> Command {
    Command::new("rustc")
}

fn default_prefix() -> PathBuf {
    match std::env::var_os(PREFIX_VARIABLE).filter(|value| !value.is_empty()) {
        Some(prefix) => prefix.into(),
        None => repository::cache_folder().join("wasm-toolchain"),
    }
}
