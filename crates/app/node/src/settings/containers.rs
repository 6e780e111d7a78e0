//! The keys of containers, and the struct that they become.

use std::ffi::OsString;
use std::path::PathBuf;

use mu_image::ImageLimits;
use mu_runtime::ContainerConfig;
use mu_stack::ByteSize;

use super::kind::{Default, Key, Kind};
use super::layers;
use super::mistakes::{Collected, Mistakes};
use super::sources::{Override, Sources};
use super::table::{GIB, HOUR, MIB, MINUTE, count, duration, size, time};
use super::value::Value;
use super::values::Values;

/// What an operator can set about functions that are images of containers.
#[derive(Clone, Debug)]
pub struct ContainersSettings {
    /// What starts containers.
    pub runner: RunnerChoice,
    /// The program or the socket of that runner, if not the one that is found.
    pub runner_path: Option<PathBuf>,
    /// Whether containers are started although a limit cannot be enforced.
    pub allow_unenforced: bool,
    /// Limits of containers, one by one and together.
    pub engine: ContainerConfig,
    /// Limits of images.
    pub images: ImageLimits,
    /// Files with the credentials of registries, as `docker login` writes them; those of later ones count more.
    pub credentials: Vec<PathBuf>,
    /// Registries that are asked by plain HTTP. Those on loopback are anyway. `mu serve` asks none at an address that is
    /// not public unless it is here, or there are credentials for it.
    pub insecure_registries: Vec<String>,
}

/// What starts containers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RunnerChoice {
    /// The first of the others that passes a probe.
    Auto,
    /// `crun`.
    Crun,
    /// `runc`.
    Runc,
    /// A daemon that speaks Docker's API: Docker or Podman.
    Docker,
    /// Nothing: this node runs no containers.
    None,
}

impl RunnerChoice {
    const WORDS: &'static [&'static str] = &["auto", "crun", "runc", "docker", "none"];

    fn of(word: &str) -> Self {
        match word {
            "crun" => Self::Crun,
            "runc" => Self::Runc,
            "docker" => Self::Docker,
            "none" => Self::None,
            _ => Self::Auto,
        }
    }
}

impl std::default::Default for ContainersSettings {
    fn default() -> Self {
        Self {
            runner: RunnerChoice::Auto,
            runner_path: None,
            allow_unenforced: false,
            engine: ContainerConfig::default(),
            images: ImageLimits::default(),
            credentials: Vec::new(),
            insecure_registries: Vec::new(),
        }
    }
}

impl ContainersSettings {
    /// What the variables `MU_CONTAINERS__KEY` say, for a node that is not configured otherwise.
    ///
    /// # Errors
    /// Every mistake that could be found.
    pub fn of_variables(variables: impl Iterator<Item = (OsString, OsString)>) -> Result<Self, Mistakes> {
        let variables = variables.filter(|(name, _)| name.to_string_lossy().starts_with("MU_CONTAINERS_")).collect();
        // Directories need a home unless they are named.
        let flags = ["data_dir", "cache_dir"].map(|key| Override::new(key, ".", key)).to_vec();
        let working_dir = std::env::current_dir().unwrap_or_default();
        let mut mistakes = Collected::default();
        let values = layers::read(&Sources { file: None, variables, flags, working_dir }, &mut mistakes);
        mistakes.result(containers(&values))
    }
}

/// The settings that values stand for.
pub(super) fn containers(values: &Values) -> ContainersSettings {
    let file = |path| match values.value(path) {
        Value::Path(file) => Some(file.clone()),
        _ => None,
    };
    let defaults = ContainerConfig::default();
    let freeze_after = values.duration("containers.freeze_after");
    let registries = values.list("containers.insecure_registries").iter().filter_map(|item| match item {
        Value::Text(registry) => Some(registry.clone()),
        _ => None,
    });
    ContainersSettings {
        runner: RunnerChoice::of(values.word("containers.runner")),
        runner_path: file("containers.runner_path"),
        allow_unenforced: values.flag("containers.allow_unenforced"),
        engine: ContainerConfig {
            memory_bytes: values.count_if_set("containers.memory").unwrap_or(defaults.memory_bytes),
            milli_cpus: values.count_if_set("containers.milli_cpus").unwrap_or(defaults.milli_cpus),
            milli_cpus_reserved: values.count("containers.milli_cpus_each"),
            freeze_after: (!freeze_after.is_zero()).then_some(freeze_after),
            start_timeout: values.duration("containers.start_timeout"),
            pids: values.count("containers.pids"),
            open_files: values.count("containers.open_files"),
        },
        images: ImageLimits {
            image_bytes_max: values.count("containers.image_bytes_max"),
            store_bytes_max: values.count("containers.images_bytes_max"),
            unused_for_max: values.duration("containers.images_unused_for"),
            pull_timeout: values.duration("containers.pull_timeout"),
            ..ImageLimits::default()
        },
        credentials: file("containers.credentials").into_iter().collect(),
        insecure_registries: registries.collect(),
    }
}

/// The keys, in the order in which they are described.
pub(super) const KEYS: &[Key] = &[
    Key {
        path: "containers.runner",
        kind: Kind::Word(RunnerChoice::WORDS),
        default: Default::Is(|| Value::Word("auto")),
        about: "What starts containers. `auto` takes the first of `crun`, `runc` and a Docker or Podman socket that really runs a container within its limits; it is tried when the first container function is loaded.",
    },
    Key {
        path: "containers.runner_path",
        kind: Kind::Path,
        default: Default::Nothing("found"),
        about: "The program of `crun` or `runc`, or the socket of `docker`, if not where it usually is.",
    },
    Key {
        path: "containers.allow_unenforced",
        kind: Kind::Flag,
        default: Default::Is(|| Value::Flag(false)),
        about: "Whether containers are started although one of their limits cannot be enforced on this machine. Otherwise that is an error.",
    },
    Key {
        path: "containers.memory",
        kind: size(16 * MIB, 1024 * 1024 * GIB),
        default: Default::Nothing("the machine's, less a tenth"),
        about: "Memory that containers have together. Each has its `memory_limit` reserved; who finds no room waits, and gets 503 when there is none in time.",
    },
    Key {
        path: "containers.milli_cpus",
        kind: count(100, 1_000_000_000),
        default: Default::Nothing("the machine's"),
        about: "Processor time that containers have reserved together, in thousandths of a processor.",
    },
    Key {
        path: "containers.milli_cpus_each",
        kind: count(1, 1_000_000),
        default: Default::Is(|| Value::Count(engine().milli_cpus_reserved)),
        about: "What one container reserves of it. It may use more when others use less.",
    },
    Key {
        path: "containers.freeze_after",
        kind: time(0, HOUR),
        default: Default::Is(|| duration(engine().freeze_after.unwrap_or_default())),
        about: "How long a container is idle before it is frozen; 0 for never.",
    },
    Key {
        path: "containers.start_timeout",
        kind: time(100, 10 * MINUTE),
        default: Default::Is(|| duration(engine().start_timeout)),
        about: "How long a function may take until it listens on its socket.",
    },
    Key {
        path: "containers.pids",
        kind: count(1, 1_000_000),
        default: Default::Is(|| Value::Count(engine().pids)),
        about: "Processes and threads of a container.",
    },
    Key {
        path: "containers.open_files",
        kind: count(16, 1_000_000),
        default: Default::Is(|| Value::Count(engine().open_files)),
        about: "Open files of a process in a container.",
    },
    Key {
        path: "containers.image_bytes_max",
        kind: size(MIB, 1024 * GIB),
        default: Default::Is(|| bytes(images().image_bytes_max)),
        about: "An image unpacked.",
    },
    Key {
        path: "containers.images_bytes_max",
        kind: size(MIB, 1024 * 1024 * GIB),
        default: Default::Is(|| bytes(images().store_bytes_max)),
        about: "All images together; over it, those go that were not used for longest, and if those in use take it all, no other is fetched.",
    },
    Key {
        path: "containers.images_unused_for",
        kind: time(MINUTE, 10 * 366 * 24 * HOUR),
        default: Default::Is(|| duration(images().unused_for_max)),
        about: "How long an image is kept that nobody uses.",
    },
    Key {
        path: "containers.pull_timeout",
        kind: time(1_000, 24 * HOUR),
        default: Default::Is(|| duration(images().pull_timeout)),
        about: "How long fetching and unpacking an image may take.",
    },
    Key {
        path: "containers.credentials",
        kind: Kind::Path,
        default: Default::Nothing("none"),
        about: "A `config.json` with the credentials of registries, as `docker login` writes it; helpers that it names are not run.",
    },
    Key {
        path: "containers.insecure_registries",
        kind: Kind::List { item: &Kind::Text, max: 100 },
        default: Default::Is(|| Value::List(Vec::new())),
        about: "Registries (`host:port`) that are asked by plain HTTP, as those on loopback are anyway. One at an address that is not public is asked only if it is here, if `containers.credentials` has an entry for it, or with `egress.allow: anywhere`.",
    },
];

fn engine() -> ContainerConfig {
    ContainerConfig::default()
}

fn images() -> ImageLimits {
    ImageLimits::default()
}

fn bytes(bytes: u64) -> Value {
    Value::Size(ByteSize::from_bytes(bytes))
}
