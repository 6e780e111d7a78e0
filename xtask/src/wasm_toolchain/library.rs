//! The standard library for wasm, built once from Debian's sources and put where the compiler looks for it.

use std::path::Path;

use super::TARGET;
use crate::failure::{Doing, Failure, Outcome};
use crate::process;

/// What a linked WASI program starts with, from wasi-libc.
const STARTUP: [&str; 3] = ["crt1-command.o", "crt1-reactor.o", "libc.a"];

/// Builds an empty program together with the library, in `work`, and copies the library into `made`.
pub(super) fn build(made: &Path, work: &Path) -> Outcome {
    let sysroot = made.join("root/usr");
    let library = sysroot.join("lib/rustlib").join(TARGET).join("lib");
    copy_startup(&sysroot, &library.join("self-contained"))?;
    write_empty_program(&sysroot, work)?;

    // Panic messages of the library name its sources: keep the folder of this build out of every guest. Bitcode is for
    // guests that are built with `lto`.
    let sources = sysroot.join("lib/rustlib/src/rust");
    let flags = format!("--remap-path-prefix={}=/rust -Cembed-bitcode=yes", sources.display());
    let mut command = process::cargo();
    command
        .args(["build", "--quiet", "--offline", "--release", "-Zbuild-std=std,panic_abort", "--target", TARGET])
        .current_dir(work)
        .env("RUSTC_BOOTSTRAP", "1")
        .env("RUSTC", made.join("bin/rustc"))
        .env("RUSTFLAGS", flags)
        .env("CARGO_TARGET_DIR", work.join("target"));
    process::run_as_talk(&mut command)?;

    let built = work.join("target").join(TARGET).join("release/deps");
    let mut copied = 0;
    for entry in std::fs::read_dir(&built).doing("listing the built library")? {
        let file = entry.doing("listing the built library")?.path();
        let (Some(name), Some("rlib")) = (file.file_name(), file.extension().and_then(|text| text.to_str())) else {
            continue;
        };
        std::fs::copy(&file, library.join(name)).doing("copying the built library")?;
        copied += 1;
    }
    if copied == 0 { Err(Failure::new("building the standard library left no rlib behind")) } else { Ok(()) }
}

fn copy_startup(sysroot: &Path, folder: &Path) -> Outcome {
    std::fs::create_dir_all(folder).doing("creating the library's folder")?;
    for name in STARTUP {
        let source = sysroot.join("lib/wasm32-wasi").join(name);
        std::fs::copy(&source, folder.join(name)).doing(format_args!("copying {name} of wasi-libc"))?;
    }
    Ok(())
}

/// The program's only purpose is that cargo builds the library for it. The library's own dependencies come with
/// Debian's sources; cargo is told to look for them there and nowhere else.
fn write_empty_program(sysroot: &Path, work: &Path) -> Outcome {
    let vendored = sysroot.join("lib/rustlib/src/rust/library/vendor");
    let manifest = "[package]\nname = \"empty\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\n\
        [profile.release]\npanic = \"abort\"\n\n[workspace]\n";
    let config = format!(
        "[source.crates-io]\nreplace-with = \"vendored\"\n\n[source.vendored]\ndirectory = {:?}\n",
        vendored.display().to_string()
    );
    for (name, text) in [("Cargo.toml", manifest), (".cargo/config.toml", &config), ("src/main.rs", "fn main() {}\n")] {
        let file = work.join(name);
        let folder = file.parent().unwrap_or(work);
        std::fs::create_dir_all(folder).doing(format_args!("creating {}", folder.display()))?;
        std::fs::write(&file, text).doing(format_args!("writing {}", file.display()))?;
    }
    Ok(())
}
