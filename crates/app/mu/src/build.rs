//! `mu build`: makes the modules of a project's functions, and only those whose sources have changed.

pub(crate) mod builder;
mod c;
mod cargo;
mod container;
mod go;
mod javascript;
mod lock;
mod process;
mod python;
mod source;
mod source_hash;
pub(crate) mod tool;
pub(crate) mod toolchain;

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use clap::Args;
use mu_stack::func::Recipe;
use mu_stack::{Build, ContainerArtifact, FunctionManifest, FunctionName, Language, Manifest};

use crate::build::builder::Builder;
use crate::build::lock::{Built, LOCK_FILE, Lock};
use crate::build::process::Stdout;
use crate::build::source::Source;
use crate::build::source_hash::Sources;
pub(crate) use crate::build::source_hash::is_made;
use crate::failure::{Cause, Failure};
use crate::file;
use crate::project::{Project, find_func};
use crate::terminal::{self, BOLD, DIM, Progress};

/// Build the functions whose sources have changed
///
/// A function's sources and how it is built are hashed, and compared with what mu.lock recorded when its module was
/// made. A module that is checked in beside its sources, with mu.lock, therefore needs no compiler.
#[derive(Args, Debug)]
pub(crate) struct Arguments {
    /// The functions to build [default: all]
    functions: Vec<FunctionName>,
    /// The project: a directory with mu.yaml, app.yaml or func.yaml, or one below it
    #[arg(long, short = 'C', value_name = "DIR", default_value = ".")]
    dir: PathBuf,
    /// Build also what is up to date
    #[arg(long, short)]
    force: bool,
    #[command(flatten)]
    builder: BuilderArgs,
}

/// What builds images.
#[derive(Args, Clone, Copy, Debug, Default)]
pub(crate) struct BuilderArgs {
    /// What builds images of containers [default: the first that works]
    #[arg(long, value_enum)]
    pub(crate) builder: Option<Builder>,
}

/// Whether a function's module is what its sources make.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Freshness {
    UpToDate,
    Stale,
}

/// A function, as a build finds it.
pub(crate) struct FunctionState {
    pub(crate) freshness: Freshness,
    /// What it is built with, if anything.
    pub(crate) build: Build,
    /// Where its sources are.
    pub(crate) folder: PathBuf,
}

/// Which functions are built although they are up to date.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Force {
    No,
    Yes,
}

/// How functions are built.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Options {
    force: Force,
    tell: Tell,
    builder: Option<Builder>,
}

/// What [`build`] tells about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tell {
    /// Every function.
    All,
    /// Those that are built.
    Built,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let project = Project::find(&arguments.dir)?;
    let manifest = project.load()?;
    let only: BTreeSet<&FunctionName> = arguments.functions.iter().collect();
    for name in &only {
        if !manifest.functions().any(|function| function.name() == *name) {
            let names: Vec<&str> = manifest.functions().map(|function| function.name().as_str()).collect();
            return Err(Failure::new(Cause::Failed, format!("no function is named `{name}`"))
                .hint(format!("the functions are: {}", names.join(", "))));
        }
    }
    let chosen = manifest.functions().filter(|function| only.is_empty() || only.contains(function.name()));
    let force = if arguments.force { Force::Yes } else { Force::No };
    project.tell_notes()?;
    let options = Options { force, ..Options::of(Tell::All).with(arguments.builder) };
    build(&project, &manifest, chosen, options)
}

impl Options {
    /// Builds what is not up to date, with whichever builder of images works.
    pub(crate) const fn of(tell: Tell) -> Self {
        Self { force: Force::No, tell, builder: None }
    }

    pub(crate) const fn with(self, arguments: BuilderArgs) -> Self {
        Self { builder: arguments.builder, ..self }
    }
}

/// Builds those of `functions` that need it, and records it in `mu.lock`. Blocking.
pub(crate) fn build<'m>(
    project: &Project,
    manifest: &'m Manifest,
    functions: impl Iterator<Item = &'m FunctionManifest>,
    options: Options,
) -> Result<(), Failure> {
    let root = project.root();
    let mut lock = read_lock(root)?;
    lock.retain(|name| manifest.functions().any(|f| f.name().as_str() == name && *f.build() != Build::None));
    for function in functions {
        let job = Job { root, manifest, function, builder: options.builder };
        let state = job.state(&lock)?;
        let is_wanted = state.freshness == Freshness::Stale || options.force == Force::Yes;
        if *function.build() == Build::None || !is_wanted {
            if options.tell == Tell::All {
                terminal::say(format!("{BOLD}{}{BOLD:#} is up to date", function.name()));
            }
            continue;
        }
        let built = job.build()?;
        lock.record(function.name().as_str(), built);
        // After each function, so that a later one's failure does not undo this one's success.
        write_lock(root, &lock)?;
    }
    Ok(())
}

/// Fails if there is an image to build, and nothing says how, or nothing builds images.
pub(crate) fn check(project: &Project, manifest: &Manifest, arguments: BuilderArgs) -> Result<(), Failure> {
    let (root, lock, mut found) = (project.root(), read_lock(project.root())?, None);
    for function in manifest.functions().filter(|function| *function.build() == Build::Container) {
        let job = Job { root, manifest, function, builder: arguments.builder };
        if job.state(&lock)?.freshness == Freshness::Stale {
            job.recipe()?;
            if found.is_none() {
                let builder = Builder::find(arguments.builder);
                found = Some(builder.map_err(|none| job.failed(&none).hint(none.hint()))?);
            }
        }
    }
    Ok(())
}

/// The state of every function of the project.
pub(crate) fn freshness(project: &Project) -> Result<Vec<FunctionState>, Failure> {
    let (manifest, lock) = (project.load()?, read_lock(project.root())?);
    let job = |function| Job { root: project.root(), manifest: &manifest, function, builder: None };
    manifest.functions().map(|function| job(function).state(&lock)).collect()
}

/// What the module and the sources of a function are, as files of the project at `root`.
pub(crate) fn module_path(root: &Path, function: &FunctionManifest) -> PathBuf {
    root.join(function.module())
}

pub(crate) fn source_dir(root: &Path, function: &FunctionManifest) -> PathBuf {
    root.join(function.source())
}

fn read_lock(root: &Path) -> Result<Lock, Failure> {
    Lock::read(root).map_err(|e| {
        Failure::from_error(Cause::Build, root.display(), &e)
            .hint(format!("delete {LOCK_FILE} and run `mu build`, which builds everything and writes it anew"))
    })
}

fn write_lock(root: &Path, lock: &Lock) -> Result<(), Failure> {
    lock.write(root).map_err(|e| Failure::from_error(Cause::Build, format!("writing {LOCK_FILE}"), &e))
}

/// One function to be built.
struct Job<'a> {
    root: &'a Path,
    manifest: &'a Manifest,
    function: &'a FunctionManifest,
    builder: Option<Builder>,
}

impl Job<'_> {
    fn state(&self, lock: &Lock) -> Result<FunctionState, Failure> {
        let (module, build) = (self.module_hash()?, self.function.build());
        let folder = source_dir(self.root, self.function);
        let state = |freshness| FunctionState { freshness, build: build.clone(), folder };
        if *build == Build::None {
            // Nothing makes it, so it has to be there.
            return match module {
                Some(_) => Ok(state(Freshness::UpToDate)),
                None => Err(self
                    .failed(format!("its module {} does not exist", self.function.module()))
                    .hint("put it there, or say with `lang` or `build` how it is made")),
            };
        }
        let recorded = lock.built(self.function.name().as_str());
        let is_same = match (recorded, module) {
            (Some(recorded), Some(module)) => {
                recorded.module == module && recorded.source == self.sources()?.hash(&self.definition()?)
            }
            _ => false,
        };
        Ok(state(if is_same { Freshness::UpToDate } else { Freshness::Stale }))
    }

    fn build(&self) -> Result<Built, Failure> {
        let build = self.function.build();
        let (started, definition, before) = (Instant::now(), self.definition()?, self.sources()?);
        if before.is_empty() && !matches!(build, Build::Image(_)) {
            return Err(self
                .failed(format!("its source directory {} is missing or empty", self.function.source()))
                .hint("create it, or name another with `source`"));
        }
        self.make(build, &before)?;
        let module = self.module_hash()?.ok_or_else(|| {
            self.failed(format!("the build succeeded, but {} does not exist", self.function.module()))
                .hint("`module` names the file that `build` makes")
        })?;
        // A file that was edited during the build may or may not be in the module: it counts as changed.
        let after = self.sources()?;
        let source = if before.is_unedited(&after) { &after } else { &before }.hash(&definition);
        let seconds = started.elapsed().as_secs_f32();
        terminal::say(format!("Built {BOLD}{}{BOLD:#} {DIM}in {seconds:.1} s{DIM:#}", self.function.name()));
        Ok(Built { source, module })
    }

    fn make(&self, build: &Build, sources: &Sources) -> Result<(), Failure> {
        let progress = Progress::start(format!("Building {BOLD}{}{BOLD:#}", self.function.name()));
        match build {
            Build::Language(language) => {
                let folder = source_dir(self.root, self.function);
                let source = self.source(&folder);
                let made = match language {
                    Language::Rust => cargo::build(&source, &progress),
                    Language::JavaScript => javascript::build(&source, &progress),
                    Language::Python => python::build(&source, &progress),
                    Language::Go => go::build(&source, &progress),
                    Language::C => c::build(&source, &progress),
                }?;
                let module = module_path(self.root, self.function);
                let copy = || -> io::Result<()> {
                    file::create_parent(&module)?;
                    file::write_atomically(&module, &fs::read(&made)?)
                };
                copy().map_err(|e| self.failed(format!("writing {}: {e}", module.display())))
            }
            Build::Container => {
                let folder = source_dir(self.root, self.function);
                let source = self.source(&folder);
                let made = container::build(&source, &self.recipe()?, sources, self.builder, &progress)?;
                // Too large to go through memory.
                let module = module_path(self.root, self.function);
                let moved = file::create_parent(&module).and_then(|()| file::move_to(&made, &module));
                moved.map_err(|e| self.failed(format!("writing {}: {e}", module.display())))
            }
            Build::Image(image) => {
                let module = module_path(self.root, self.function);
                let bytes = ContainerArtifact::bytes_of(image);
                let written = file::create_parent(&module).and_then(|()| file::write_atomically(&module, &bytes));
                written.map_err(|e| self.failed(format!("writing {}: {e}", module.display())))
            }
            Build::None => Ok(()),
            Build::Command(command) => {
                let folder = source_dir(self.root, self.function);
                let mut shell = Command::new("sh");
                shell.arg("-c").arg(command).current_dir(folder);
                let done = process::run(&mut shell, Stdout::Talk, &progress)
                    .map_err(|e| self.failed(format!("starting `sh -c`: {e}")))?;
                if done.status.success() {
                    return Ok(());
                }
                Err(self.failed(format!("`{command}` ended with {}", done.status)).detail(done.said))
            }
        }
    }

    /// How the function is built, as it enters the hash: a change of it makes another module.
    fn definition(&self) -> Result<String, Failure> {
        Ok(match self.function.build() {
            Build::Language(Language::Rust) if self.function.runtime().is_component() => "rust component".to_owned(),
            Build::Language(Language::Rust) => format!("rust {}", toolchain::TARGET),
            Build::Language(language) => language.to_string(),
            Build::Container => container::definition(&source_dir(self.root, self.function), &self.recipe()?)?,
            Build::Image(image) => format!("image {image}"),
            Build::Command(command) => format!("command {command}"),
            Build::None => String::new(),
        })
    }

    /// How the image of a container is built.
    fn recipe(&self) -> Result<Recipe, Failure> {
        let folder = source_dir(self.root, self.function);
        let found = find_func(&folder)?;
        Recipe::of(found.as_ref().map(|found| &found.file), |name| folder.join(name).is_file()).map_err(|e| {
            self.failed(format!("{}: {e}", self.function.source()))
                .hint("`mu init --runtime python DIR` makes a function to look at")
        })
    }

    fn source<'f>(&'f self, folder: &'f Path) -> Source<'f> {
        let (name, runtime) = (self.function.name().as_str(), self.function.runtime());
        Source { root: self.root, name, folder, runtime }
    }

    fn sources(&self) -> Result<Sources, Failure> {
        let folder = source_dir(self.root, self.function);
        let mut except = vec![module_path(self.root, self.function)];
        match self.function.build() {
            // Nothing is built.
            Build::Image(_) => return Ok(Sources::default()),
            Build::Container => except.extend(container::except(self.root, &folder, self.manifest)?),
            _ => {}
        }
        Sources::read(self.root, &folder, &except).map_err(|e| self.failed(format!("reading its sources: {e}")))
    }

    /// The hash of the module, when it is there.
    fn module_hash(&self) -> Result<Option<blake3::Hash>, Failure> {
        let hash = |path: &Path| -> io::Result<blake3::Hash> {
            Ok(blake3::Hasher::new().update_reader(fs::File::open(path)?)?.finalize())
        };
        match hash(&module_path(self.root, self.function)) {
            Ok(hash) => Ok(Some(hash)),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(self.failed(format!("reading {}: {e}", self.function.module()))),
        }
    }

    fn failed(&self, why: impl std::fmt::Display) -> Failure {
        Failure::new(Cause::Build, format!("building function `{}`: {why}", self.function.name()))
    }
}
