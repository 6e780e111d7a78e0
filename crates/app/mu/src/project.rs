//! A project: the directory of a `mu.yaml`, or of the files of Project Fn, and what mu keeps there.

mod app;

use std::fs;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use clap::Args;
use mu_stack::func::{APP_FILE, App, FUNC_FILES, FuncLimits};
use mu_stack::limits::{FILE_BYTES_MAX, IDLE_TIMEOUT_MAX, MEMORY_MAX, TIMEOUT_MAX};
use mu_stack::{Manifest, Report, StackId};

use crate::failure::{Cause, Failure};
pub(crate) use crate::project::app::{FUNC_FILE, FoundFunc, find_func};
use crate::terminal::{self, DIM};

/// What a project is described in.
pub(crate) const MANIFEST_FILE: &str = "mu.yaml";

/// Values of secrets for this machine. Not for version control.
pub(crate) const SECRETS_FILE: &str = "mu.secrets";

/// What mu makes in a project and what nobody else needs: data, compiled modules, build output. Not for version control.
pub(crate) const WORK_FOLDER: &str = ".mu";

/// A directory with a `mu.yaml`, an `app.yaml` or a func file; the first of them counts.
#[derive(Clone, Debug)]
pub(crate) struct Project {
    root: PathBuf,
    kind: Kind,
    /// What the command line says, of an app of func files.
    limits: FuncLimits,
}

/// Limits of functions, over what the environment and func files say.
#[derive(Args, Clone, Copy, Debug, Default)]
pub(crate) struct LimitArgs {
    /// MiB of a container, of all functions of func files [default: FN_MEMORY, else as the files say]
    #[arg(long, value_name = "MIB", value_parser = |text: &str| number(text, MEMORY_MAX.bytes() >> 20))]
    memory: Option<u32>,
    /// Seconds of a call, likewise [default: FN_TIMEOUT, else as the files say]
    #[arg(long, value_name = "SECONDS", value_parser = |text: &str| number(text, TIMEOUT_MAX.as_secs()))]
    timeout: Option<u32>,
    /// Seconds that a container without calls is kept, likewise [default: FN_IDLE_TIMEOUT, else as the files say]
    #[arg(long, value_name = "SECONDS", value_parser = |text: &str| number(text, IDLE_TIMEOUT_MAX.as_secs()))]
    idle_timeout: Option<u32>,
}

/// What a project is described by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// A `mu.yaml`.
    Stack,
    /// Files of Project Fn.
    App,
}

impl Project {
    /// The project that `start` is in: the nearest directory with a `mu.yaml` or an `app.yaml`, from `start` upward; else the
    /// nearest with a func file, since those below the others are only parts of projects.
    pub(crate) fn find(start: &Path) -> Result<Self, Failure> {
        let start = start.canonicalize().map_err(|e| {
            Failure::new(Cause::Manifest, format!("{}: {e}", start.display())).hint("name the directory of a project")
        })?;
        let nearest = |files: &[&str]| {
            start.ancestors().find(|folder| files.iter().any(|file| folder.join(file).is_file())).map(Path::to_owned)
        };
        let root = nearest(&[MANIFEST_FILE, APP_FILE]).or_else(|| nearest(&FUNC_FILES)).ok_or_else(|| {
            let message = format!("no {MANIFEST_FILE} in {} or in any directory above it", start.display());
            Failure::new(Cause::Manifest, message).hint("`mu init` makes a project; or name the directory of one")
        })?;
        let kind = if root.join(MANIFEST_FILE).is_file() { Kind::Stack } else { Kind::App };
        Ok(Self { root, kind, limits: FuncLimits::default() })
    }

    /// The same with other limits.
    pub(crate) fn limited(self, arguments: LimitArgs) -> Result<Self, Failure> {
        let LimitArgs { memory, timeout, idle_timeout } = arguments;
        let limits = FuncLimits { memory_mb: memory, timeout_s: timeout, idle_timeout_s: idle_timeout };
        if !self.is_app() && limits != FuncLimits::default() {
            let message = "--memory, --timeout and --idle-timeout are for functions of func files";
            return Err(Failure::new(Cause::Failed, message)
                .hint(format!("write `memory_limit`, `timeout` and `idle_timeout` into {MANIFEST_FILE}")));
        }
        Ok(Self { limits, ..self })
    }

    /// Whether it is described by files of Project Fn.
    pub(crate) fn is_app(&self) -> bool {
        self.kind == Kind::App
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// The file that describes it: of an app, its own or that of its only function.
    pub(crate) fn manifest_path(&self) -> PathBuf {
        let names: &[&str] = if self.is_app() { &[APP_FILE, FUNC_FILES[0], FUNC_FILES[1], FUNC_FILES[2]] } else { &[] };
        let found = names.iter().map(|name| self.root.join(name)).find(|path| path.is_file());
        found.unwrap_or_else(|| self.root.join(MANIFEST_FILE))
    }

    pub(crate) fn secrets_path(&self) -> PathBuf {
        self.root.join(SECRETS_FILE)
    }

    pub(crate) fn work_dir(&self) -> PathBuf {
        self.root.join(WORK_FOLDER)
    }

    /// Where data is kept: where it was asked for, or in the project.
    pub(crate) fn data_dir(&self, asked: Option<&Path>) -> PathBuf {
        asked.map_or_else(|| self.work_dir().join("data"), Path::to_owned)
    }

    /// Where compiled modules are kept. It can be deleted at any time.
    pub(crate) fn cache_dir(&self) -> PathBuf {
        self.work_dir().join("cache")
    }

    /// Reads the manifest, or what stands in its place, and fails with everything that is wrong with it.
    pub(crate) fn load(&self) -> Result<Manifest, Failure> {
        match self.kind {
            Kind::Stack => parse(&self.manifest_path(), MANIFEST_FILE, Manifest::parse),
            Kind::App => Ok(self.load_app()?.manifest),
        }
    }

    /// Says what stands in the files of Project Fn and has no effect here.
    pub(crate) fn tell_notes(&self) -> Result<(), Failure> {
        if self.is_app() {
            self.load_app()?.notes.iter().for_each(|note| terminal::say(format!("{DIM}{note}{DIM:#}")));
        }
        Ok(())
    }

    fn load_app(&self) -> Result<App, Failure> {
        app::load(&self.root, self.limits)
    }
}

/// A limit of the command line; 0 would say nothing.
fn number(text: &str, most: u64) -> Result<u32, String> {
    match text.parse() {
        Ok(number) if (1..=most).contains(&u64::from(number)) => Ok(number),
        _ => Err(format!("write a whole number from 1 to {most}")),
    }
}

/// Reads a file that `parser` understands; `kind` is the name by which `mu schema` knows such files.
fn parse<T>(path: &Path, kind: &str, parser: impl Fn(&str, &[u8]) -> Result<T, Report>) -> Result<T, Failure> {
    let bytes = read_bounded(path).map_err(|e| Failure::from_error(Cause::Manifest, path.display(), &e))?;
    parser(&shown(path), &bytes).map_err(|report| problems(&report, kind))
}

/// A path as people would name it from where they are.
fn shown(path: &Path) -> String {
    let here = std::env::current_dir().unwrap_or_default();
    path.strip_prefix(here).unwrap_or(path).display().to_string()
}

/// A file with mistakes, all of which are told.
pub(crate) fn problems(report: &Report, kind: &str) -> Failure {
    let count = report.problems.len() + report.omitted;
    let message = format!("{} has {count} problem{}", report.file, if count == 1 { "" } else { "s" });
    let print = if kind == MANIFEST_FILE { "`mu schema`".to_owned() } else { format!("`mu schema {kind}`") };
    Failure::new(Cause::Manifest, message)
        .detail(report.to_string())
        .hint(format!("{print} prints what {kind} may say, for editors that complete and check it"))
}

/// The id of a project's stack on this machine: the one it names, or one made of its name, so that the data of a stack
/// stays its own.
pub(crate) fn stack_id(manifest: &Manifest) -> StackId {
    let derived = || StackId::new(blake3::derive_key("mu 2026 local stack id", manifest.name().as_str().as_bytes()));
    manifest.dev_id().unwrap_or_else(derived)
}

/// Reads a manifest; one that is over the limit is cut just behind it, which the parser then reports.
fn read_bounded(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    fs::File::open(path)?.take(FILE_BYTES_MAX as u64 + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}
