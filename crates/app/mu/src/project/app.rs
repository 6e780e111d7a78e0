//! Projects that are described by files of Project Fn.

use std::env;
use std::path::{Path, PathBuf};

use ignore::WalkBuilder;
use mu_stack::func::{APP_FILE, App, AppFile, AppFunction, DOCKERFILE, FUNC_FILES, FuncFile, FuncLimits};

use super::{parse, problems, shown};
use crate::build::is_made;
use crate::failure::{Cause, Failure};

/// How deep the folders of functions may lie in that of their app.
const DEPTH_MAX: usize = 8;

/// A func file, as `mu schema` calls them all.
pub(crate) const FUNC_FILE: &str = FUNC_FILES[0];

/// A func file that was found.
pub(crate) struct FoundFunc {
    pub(crate) path: PathBuf,
    pub(crate) file: FuncFile,
}

/// The func file of a folder, if it has one.
pub(crate) fn find_func(folder: &Path) -> Result<Option<FoundFunc>, Failure> {
    let Some(path) = FUNC_FILES.iter().map(|name| folder.join(name)).find(|path| path.is_file()) else {
        return Ok(None);
    };
    let file = parse(&path, FUNC_FILE, FuncFile::parse)?;
    Ok(Some(FoundFunc { path, file }))
}

/// The app in a folder: that of its `app.yaml`, or of its func file alone. `limits` count most.
pub(super) fn load(root: &Path, limits: FuncLimits) -> Result<App, Failure> {
    let app_file = root.join(APP_FILE);
    let (has_app_file, mut broken) = (app_file.is_file(), Vec::new());
    let app = has_app_file.then(|| parse(&app_file, APP_FILE, AppFile::parse)).transpose();
    let app = app.unwrap_or_else(|failure| {
        broken.push(failure);
        None
    });
    let mut functions = Vec::new();
    for folder in if has_app_file { folders(root)? } else { vec![root.to_owned()] } {
        let found = find_func(&folder).unwrap_or_else(|failure| {
            broken.push(failure);
            None
        });
        let Some(FoundFunc { path, file }) = found else { continue };
        let has_dockerfile = folder.join(DOCKERFILE).is_file();
        let within = folder.strip_prefix(root).unwrap_or(&folder);
        let folder: Vec<_> = within.components().map(|part| part.as_os_str().to_string_lossy()).collect();
        let file_name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        functions.push(AppFunction { folder: folder.join("/"), file_name, file, has_dockerfile });
    }
    if let Some(failure) = Failure::of_files(broken) {
        return Err(failure);
    }
    let environment = FuncLimits::of_environment(|name| env::var(name).ok())
        .map_err(|e| Failure::from_error(Cause::Manifest, "the environment", &e))?;
    let folder = root.file_name().unwrap_or_default().to_string_lossy();
    App::new(app.as_ref(), &folder, &functions, limits.or(environment)).map_err(|mut report| {
        report.file = shown(&root.join(&report.file));
        problems(&report, if app.is_some() { APP_FILE } else { FUNC_FILE })
    })
}

/// The folder of an app and those below it, in order, but for what tools make and what git does not see.
fn folders(root: &Path) -> Result<Vec<PathBuf>, Failure> {
    let walk = WalkBuilder::new(root)
        .max_depth(Some(DEPTH_MAX))
        .parents(false)
        .ignore(false)
        .git_global(false)
        .git_exclude(false)
        .require_git(false)
        .filter_entry(|entry| entry.depth() == 0 || !is_made(entry.file_name().as_ref()))
        .build();
    let mut folders = Vec::new();
    for entry in walk {
        let entry = entry.map_err(|e| Failure::from_error(Cause::Manifest, shown(root), &e))?;
        if entry.file_type().is_some_and(|kind| kind.is_dir()) {
            folders.push(entry.into_path());
        }
    }
    folders.sort_unstable();
    Ok(folders)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn write(root: &Path, path: &str, text: &str) {
        let path = root.join(path);
        crate::file::create_parent(&path).unwrap();
        fs::write(path, text).unwrap();
    }

    #[test]
    fn the_functions_of_an_app_are_in_the_folders_below() {
        let root = tempfile::tempdir().unwrap();
        for (path, text) in [
            ("app.yaml", "name: shop"),
            ("func.yaml", "name: front\nruntime: node"),
            ("a/func.json", "{\"runtime\": \"go\"}"),
            ("b/c/func.yml", "path: /c"),
            ("node_modules/x/func.yaml", "not: one"),
            (".mu/x/func.yaml", "not: one"),
            ("ignored/func.yaml", "not: one"),
            (".gitignore", "ignored/"),
        ] {
            write(root.path(), path, text);
        }
        let manifest = load(root.path(), FuncLimits::default()).unwrap().manifest;
        let found: Vec<_> = manifest.functions().map(|f| (f.name().as_str(), f.source())).collect();
        assert_eq!(found, [("front", "."), ("a", "a"), ("c", "b/c")]);
        assert_eq!(manifest.name().as_str(), "shop");
    }

    #[test]
    fn a_func_file_alone_is_one_function() {
        let root = tempfile::tempdir().unwrap();
        write(root.path(), "func.yaml", "name: hello");
        write(root.path(), "below/func.yaml", "name: other");
        let manifest = load(root.path(), FuncLimits::default()).unwrap().manifest;
        assert_eq!(manifest.functions().map(|f| f.name().as_str()).collect::<Vec<_>>(), ["hello"]);
        write(root.path(), "func.yaml", "nmae: hello");
        assert!(load(root.path(), FuncLimits::default()).unwrap_err().message().ends_with("func.yaml has 1 problem"));
    }

    #[test]
    fn the_mistakes_of_all_files_are_told() {
        let root = tempfile::tempdir().unwrap();
        for (path, text) in
            [("app.yaml", "nmae: shop"), ("a/func.yaml", "nmae: a"), ("b/func.yaml", "memory: x"), ("c/func.yaml", "")]
        {
            write(root.path(), path, text);
        }
        let failure = load(root.path(), FuncLimits::default()).unwrap_err();
        assert_eq!(failure.message(), "4 files have mistakes");
        let told = failure.render();
        for place in ["app.yaml:1:1: ", "a/func.yaml:1:1: ", "b/func.yaml:1:9: ", "c/func.yaml: "] {
            assert!(told.contains(place), "{told}");
        }
    }

    #[test]
    fn the_command_line_counts_more_than_the_files() {
        let root = tempfile::tempdir().unwrap();
        write(root.path(), "func.yaml", "name: a\nmemory: 256\ntimeout: 5\n");
        let limits = FuncLimits { memory_mb: Some(512), ..FuncLimits::default() };
        let stack = load(root.path(), limits).unwrap().manifest.deployed_stack();
        let limits = stack.functions().next().unwrap().limits;
        assert_eq!((limits.memory.to_string().as_str(), limits.timeout.as_secs()), ("512MiB", 5));
    }
}
