//! What starts containers on this machine: the first of several that proves that it can.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use mu_container::{DockerParams, DockerRunner, OciParams, OciRunner, Runner};
use mu_env::Env;
use mu_image::Form;

use crate::settings::{ContainersSettings, RunnerChoice};

/// The runner that the settings choose, and what it needs of images. What does not work is told with all its reasons.
pub(super) async fn start(
    settings: &ContainersSettings,
    dir: &Path,
    env: &Env,
) -> Result<(Arc<dyn Runner>, Form), String> {
    let path = settings.runner_path.clone();
    match settings.runner {
        RunnerChoice::None => Err("this node runs no containers (containers.runner: none)".to_owned()),
        RunnerChoice::Crun => oci(settings, dir, env, Some(path.unwrap_or_else(|| "crun".into()))).await,
        RunnerChoice::Runc => oci(settings, dir, env, Some(path.unwrap_or_else(|| "runc".into()))).await,
        RunnerChoice::Docker => docker(settings, dir, env, path).await,
        RunnerChoice::Auto => match oci(settings, dir, env, None).await {
            Ok(started) => Ok(started),
            Err(without) => docker(settings, dir, env, None).await.map_err(|daemon| {
                format!(
                    "this machine runs no containers: {without}; {daemon}. Install crun or runc and run the node as \
                     root, or start Docker or Podman"
                )
            }),
        },
    }
}

async fn docker(
    settings: &ContainersSettings,
    dir: &Path,
    env: &Env,
    socket: Option<PathBuf>,
) -> Result<(Arc<dyn Runner>, Form), String> {
    let params =
        DockerParams { socket, dir: dir.to_owned(), allow_unenforced: settings.allow_unenforced, env: env.clone() };
    let runner = DockerRunner::open(params).await.map_err(|error| error.to_string())?;
    Ok((Arc::new(runner), Form::Packed))
}

async fn oci(
    settings: &ContainersSettings,
    dir: &Path,
    env: &Env,
    runtime: Option<PathBuf>,
) -> Result<(Arc<dyn Runner>, Form), String> {
    let params =
        OciParams { dir: dir.to_owned(), runtime, allow_unenforced: settings.allow_unenforced, env: env.clone() };
    let runner = OciRunner::open(params).await.map_err(|error| error.to_string())?;
    Ok((Arc::new(runner), Form::Unpacked))
}
