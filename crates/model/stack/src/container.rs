//! What is said of functions that are containers, and of no others.

use std::time::Duration;

use crate::duration::HumanDuration;
use crate::limits::{IDLE_TIMEOUT_DEFAULT, IDLE_TIMEOUT_MAX};
use crate::problem::outside;
use crate::size::ByteSize;
use crate::stack::{FunctionLimits, Instances, Runtime};

/// How long containers of a function live, and what they reach.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ContainerSettings {
    /// How long a container without calls is kept: up to an hour. None waits for another call at zero.
    pub idle_timeout: Duration,
    /// How many containers are kept although there are no calls; at most as many as calls at once.
    pub min_instances: u32,
    /// What they reach.
    pub network: Network,
}

/// What a container reaches besides its socket.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Network {
    /// `none`: nothing.
    #[default]
    None,
    /// `egress`: what functions of any kind may reach from the node.
    Egress,
}

/// What a container may write, all of it below `/tmp`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TmpLimits {
    /// A quarter of its memory, which it counts towards.
    pub size: ByteSize,
    /// Files and folders: eight for each MiB of memory.
    pub inodes: u64,
}

impl ContainerSettings {
    /// What is wrong with them in a function with such a runtime and such limits, and the key that is to blame.
    pub(crate) fn mistakes(
        &self,
        runtime: Runtime,
        limits: &FunctionLimits,
        instances: Instances,
    ) -> Vec<(&'static str, String)> {
        let millis = HumanDuration::saturating_from;
        let (least, most) = (millis(Duration::ZERO), millis(IDLE_TIMEOUT_MAX));
        let idle = outside("`idle_timeout`", &millis(self.idle_timeout), &least, &most);
        let kept = outside("`min_instances`", &self.min_instances, &0, &limits.concurrency)
            .map(|mistake| format!("{mistake} (`max_concurrency`)"));
        let reused = runtime == Runtime::Container && instances != Instances::default();
        let reused = reused.then(|| "a container has no `instances`".to_owned());
        let strange = runtime != Runtime::Container && *self != Self::default();
        let strange = strange.then(|| format!("a function of runtime {runtime} has the settings of a container"));
        [("idle_timeout", idle), ("min_instances", kept), ("instances", reused), ("runtime", strange)]
            .into_iter()
            .filter_map(|(key, mistake)| Some((key, mistake?)))
            .collect()
    }
}

impl Default for ContainerSettings {
    fn default() -> Self {
        Self { idle_timeout: IDLE_TIMEOUT_DEFAULT, min_instances: 0, network: Network::None }
    }
}

impl Network {
    /// All of them, as they are numbered in the protobuf form.
    pub const ALL: [Self; 2] = [Self::None, Self::Egress];

    /// As manifests write it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Egress => "egress",
        }
    }
}

impl TmpLimits {
    /// Those of a container with so much memory. Neither is ever zero, which would mean no limit to the kernel.
    #[must_use]
    pub fn of_memory(memory: ByteSize) -> Self {
        let bytes = memory.bytes().max(1);
        Self { size: ByteSize::from_bytes(bytes.div_ceil(4)), inodes: bytes.div_ceil(1 << 20) * 8 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_container_may_write_goes_with_its_memory() {
        for (memory, size, inodes) in [
            ("128MiB", "32MiB", 1024),
            ("256MiB", "64MiB", 2048),
            ("512MiB", "128MiB", 4096),
            ("1GiB", "256MiB", 8192),
            ("64KiB", "16KiB", 8),
            ("0", "1B", 8),
        ] {
            let limits = TmpLimits::of_memory(memory.parse().unwrap());
            assert_eq!((limits.size.to_string().as_str(), limits.inodes), (size, inodes), "{memory}");
        }
    }
}
