//! What an image says about itself: its configuration.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::Digest;

/// How a container of an image is started, as the image says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ImageConfig {
    /// What runs.
    pub entrypoint: Vec<String>,
    /// Its arguments; what runs if there is no entrypoint.
    pub cmd: Vec<String>,
    /// Environment variables, in the order of the image.
    pub env: Vec<(String, String)>,
    /// Where it runs; `/` if the image does not say.
    pub working_dir: String,
    /// Paths that the image declares to be volumes.
    pub volumes: Vec<String>,
    /// Labels, by name.
    pub labels: BTreeMap<String, String>,
}

impl ImageConfig {
    /// The entrypoint and the command together; empty if the image says neither.
    #[must_use]
    pub fn command(&self) -> Vec<String> {
        self.entrypoint.iter().chain(&self.cmd).cloned().collect()
    }
}

/// The configuration of an image as it is stored, as far as it is read here.
#[derive(Deserialize)]
pub(crate) struct ConfigFile {
    #[serde(default)]
    pub(crate) architecture: String,
    #[serde(default)]
    pub(crate) os: String,
    #[serde(default)]
    config: Option<Execution>,
    #[serde(default)]
    pub(crate) rootfs: RootFsSection,
}

#[derive(Default, Deserialize)]
pub(crate) struct RootFsSection {
    /// The digests of the layers, unpacked, from the bottom to the top.
    #[serde(default)]
    pub(crate) diff_ids: Vec<Digest>,
}

/// Any of these may be `null`.
#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Execution {
    entrypoint: Option<Vec<String>>,
    cmd: Option<Vec<String>>,
    env: Option<Vec<String>>,
    working_dir: Option<String>,
    volumes: Option<BTreeMap<String, serde_json::Value>>,
    labels: Option<BTreeMap<String, String>>,
}

impl ConfigFile {
    pub(crate) fn image_config(self) -> ImageConfig {
        let execution = self.config.unwrap_or_default();
        let pair = |text: String| match text.split_once('=') {
            Some((name, value)) => (name.to_owned(), value.to_owned()),
            None => (text, String::new()),
        };
        ImageConfig {
            entrypoint: execution.entrypoint.unwrap_or_default(),
            cmd: execution.cmd.unwrap_or_default(),
            env: execution.env.unwrap_or_default().into_iter().map(pair).collect(),
            working_dir: execution.working_dir.filter(|dir| !dir.is_empty()).unwrap_or_else(|| "/".to_owned()),
            volumes: execution.volumes.unwrap_or_default().into_keys().collect(),
            labels: execution.labels.unwrap_or_default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_configuration_is_read_whatever_it_leaves_out() {
        let full = r#"{
            "architecture": "amd64", "os": "linux",
            "config": {
                "Entrypoint": ["python3"], "Cmd": ["func.py", "handler"], "Env": ["PATH=/bin", "A=b=c", "EMPTY"],
                "WorkingDir": "/function", "Volumes": {"/data": {}}, "Labels": {"a": "b"}, "User": "1000"
            },
            "rootfs": {"type": "layers", "diff_ids": []}
        }"#;
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let expected = ImageConfig {
            entrypoint: vec!["python3".into()],
            cmd: vec!["func.py".into(), "handler".into()],
            env: vec![pair("PATH", "/bin"), pair("A", "b=c"), pair("EMPTY", "")],
            working_dir: "/function".into(),
            volumes: vec!["/data".into()],
            labels: [pair("a", "b")].into(),
        };
        assert_eq!(expected.command(), ["python3", "func.py", "handler"]);
        let nothing = ImageConfig { working_dir: "/".into(), ..ImageConfig::default() };
        for (text, expected) in [
            (full, expected),
            ("{}", nothing.clone()),
            (r#"{"config": null}"#, nothing.clone()),
            (r#"{"config": {"Cmd": null, "Env": null, "Volumes": null, "WorkingDir": ""}}"#, nothing),
        ] {
            let file: ConfigFile = serde_json::from_str(text).unwrap();
            assert_eq!(file.image_config(), expected, "{text}");
        }
    }
}
