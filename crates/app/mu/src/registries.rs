//! The credentials of registries that the tools of this machine keep.

use std::env;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;

use mu_image::Registries;

use crate::failure::{Cause, Failure};

/// The registries, with the credentials for them.
pub(crate) fn registries() -> Result<Registries, Failure> {
    let mut registries = Registries::default();
    for path in credential_files() {
        let Ok(text) = fs::read_to_string(&path) else { continue };
        registries =
            registries.with_docker_config(&text).map_err(|e| Failure::from_error(Cause::Failed, path.display(), &e))?;
    }
    Ok(registries)
}

/// The files in which tools keep credentials; those of later ones count more.
pub(crate) fn credential_files() -> Vec<PathBuf> {
    let user = fs::metadata("/proc/self").map_or(0, |process| process.uid());
    files(|name| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from), user)
        .into_iter()
        .filter(|path| path.is_file())
        .collect()
}

fn files(variable: impl Fn(&str) -> Option<PathBuf>, user: u32) -> Vec<PathBuf> {
    let podman = match variable("XDG_RUNTIME_DIR") {
        Some(folder) => folder.join("containers/auth.json"),
        None => PathBuf::from(format!("/run/containers/{user}/auth.json")),
    };
    let docker = variable("DOCKER_CONFIG").or_else(|| Some(variable("HOME")?.join(".docker")));
    let docker = docker.map(|folder| folder.join("config.json"));
    [Some(podman), docker, variable("REGISTRY_AUTH_FILE")].into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_where_the_tools_keep_them() {
        for (variables, expected) in [
            (&[][..], &["/run/containers/0/auth.json"][..]),
            (&[("HOME", "/h")], &["/run/containers/0/auth.json", "/h/.docker/config.json"]),
            (
                &[
                    ("HOME", "/h"),
                    ("XDG_RUNTIME_DIR", "/run/user/1"),
                    ("DOCKER_CONFIG", "/d"),
                    ("REGISTRY_AUTH_FILE", "/a"),
                ],
                &["/run/user/1/containers/auth.json", "/d/config.json", "/a"],
            ),
        ] {
            let variable = |name: &str| {
                let found = variables.iter().find(|(known, _)| *known == name);
                found.map(|(_, value)| PathBuf::from(value))
            };
            let expected: Vec<_> = expected.iter().map(PathBuf::from).collect();
            assert_eq!(files(variable, 0), expected);
        }
    }
}
