//! Tells when something in a project has changed.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
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
    shared: Arc<Shared>,
}

struct Shared {
    concern: Mutex<Concern>,
    changed: Notify,
}

/// What of a project makes another version of it.
#[derive(Debug, PartialEq, Eq)]
struct Concern {
    /// The manifest, the modules, and the values of secrets.
    files: Vec<PathBuf>,
    /// The sources.
    folders: Vec<PathBuf>,
}

impl Watcher {
    /// Starts to watch the manifest of `project`; see [`Watcher::follow`] for what it names.
    pub(super) fn start(project: &Project) -> notify::Result<Self> {
        let concern = Concern { files: vec![project.manifest_path()], folders: Vec::new() };
        let shared = Arc::new(Shared { concern: Mutex::new(concern), changed: Notify::new() });
        let told = Arc::clone(&shared);
        let mut watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            // An error, such as an overflow of the system's queue, may hide a change.
            if event.map_or(true, |event| told.concern().is_touched_by(&event)) {
                told.changed.notify_one();
            }
        })?;
        watcher.watch(project.root(), RecursiveMode::NonRecursive)?;
        let watched = BTreeMap::from([(project.root().to_owned(), RecursiveMode::NonRecursive)]);
        Ok(Self { watcher, watched, shared })
    }

    /// Watches what `manifest` names, and nothing that it named before. What cannot be watched is returned.
    pub(super) fn follow(&mut self, project: &Project, manifest: &Manifest) -> Vec<(PathBuf, notify::Error)> {
        let concern = Concern::of(project, manifest);
        let wanted = concern.watches();
        *self.shared.concern() = concern;
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
        self.shared.changed.notified().await;
        let latest = Instant::now() + UNREST_MAX;
        loop {
            let quiet = (Instant::now() + QUIET).min(latest);
            if timeout_at(quiet, self.shared.changed.notified()).await.is_err() {
                return sleep_until(quiet).await;
            }
        }
    }
}

impl Shared {
    fn concern(&self) -> MutexGuard<'_, Concern> {
        self.concern.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Concern {
    fn of(project: &Project, manifest: &Manifest) -> Self {
        let root = project.root();
        let modules = manifest.functions().map(|function| build::module_path(root, function));
        let built = manifest.functions().filter(|function| *function.build() != Build::None);
        let sources = built.map(|function| build::source_dir(root, function));
        // A function of an app may appear in any of its folders.
        let all = project.is_app().then(|| root.to_owned());
        Self {
            files: modules.chain([project.manifest_path(), project.secrets_path()]).collect(),
            folders: sources.chain(all).collect(),
        }
    }

    /// What to watch to hear of it. A file is watched through its folder, because many programs replace files instead
    /// of writing them; a folder that is not there yet through the nearest one that is.
    fn watches(&self) -> BTreeMap<PathBuf, RecursiveMode> {
        let mut watches = BTreeMap::new();
        let existing = |path: &Path| path.ancestors().find(|folder| folder.is_dir()).map(Path::to_owned);
        for folder in self.files.iter().filter_map(|file| existing(file.parent()?)) {
            watches.insert(folder, RecursiveMode::NonRecursive);
        }
        for folder in &self.folders {
            match existing(folder) {
                Some(found) if found == *folder => drop(watches.insert(found, RecursiveMode::Recursive)),
                Some(found) => drop(watches.entry(found).or_insert(RecursiveMode::NonRecursive)),
                None => {}
            }
        }
        watches
    }

    /// Whether an event may be an edit. Reading is none, and neither is what compilers make.
    fn is_touched_by(&self, event: &notify::Event) -> bool {
        let is_reading = matches!(event.kind, EventKind::Access(_) | EventKind::Modify(ModifyKind::Metadata(_)));
        !is_reading && (event.paths.is_empty() || event.paths.iter().any(|path| self.has(path)))
    }

    fn has(&self, path: &Path) -> bool {
        // A folder on the way to one of ours may have appeared or gone.
        let is_above = |ours: &PathBuf| ours.starts_with(path);
        let is_source = |folder: &PathBuf| path.strip_prefix(folder).is_ok_and(|within| !build::is_made(within));
        self.files.iter().any(is_above) || self.folders.iter().any(|folder| is_above(folder) || is_source(folder))
    }
}

#[cfg(test)]
mod tests {
    use notify::event::{AccessKind, CreateKind, DataChange, MetadataKind};

    use super::*;

    #[test]
    fn only_edits_of_what_the_manifest_names_are_changes() {
        // That the project itself is in a folder called `target` means nothing.
        let root = Path::new("/target/p");
        let concern = Concern {
            files: vec![root.join("mu.yaml"), root.join("modules/a.wasm")],
            folders: vec![root.join("functions/a")],
        };
        let written = EventKind::Modify(ModifyKind::Data(DataChange::Any));
        let created = EventKind::Create(CreateKind::Any);
        for (kind, path, expected) in [
            (written, "mu.yaml", true),
            (written, "modules/a.wasm", true),
            (created, "functions", true),
            (created, "functions/a/src/new.rs", true),
            (EventKind::Access(AccessKind::Any), "mu.yaml", false),
            (EventKind::Modify(ModifyKind::Metadata(MetadataKind::Any)), "mu.yaml", false),
            (written, "functions/a/target/release/a.d", false),
            (written, "functions/b/src/main.rs", false),
            (written, "output.log", false),
            (written, "mu.lock", false),
            (created, ".mu/data/db.redb", false),
        ] {
            let event = notify::Event::new(kind).add_path(root.join(path));
            assert_eq!(concern.is_touched_by(&event), expected, "{kind:?} {path}");
        }
        assert!(concern.is_touched_by(&notify::Event::new(EventKind::Other)));
    }

    #[test]
    fn what_is_not_there_yet_is_watched_through_what_is() {
        let root = tempfile::tempdir().unwrap();
        let concern = Concern {
            files: vec![root.path().join("mu.yaml"), root.path().join("modules/a.wasm")],
            folders: vec![root.path().join("functions/a"), root.path().join("source")],
        };
        std::fs::create_dir_all(root.path().join("functions")).unwrap();
        std::fs::create_dir_all(root.path().join("source")).unwrap();
        let expected = [
            (root.path().to_owned(), RecursiveMode::NonRecursive),
            (root.path().join("functions"), RecursiveMode::NonRecursive),
            (root.path().join("source"), RecursiveMode::Recursive),
        ];
        assert_eq!(concern.watches(), BTreeMap::from(expected));
    }
}
