//! The programs that build images of containers.

use std::fmt;
use std::io;
use std::path::Path;
use std::process::Command;

use clap::ValueEnum;

/// A program that builds images.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Builder {
    /// Needs no daemon
    Buildah,
    /// Needs its daemon
    Docker,
    /// Needs no daemon
    Podman,
}

/// What is to be built.
pub(crate) struct Order<'a> {
    /// The folder of what the image may take.
    pub(crate) context: &'a Path,
    pub(crate) dockerfile: &'a Path,
    /// What the builder calls the image, in its own store.
    pub(crate) tag: &'a str,
    /// The archive to make; there is none.
    pub(crate) archive: &'a Path,
}

/// No builder works.
#[derive(Debug, thiserror::Error)]
pub(crate) struct NoBuilder(Vec<(Builder, String)>);

impl Builder {
    pub(crate) const ALL: [Self; 3] = [Self::Buildah, Self::Docker, Self::Podman];

    /// As its command is called.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Buildah => "buildah",
            Self::Docker => "docker",
            Self::Podman => "podman",
        }
    }

    /// The one that is wanted, or the first, if it works.
    pub(crate) fn find(wanted: Option<Self>) -> Result<Self, NoBuilder> {
        let mut tried = Vec::new();
        for builder in Self::ALL.into_iter().filter(|builder| wanted.is_none_or(|wanted| wanted == *builder)) {
            match builder.probe() {
                Ok(()) => return Ok(builder),
                Err(why) => tried.push((builder, why)),
            }
        }
        Err(NoBuilder(tried))
    }

    /// Asks it what it can only say when it works: its store, or its daemon.
    fn probe(self) -> Result<(), String> {
        let question = match self {
            Self::Buildah | Self::Podman => "info",
            // `info` succeeds without a daemon.
            Self::Docker => "version",
        };
        match Command::new(self.name()).arg(question).output() {
            Ok(answer) if answer.status.success() => Ok(()),
            Ok(answer) => {
                let said = String::from_utf8_lossy(&answer.stderr);
                Err(said.lines().rfind(|line| !line.trim().is_empty()).unwrap_or("does not work").trim().to_owned())
            }
            Err(e) if e.kind() == io::ErrorKind::NotFound => Err("not installed".to_owned()),
            Err(e) => Err(e.to_string()),
        }
    }

    /// The commands that make the archive, one after the other.
    pub(crate) fn steps(self, order: &Order<'_>) -> [Command; 2] {
        let command = |arguments: &[&str]| {
            let mut command = Command::new(self.name());
            command.args(arguments);
            command
        };
        let mut build = match self {
            // It keeps the layers of steps only when it is asked to.
            Self::Buildah => command(&["bud", "--layers"]),
            Self::Docker | Self::Podman => command(&["build"]),
        };
        build.arg("--file").arg(order.dockerfile).args(["--tag", order.tag]).arg(order.context);
        let save = match self {
            Self::Buildah => {
                command(&["push", "--quiet", order.tag, &format!("oci-archive:{}", order.archive.display())])
            }
            Self::Docker => with_output(command(&["save"]), order),
            Self::Podman => with_output(command(&["save", "--quiet", "--format", "oci-archive"]), order),
        };
        [build, save]
    }
}

fn with_output(mut command: Command, order: &Order<'_>) -> Command {
    command.arg("--output").arg(order.archive).arg(order.tag);
    command
}

impl NoBuilder {
    /// What to do about it.
    pub(crate) const fn hint(&self) -> &'static str {
        "install buildah, docker or podman with your system's packages; `mu doctor` shows which of them works"
    }
}

impl fmt::Display for NoBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("nothing here builds images of containers")?;
        for (index, (builder, why)) in self.0.iter().enumerate() {
            write!(f, "{} {}: {why}", if index == 0 { ":" } else { ";" }, builder.name())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_builder_makes_an_archive() {
        let order = Order {
            context: Path::new("/c"),
            dockerfile: Path::new("/d"),
            tag: "t:latest",
            archive: Path::new("/a.tar"),
        };
        let shown = |builder: Builder| {
            builder.steps(&order).map(|step| {
                let words = [step.get_program()].into_iter().chain(step.get_args());
                words.map(|word| word.to_str().unwrap()).collect::<Vec<_>>().join(" ")
            })
        };
        for (builder, build, save) in [
            (
                Builder::Buildah,
                "buildah bud --layers --file /d --tag t:latest /c",
                "buildah push --quiet t:latest oci-archive:/a.tar",
            ),
            (Builder::Docker, "docker build --file /d --tag t:latest /c", "docker save --output /a.tar t:latest"),
            (
                Builder::Podman,
                "podman build --file /d --tag t:latest /c",
                "podman save --quiet --format oci-archive --output /a.tar t:latest",
            ),
        ] {
            assert_eq!(shown(builder), [build, save]);
        }
    }

    #[test]
    fn why_there_is_none_is_told() {
        let none = NoBuilder(vec![
            (Builder::Buildah, "not installed".to_owned()),
            (Builder::Docker, "Cannot connect to the Docker daemon".to_owned()),
        ]);
        assert_eq!(
            none.to_string(),
            "nothing here builds images of containers: buildah: not installed; docker: Cannot connect to the Docker daemon"
        );
    }
}
