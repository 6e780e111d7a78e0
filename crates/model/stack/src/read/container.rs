//! Reads what is said of functions that are containers, and of no others.

use crate::container::{ContainerSettings, Network};
use crate::duration::HumanDuration;
use crate::keys::NETWORKS;
use crate::manifest::Build;
use crate::problem::Problems;
use crate::stack::{FunctionLimits, Instances, Runtime};
use crate::yaml::Entry;

use super::{Fields, WholeNumber, function};

/// Keys that only containers have.
const ONLY_CONTAINERS: [&str; 4] = ["image", "idle_timeout", "min_instances", "network"];

/// Keys that containers don't have, and what they have instead.
const NOT_CONTAINERS: [(&str, &str); 2] = [
    ("lang", "leave it out: an image is built from `func.yaml` or `Dockerfile` in `source`"),
    ("instances", "leave it out: a container serves calls one after the other, until `idle_timeout`"),
];

/// The settings of containers; notes what does not go with the runtime.
pub(crate) fn settings(
    fields: &Fields<'_>,
    runtime: Runtime,
    limits: &FunctionLimits,
    problems: &mut Problems,
) -> ContainerSettings {
    let usual = ContainerSettings::default();
    if runtime != Runtime::Container {
        // A runtime that is misspelt may have been meant to be this one.
        let is_known = fields.entry("runtime").is_none_or(|entry| {
            entry.node.scalar().is_some_and(|word| Runtime::ALL.iter().any(|runtime| runtime.as_str() == word))
        });
        for entry in fields.written(&ONLY_CONTAINERS).filter(|_| is_known) {
            let hint = "add `runtime: container`, or leave it out".to_owned();
            problems.hint(entry.position, format!("`{}` is for containers only", entry.key), hint);
        }
        return usual;
    }
    for (key, hint) in NOT_CONTAINERS {
        for Entry { position, .. } in fields.written(&[key]) {
            problems.hint(*position, format!("`{key}` is not for containers"), hint.to_owned());
        }
    }
    let idle_timeout = fields.parsed::<HumanDuration>("idle_timeout", problems);
    let min_instances = fields.parsed::<WholeNumber>("min_instances", problems);
    let word = fields.word("network", &NETWORKS, "a network is `none` or `egress`", problems);
    let settings = ContainerSettings {
        idle_timeout: idle_timeout.map_or(usual.idle_timeout, |(timeout, _)| timeout.duration()),
        min_instances: min_instances.map_or(usual.min_instances, |(count, _)| count.0),
        network: Network::ALL.into_iter().find(|network| Some(network.as_str()) == word).unwrap_or_default(),
    };
    // A key that is not for containers has been told about: what it says does not count.
    for (key, mistake) in settings.mistakes(runtime, limits, Instances::default()) {
        problems.add(fields.entry(key).map(|entry| entry.node.position), mistake);
    }
    settings
}

/// Where the image of a container comes from.
pub(crate) fn build(fields: &Fields<'_>, problems: &mut Problems) -> Build {
    let written = |key| fields.entry(key);
    if let Some((image, _)) = fields.parsed("image", problems) {
        for entry in fields.written(&["build", "source", "module"]) {
            let hint = "an image that is there already is not built; keep one of the two".to_owned();
            problems.hint(entry.position, format!("a function has `image` or `{}`, not both", entry.key), hint);
        }
        return Build::Image(image);
    }
    match (written("build"), written("source"), written("module")) {
        (Some(_), _, None) => {
            let hint = "add `module`, or leave `build` out to build `func.yaml` or `Dockerfile` in `source`".to_owned();
            let message = "`build` is there, but not `module`, the archive that it makes";
            problems.hint(fields.position(), message, hint);
            Build::None
        }
        (Some(_), _, Some(_)) => function::command(fields, problems).map_or(Build::None, Build::Command),
        // An archive that nothing makes.
        (None, None, Some(_)) => Build::None,
        (None, ..) => Build::Container,
    }
}
