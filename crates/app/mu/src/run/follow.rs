//! Follows a project's changes: what is served is always the last version that works.

use std::sync::Arc;
use std::time::{Duration, Instant};

use mu_node::Node;
use mu_stack::{Manifest, Stack, StackId};

use crate::build::Options;
use crate::failure::{Cause, Failure};
use crate::local_node;
use crate::project::Project;
use crate::report::{Event, Reporter};
use crate::run::announce::Announcer;
use crate::run::version::{Identity, Version};
use crate::run::watch::Watcher;
use crate::terminal::{self, DIM};

/// A project and what of it is deployed.
pub(super) struct Session {
    project: Project,
    node: Arc<Node>,
    options: Options,
    deployed: Identity,
}

impl Session {
    /// Deploys the first version. Later ones are built with these options.
    pub(super) async fn start(
        project: Project,
        node: Arc<Node>,
        options: Options,
        version: Version,
    ) -> Result<Self, Failure> {
        let deployed = version.identity();
        local_node::deploy(&node, version).await?;
        Ok(Self { project, node, options, deployed })
    }

    /// Deploys every change that works, and tells about those that do not. Never ends.
    pub(super) async fn follow(&mut self, announcer: &mut Announcer<'_>, reporter: &Reporter) {
        let mut watcher = match Watcher::start(&self.project) {
            Ok(watcher) => watcher,
            Err(e) => {
                terminal::say(format!("Changes are not followed: {e}"));
                return std::future::pending().await;
            }
        };
        loop {
            // The first round finds what has changed before the watch began, mostly nothing.
            let started = Instant::now();
            match self.update(&mut watcher).await {
                Ok(true) => {
                    let duration = started.elapsed();
                    if let Err(failure) = announcer.announce(self.stack_id(), self.stack()) {
                        terminal::say(failure.render().trim_end());
                    }
                    tell_reloaded(duration, reporter);
                }
                Ok(false) => {}
                Err(failure) => tell_failed(&failure, reporter),
            }
            watcher.changed().await;
        }
    }

    pub(super) fn stack_id(&self) -> StackId {
        self.deployed.id()
    }

    pub(super) fn stack(&self) -> &Stack {
        self.deployed.stack()
    }

    /// Whether there was a new version, which is deployed now.
    async fn update(&mut self, watcher: &mut Watcher) -> Result<bool, Failure> {
        let manifest = self.project.load()?;
        // Like the manifest, the sources are read only after the watch of them has begun: no edit is missed.
        for (path, error) in watcher.follow(&self.project, &manifest) {
            terminal::say(format!("Changes below {} are not followed: {error}", path.display()));
        }
        let version = build(self.project.clone(), manifest, self.options).await?;
        let identity = version.identity();
        if identity == self.deployed {
            return Ok(false);
        }
        local_node::deploy(&self.node, version).await?;
        let before = std::mem::replace(&mut self.deployed, identity);
        if before.id() != self.deployed.id() {
            self.node.remove(&before.id());
        }
        Ok(true)
    }
}

async fn build(project: Project, manifest: Manifest, options: Options) -> Result<Version, Failure> {
    let build = move || Version::build(&project, &manifest, options);
    let built = tokio::task::spawn_blocking(build).await;
    built.unwrap_or_else(|e| Err(Failure::from_error(Cause::Failed, "building", &e)))
}

fn tell_reloaded(duration: Duration, reporter: &Reporter) {
    terminal::say(format!("Serving the new version {DIM}after {} ms{DIM:#}", duration.as_millis()));
    let duration_ms = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    reporter.event(Event::Reloaded { duration_ms });
}

fn tell_failed(failure: &Failure, reporter: &Reporter) {
    terminal::say(failure.render().trim_end());
    terminal::say(format!("{DIM}The version before is still served{DIM:#}"));
    reporter.event(Event::ReloadFailed { error: failure.message().to_owned() });
}
