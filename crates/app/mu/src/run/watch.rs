//! Tells when something in a project has changed.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use mu_stack::{Build, Manifest};
use notify::event::{EventKind, ModifyKind};
use notify::{RecommendedWatcher, RecursiveMode, Watcher as _};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until, timeout_at};

use crate::build;
use crate::project::Project;

/// An editor that saves, or a compiler that writes, touches several files within moments: the quiet that must follow
/// before the project is looked at.
const QUIET: Duration = Duration::from_millis(60);

/// When changes never cease: after this long the project is looked at anyway.
const UNREST_MAX: Duration = Duration::from_millis(500);

/// Watches the manifest, the sources and the modules of a project.
pub(super) struct Watcher {
    watcher: RecommendedWatcher,
    watched: BTreeMap<PathBuf, RecursiveMode>,
    changed: Arc<Notify>,
}

impl Watcher {
    /// Starts to watch the manifest of `project`; see [`Watcher::follow`] for what it names.
    pub(super) fn start(project: &Project) -> notify::Result<Self> {
        let changed = Arc::new(Notify::new());
        let (notify, root) = (Arc::clone(&changed), project.root().to_owned());
        let mut watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            // An error, such as an overflow of the system's queue, may hide a change.
            if event.map_or(true, |event| is_change(&root, &event)) {
                notify.notify_one();
            }
        })?;
        watcher.watch(project.root(), RecursiveMode::NonRecursive)?;
        let watched = BTreeMap::from([(project.root().to_owned(), RecursiveMode::NonRecursive)]);
        Ok(Self { watcher, watched, changed })
    }

    /// Watches what `manifest` names, and nothing that it named before. What cannot be watched is returned.
    pub(super) fn follow(&mut self, project: &Project, manifest: &Manifest) -> Vec<(PathBuf, notify::Error)> {
        let wanted = folders(project, manifest);
        for gone in self.watched.keys().filter(|path| !wanted.contains_key(*path)) {
            // It may have been deleted, which ends the watch by itself.
            let _ = self.watcher.unwatch(gone);
        }
        self.watched.retain(|path, mode| wanted.get(path) == Some(mode));
        let mut failed = Vec::new();
        for (path, mode) in wanted {
            if self.watched.contains_key(&path) {
                continue;
            }
            match self.watcher.watch(&path, mode) {
                Ok(()) => {
                    self.watched.insert(path, mode);
                }
                Err(e) => failed.push((path, e)),
            }
        }
        failed
    }

    /// Resolves when something has changed, and nothing more for a moment. Cancellation-safe up to the first change.
    pub(super) async fn changed(&self) {
        self.changed.notified().await;
        let latest = Instant::now() + UNREST_MAX;
        loop {
            let quiet = (Instant::now() + QUIET).min(latest);
            if timeout_at(quiet, self.changed.notified()).await.is_err() {
                return sleep_until(quiet).await;
            }
        }
    }
}

/// The folders to watch. A file is watched through its folder: many programs replace files instead of writing them.
fn folders(project: &Project, manifest: &Manifest) -> BTreeMap<PathBuf, RecursiveMode> {
    let root = project.root();
    let mut folders = BTreeMap::from([(root.to_owned(), RecursiveMode::NonRecursive)]);
    for function in manifest.functions() {
        if let Some(parent) = build::module_path(root, function).parent() {
            folders.entry(parent.to_owned()).or_insert(RecursiveMode::NonRecursive);
        }
        if *function.build() != Build::None {
            folders.insert(build::source_dir(root, function), RecursiveMode::Recursive);
        }
    }
    folders.retain(|path, _| path.is_dir());
    folders
}

/// Whether an event may be an edit of the project at `root`. Reading is none, and neither is what compilers and mu
/// itself make.
fn is_change(root: &Path, event: &notify::Event) -> bool {
    let is_reading = matches!(event.kind, EventKind::Access(_) | EventKind::Modify(ModifyKind::Metadata(_)));
    let is_own = |path: &PathBuf| build::is_made(path.strip_prefix(root).unwrap_or(path)) || is_temporary(path);
    !is_reading && (event.paths.is_empty() || !event.paths.iter().all(is_own))
}

/// A file that is not in its place yet.
fn is_temporary(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(crate::file::TEMPORARY_PREFIX))
}

#[cfg(test)]
mod tests {
    use notify::event::{AccessKind, CreateKind, DataChange, MetadataKind};

    use super::*;

    #[test]
    fn reading_and_making_are_no_changes() {
        // That the project itself is in a folder called `target` means nothing.
        let root = Path::new("/target/p");
        let (written, created) =
            (EventKind::Modify(ModifyKind::Data(DataChange::Any)), EventKind::Create(CreateKind::File));
        let touched = EventKind::Modify(ModifyKind::Metadata(MetadataKind::Any));
        for (kind, path, expected) in [
            (written, "/target/p/mu.yaml", true),
            (created, "/target/p/functions/a/src/new.rs", true),
            (EventKind::Access(AccessKind::Any), "/target/p/mu.yaml", false),
            (touched, "/target/p/mu.yaml", false),
            (written, "/target/p/functions/a/target/release/a.d", false),
            (created, "/target/p/.mu/data/db.redb", false),
            (created, "/target/p/modules/.mu-x1y2", false),
        ] {
            let event = notify::Event::new(kind).add_path(PathBuf::from(path));
            assert_eq!(is_change(root, &event), expected, "{kind:?} {path}");
        }
        assert!(is_change(root, &notify::Event::new(EventKind::Other)));
    }
}
