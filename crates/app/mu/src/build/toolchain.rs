//! Where a compiler of Rust is found that can build for WebAssembly.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What functions are compiled for; those that are to be components are made components afterwards.
pub(crate) const TARGET: &str = "wasm32-wasip1";

/// Names the folder of a compiler for WebAssembly to use instead of the installed one: `bin/rustc` in it is run.
pub(crate) const TOOLCHAIN_VARIABLE: &str = "MU_WASM_TOOLCHAIN";

/// A compiler that can build for a target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Toolchain {
    /// The installed `rustc` has the target.
    Installed,
    /// This `rustc` has it.
    Prefix(PathBuf),
}

/// Why there is none.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Missing {
    #[error("{TOOLCHAIN_VARIABLE} is set, but {} does not exist", .0.display())]
    Named(PathBuf),
    #[error("{TOOLCHAIN_VARIABLE} is set, but {} does not build for {TARGET}", .0.display())]
    NamedTarget(PathBuf),
    #[error("cargo is not installed")]
    Cargo,
    #[error("the Rust target {TARGET} is not installed")]
    Target,
}

impl Missing {
    /// What to do about it.
    pub(crate) fn hint(&self) -> String {
        match self {
            Self::NamedTarget(_) => {
                format!("set {TOOLCHAIN_VARIABLE} to a folder with a compiler for {TARGET}, or unset it")
            }
            Self::Named(_) => format!("set {TOOLCHAIN_VARIABLE} to a folder with bin/rustc, or unset it"),
            Self::Cargo => "install Rust from https://rustup.rs".to_owned(),
            Self::Target => {
                format!("`rustup target add {TARGET}` installs it; `mu doctor` shows what else is missing")
            }
        }
    }
}

impl Toolchain {
    /// Looks for a compiler, and installs nothing. The one that was asked for by name comes first, then the installed
    /// one, then the one in the user's cache folder.
    pub(crate) fn find(folder: &Path) -> Result<Self, Missing> {
        if !runs(Command::new("cargo").arg("--version")) {
            return Err(Missing::Cargo);
        }
        if let Some(prefix) = env::var_os(TOOLCHAIN_VARIABLE).filter(|value| !value.is_empty()) {
            let rustc = Path::new(&prefix).join("bin/rustc");
            if !rustc.is_file() {
                return Err(Missing::Named(rustc));
            }
            let is_able = has_target(&rustc, folder);
            return if is_able { Ok(Self::Prefix(rustc)) } else { Err(Missing::NamedTarget(rustc)) };
        }
        if has_target("rustc".as_ref(), folder) {
            return Ok(Self::Installed);
        }
        let cached = cached_rustc().filter(|rustc| rustc.is_file() && has_target(rustc, folder));
        cached.map(Self::Prefix).ok_or(Missing::Target)
    }

    /// Like [`Toolchain::find`]; a target that is missing is installed when rustup is there to do it. `say` is told.
    pub(crate) fn find_or_install(folder: &Path, say: impl Fn(&str)) -> Result<Self, Missing> {
        let found = Self::find(folder);
        if found != Err(Missing::Target) || !runs(Command::new("rustup").arg("--version")) {
            return found;
        }
        say(&format!("Installing the Rust target {TARGET} (rustup target add {TARGET})"));
        if runs(Command::new("rustup").args(["target", "add", TARGET]).current_dir(folder)) {
            return Self::find(folder);
        }
        found
    }

    /// Makes cargo use this compiler.
    pub(crate) fn apply(&self, cargo: &mut Command) {
        if let Self::Prefix(rustc) = self {
            cargo.env("RUSTC", rustc);
        }
    }
}

/// Whether the standard library of [`TARGET`] is there. Asked within `folder`, because a `rust-toolchain.toml` counts.
fn has_target(rustc: &Path, folder: &Path) -> bool {
    let mut command = Command::new(rustc);
    let asked = command.args(["--print", "target-libdir", "--target", TARGET]).current_dir(folder).output();
    let Ok(answer) = asked else { return false };
    let library = PathBuf::from(String::from_utf8_lossy(&answer.stdout).trim());
    answer.status.success() && library.read_dir().is_ok_and(|mut entries| entries.next().is_some())
}

/// `mu/wasm-toolchain/bin/rustc` in the user's cache folder.
fn cached_rustc() -> Option<PathBuf> {
    let folder = |name: &str| env::var_os(name).filter(|value| Path::new(value).is_absolute()).map(PathBuf::from);
    let cache = folder("XDG_CACHE_HOME").or_else(|| folder("HOME").map(|home| home.join(".cache")))?;
    Some(cache.join("mu/wasm-toolchain/bin/rustc"))
}

/// Whether `command` starts and succeeds; its output is not shown.
fn runs(command: &mut Command) -> bool {
    command.output().is_ok_and(|finished| finished.status.success())
}
