//! Images in the daemon's own store, which gets each as an archive.
//!
//! Several nodes may use one daemon. So the name of an image tells whose it is, and one that two nodes have given has two
//! names; what the daemon keeps of it is the same.

use bollard::errors::Error;
use bollard::query_parameters::{ImportImageOptions, ListImagesOptions, RemoveImageOptions};
use futures_util::StreamExt;
use mu_image::{Digest, Image};

use super::Daemon;
use crate::RunnerError;

impl Daemon {
    /// What the daemon knows an image of this node by.
    pub(super) fn image_name(&self, image: &Digest) -> String {
        format!("{}{}", self.image_prefix(), image.hex())
    }

    /// Hands an image over, if it is not there.
    pub(super) async fn load_image(&self, image: &Image) -> Result<(), RunnerError> {
        let name = self.image_name(image.digest());
        match self.docker.inspect_image(&name).await {
            Ok(_) => return Ok(()),
            Err(Error::DockerResponseServerError { status_code: 404, .. }) => {}
            Err(error) => return Err(self.failed("look for the image", &error)),
        }
        let archive = image.archive(&name)?;
        let mut loaded = Box::pin(self.docker.import_image_stream(ImportImageOptions::default(), archive, None));
        while let Some(progress) = loaded.next().await {
            progress.map_err(|error| self.failed("load the image", &error))?;
        }
        Ok(())
    }

    /// Removes those of this node's that are not wanted any more. One that a container has stays until the next time.
    pub(super) async fn remove_images(&self, is_wanted: &(dyn Fn(&Digest) -> bool + Sync)) -> Result<(), RunnerError> {
        let images = self.docker.list_images(None::<ListImagesOptions>).await;
        let images = images.map_err(|error| self.failed("list images", &error))?;
        let prefix = self.image_prefix();
        for name in images.iter().flat_map(|image| &image.repo_tags) {
            // Podman puts a host before it.
            let digest = name.split_once(&prefix).and_then(|(_, hex)| format!("sha256:{hex}").parse().ok());
            if digest.is_none_or(|digest| is_wanted(&digest)) {
                continue;
            }
            match self.docker.remove_image(name, None::<RemoveImageOptions>, None).await {
                Ok(_) | Err(Error::DockerResponseServerError { status_code: 404 | 409, .. }) => {}
                Err(error) => return Err(self.failed("remove an image", &error)),
            }
        }
        Ok(())
    }

    fn image_prefix(&self) -> String {
        format!("mu/image-{}:", self.node)
    }
}
