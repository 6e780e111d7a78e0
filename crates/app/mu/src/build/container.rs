//! `runtime: container`: a folder with a func file or a `Dockerfile` becomes the archive of an image.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use mu_stack::Manifest;
use mu_stack::func::{APP_FILE, DOCKERFILE, Recipe, unbumped};

use crate::build::builder::{Builder, Order};
use crate::build::lock::LOCK_FILE;
use crate::build::source::Source;
use crate::build::source_dir;
use crate::build::source_hash::Sources;
use crate::failure::{Cause, Failure};
use crate::file;
use crate::project::{FoundFunc, SECRETS_FILE, find_func};
use crate::terminal::Progress;

/// Where modules are, unless the manifest says otherwise.
const MODULES: &str = "modules";

/// Builds the image and answers with the path of its archive.
pub(crate) fn build(
    source: &Source<'_>,
    recipe: &Recipe,
    sources: &Sources,
    wanted: Option<Builder>,
    progress: &Progress,
) -> Result<PathBuf, Failure> {
    let builder = Builder::find(wanted).map_err(|none| source.failed(none.to_string()).hint(none.hint()))?;
    let work = source.root.join(".mu/target/container").join(source.name);
    let failed = |e: io::Error| source.failed(format!("preparing {}: {e}", work.display()));
    let archive = work.with_added_extension("tar");
    // A builder may add to one that is there.
    remove(&archive).map_err(failed)?;
    let context = match recipe {
        // Its author knows what it needs, which may be files that git does not see.
        Recipe::Own => source.folder.to_owned(),
        Recipe::Made(_) => {
            let context = work.join("context");
            copy(source, sources, &context).map_err(failed)?;
            context
        }
    };
    let dockerfile = match recipe {
        Recipe::Own => source.folder.join(DOCKERFILE),
        Recipe::Made(text) => {
            let path = work.join(DOCKERFILE);
            fs::write(&path, text).map_err(failed)?;
            path
        }
    };
    file::create_parent(&archive).map_err(failed)?;
    // The same one every time, so that what was built before is found again and no heap of images grows.
    let place = blake3::hash(work.as_os_str().as_encoded_bytes()).to_hex();
    let tag = format!("localhost/mu-build/{}:latest", &place[..16]);
    let order = Order { context: &context, dockerfile: &dockerfile, tag: &tag, archive: &archive };
    for mut step in builder.steps(&order) {
        source.run(builder.name(), &mut step, progress)?;
    }
    Ok(archive)
}

/// What is in a function's folder and no source of its image. Where the folder is the project's own, that is what mu keeps
/// there, and the folders of other functions. The func file is part of [`definition`].
pub(crate) fn except(root: &Path, folder: &Path, manifest: &Manifest) -> Result<Vec<PathBuf>, Failure> {
    let mut except: Vec<_> = [MODULES, LOCK_FILE, SECRETS_FILE, APP_FILE].iter().map(|name| root.join(name)).collect();
    let others = manifest.functions().map(|function| source_dir(root, function));
    except.extend(others.filter(|other| other != folder && other.starts_with(folder)));
    except.extend(find_func(folder)?.map(|found| found.path));
    Ok(except)
}

/// How the image is built. A func file says so, and is no part of what is built, unless a `Dockerfile` of its author's
/// copies it; a new version alone is no reason to build again.
pub(crate) fn definition(folder: &Path, recipe: &Recipe) -> Result<String, Failure> {
    let func = match (recipe, find_func(folder)?) {
        (Recipe::Made(dockerfile), _) => dockerfile.clone(),
        (Recipe::Own, None) => String::new(),
        (Recipe::Own, Some(FoundFunc { path, .. })) => {
            let text = fs::read_to_string(&path).map_err(|e| Failure::from_error(Cause::Build, path.display(), &e))?;
            unbumped(&text)
        }
    };
    Ok(format!("container {func}"))
}

/// Copies the sources, so that nothing else gets into the image, and what is hashed is what is built.
fn copy(source: &Source<'_>, sources: &Sources, context: &Path) -> io::Result<()> {
    match fs::remove_dir_all(context) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
        _ => fs::create_dir_all(context)?,
    }
    for name in sources.files() {
        let from = source.root.join(name);
        let to = context.join(from.strip_prefix(source.folder).map_err(io::Error::other)?);
        file::create_parent(&to)?;
        if from.is_symlink() {
            std::os::unix::fs::symlink(fs::read_link(&from)?, &to)?;
        } else {
            fs::copy(&from, &to)?;
        }
    }
    Ok(())
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(e),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_version_alone_is_no_reason_to_build_again() {
        let folder = tempfile::tempdir().unwrap();
        let definition = |text: &str| {
            fs::write(folder.path().join("func.yaml"), text).unwrap();
            definition(folder.path(), &Recipe::Own).unwrap()
        };
        let first = definition("name: a\nconfig: {A: b}\n");
        assert_eq!(definition("name: a\nversion: 0.0.2\nconfig: {A: b}\n"), first);
        assert_eq!(definition("name: a\nversion: 0.0.3\nconfig: {A: b}\n"), first);
        assert_ne!(definition("name: a\nversion: 0.0.3\nconfig: {A: c}\n"), first);
    }
}
