//! Where a compiler of Rust is found that can build for WebAssembly.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use mu_stack::Runtime;

/// The target whose artifacts a runtime runs.
pub(crate) const fn target(runtime: Runtime) -> &'static str {
    match runtime {
        Runtime::Wasi1 => "wasm32-wasip1",
        Runtime::WasiHttp | Runtime::WasiHttp3 => "wasm32-wasip2",
    }
}

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
    #[error("{TOOLCHAIN_VARIABLE} is set, but {} does not build for {target}", .rustc.display())]
    NamedTarget { rustc: PathBuf, target: &'static str },
    #[error("cargo is not installed")]
    Cargo,
    #[error("the Rust target {0} is not installed")]
    Target(&'static str),
}

impl Missing {
    /// What to do about it.
    pub(crate) fn hint(&self) -> String {
        match self {
            Self::NamedTarget { target, .. } => {
                format!("set {TOOLCHAIN_VARIABLE} to a folder with a compiler for {target}, or unset it")
            }
            Self::Named(_) => format!("set {TOOLCHAIN_VARIABLE} to a folder with bin/rustc, or unset it"),
            Self::Cargo => "install Rust from https://rustup.rs".to_owned(),
            Self::Target(target) => {
                format!("`rustup target add {target}` installs it; `mu doctor` shows what else is missing")
            }
        }
    }
}

impl Toolchain {
    /// Looks for a compiler, and installs nothing. The one that was asked for by name comes first, then the installed
    /// one, then the one in the user's cache folder.
    pub(crate) fn find(folder: &Path, target: &'static str) -> Result<Self, Missing> {
        if !runs(Command::new("cargo").arg("--version")) {
            return Err(Missing::Cargo);
        }
        if let Some(prefix) = env::var_os(TOOLCHAIN_VARIABLE).filter(|value| !value.is_empty()) {
            let rustc = Path::new(&prefix).join("bin/rustc");
            if !rustc.is_file() {
                return Err(Missing::Named(rustc));
            }
            let is_able = has_target(&rustc, folder, target);
            return if is_able { Ok(Self::Prefix(rustc)) } else { Err(Missing::NamedTarget { rustc, target }) };
        }
        if has_target("rustc".as_ref(), folder, target) {
            return Ok(Self::Installed);
        }
        let cached = cached_rustc().filter(|rustc| rustc.is_file() && has_target(rustc, folder, target));
        cached.map(Self::Prefix).ok_or(Missing::Target(target))
    }

    /// Like [`Toolchain::find`]; a target that is missing is installed when rustup is there to do it. `say` is told.
    pub(crate) fn find_or_install(folder: &Path, target: &'static str, say: impl Fn(&str)) -> Result<Self, Missing> {
        let found = Self::find(folder, target);
        if found != Err(Missing::Target(target)) || !runs(Command::new("rustup").arg("--version")) {
            return found;
        }
        say(&format!("Installing the Rust target {target} (rustup target add {target})"));
        if runs(Command::new("rustup").args(["target", "add", target]).current_dir(folder)) {
            return Self::find(folder, target);
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

/// Whether the standard library of `target` is there. Asked within `folder`, because a `rust-toolchain.toml` counts.
fn has_target(rustc: &Path, folder: &Path, target: &str) -> bool {
    let mut command = Command::new(rustc);
    let asked = command.args(["--print", "target-libdir", "--target", target]).current_dir(folder).output();
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
