//! `mu push`: images of functions, sent to a registry.

use std::env;
use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use mu_image::ImageError;
use mu_stack::func::{FuncName, FuncVersion};
use mu_stack::{Build, FunctionManifest, ImageRef, Manifest};

use crate::build::{self, BuilderArgs, Options, Tell};
use crate::failure::{Cause, Failure};
use crate::local_node;
use crate::project::{Project, find_func};
use crate::registries::registries;
use crate::terminal::{self, BOLD, Progress};

/// Build the images of functions, and send them to a registry
///
/// An image is called REGISTRY/NAME:VERSION, after the name and the version in its func file; only layers that the
/// registry lacks are sent. Prints the references, each with the digest that the image has there. Credentials are those
/// that `docker login`, `podman login` or `buildah login` keeps in a file; login helpers (`credsStore`, `credHelpers`) are
/// not run.
#[derive(Args, Debug)]
pub(crate) struct Arguments {
    /// The project: a directory with mu.yaml, app.yaml or func.yaml, or one below it
    #[arg(default_value = ".")]
    dir: PathBuf,
    #[command(flatten)]
    registry: RegistryArgs,
    #[command(flatten)]
    builder: BuilderArgs,
}

/// Where images go.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct RegistryArgs {
    /// Where images go: `me`, `localhost:5000` or `registry.example/team` [default: MU_REGISTRY, else FN_REGISTRY]
    #[arg(long)]
    registry: Option<String>,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let project = Project::find(&arguments.dir)?;
    let manifest = project.load()?;
    let built: Vec<_> = manifest.functions().filter(|function| *function.build() == Build::Container).collect();
    let images = Images::new(&project, &manifest, &arguments.registry);
    let mut targets = Vec::new();
    for function in built {
        let target = images.target(function)?.ok_or_else(|| {
            Failure::new(Cause::Failed, format!("nothing says where the image of function `{}` goes", function.name()))
                .hint("name a registry with --registry, MU_REGISTRY or FN_REGISTRY")
        })?;
        targets.push((function, target));
    }
    if targets.is_empty() {
        return Err(Failure::new(Cause::Failed, "no function is built as the image of a container"));
    }
    let options = Options::of(Tell::Built).with(arguments.builder);
    build::build(&project, &manifest, targets.iter().map(|(function, _)| *function), options)?;
    for (function, target) in targets {
        let pushed = images.push(function, &target)?;
        terminal::print(format!("{pushed}\n"))
            .map_err(|e| Failure::from_error(Cause::Failed, "writing to standard output", &e))?;
    }
    Ok(())
}

/// The images of a project's functions, and where they go.
pub(crate) struct Images<'a> {
    project: &'a Project,
    manifest: &'a Manifest,
    registry: Option<String>,
}

impl<'a> Images<'a> {
    pub(crate) fn new(project: &'a Project, manifest: &'a Manifest, arguments: &RegistryArgs) -> Self {
        let given = [arguments.registry.clone(), env::var("MU_REGISTRY").ok(), env::var("FN_REGISTRY").ok()];
        let registry = given.into_iter().flatten().find(|registry| !registry.is_empty());
        Self { project, manifest, registry }
    }

    /// Where the image of a function goes; `None` if nothing says so.
    pub(crate) fn target(&self, function: &FunctionManifest) -> Result<Option<ImageRef>, Failure> {
        let found = find_func(&build::source_dir(self.project.root(), function))?;
        let (name, version) = match found.map(|found| found.file) {
            Some(file) => (file.name.unwrap_or_else(|| function.name().clone().into()), file.version),
            // A Dockerfile alone has the version of the stack, if that is one.
            None => (FuncName::from(function.name().clone()), self.manifest.version().parse().unwrap_or_default()),
        };
        if self.registry.is_none() && !name.as_str().contains('/') {
            return Ok(None);
        }
        self.named(&name, &version).map(Some)
    }

    fn named(&self, name: &FuncName, version: &FuncVersion) -> Result<ImageRef, Failure> {
        name.image(self.registry.as_deref(), version).map_err(|e| {
            let registry = self.registry.as_deref().unwrap_or_default();
            Failure::new(Cause::Failed, format!("`{registry}/{name}:{version}`: {e}")).hint(
                "a registry is a host, a host and a path, or a user of Docker Hub; names of images are in lower case",
            )
        })
    }

    /// Sends the image of a function that was built, and answers its reference with the digest that it has now.
    pub(crate) fn push(&self, function: &FunctionManifest, target: &ImageRef) -> Result<ImageRef, Failure> {
        let archive = build::module_path(self.project.root(), function);
        let progress = Arc::new(Progress::start(format!("Pushing {BOLD}{target}{BOLD:#}")));
        let show = {
            let progress = Arc::clone(&progress);
            move |sent: mu_image::PushProgress| {
                progress.show(&format!("{} of {} MB", sent.sent_bytes / 1_000_000, sent.total_bytes / 1_000_000));
            }
        };
        let failed = |e: &ImageError| failure(format!("pushing {target}"), e);
        let reference = reference(target).map_err(|e| failed(&e))?;
        let registries = registries()?;
        let pushed = local_node::runtime()?.block_on(mu_image::push(&archive, &reference, &registries, show));
        drop(progress);
        named(&pushed.map_err(|e| failed(&e))?)
    }

    /// The same image by its digest, so that what is deployed stays what it is.
    pub(crate) fn resolve(&self, image: &ImageRef) -> Result<ImageRef, Failure> {
        if image.has_digest() {
            return Ok(image.clone());
        }
        let failed = |e: &ImageError| failure(format!("looking for image {image}"), e);
        let reference = reference(image).map_err(|e| failed(&e))?;
        let resolved = local_node::runtime()?.block_on(mu_image::resolve(&reference, &registries()?));
        named(&resolved.map_err(|e| failed(&e))?)
    }
}

fn failure(doing: String, error: &ImageError) -> Failure {
    let failure = Failure::from_error(Cause::Failed, doing, error);
    match error {
        ImageError::Denied { .. } => failure.hint(
            "`podman login` and `buildah login` keep credentials where mu finds them, and so does `docker login`, unless \
             `credsStore` or `credHelpers` in its config.json name a program for it, which mu does not run",
        ),
        _ => failure,
    }
}

fn reference(image: &ImageRef) -> Result<mu_image::ImageRef, ImageError> {
    image.as_str().parse()
}

fn named(image: &mu_image::ImageRef) -> Result<ImageRef, Failure> {
    image.to_string().parse().map_err(|e| Failure::from_error(Cause::Failed, format!("the registry's {image}"), &e))
}
