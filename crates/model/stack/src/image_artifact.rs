//! What the artifact of a container function is: an image, or the name of one.

use serde_json::{Value, json};

use crate::image_ref::ImageRef;
use crate::limits::IMAGE_ARTIFACT_BYTES_MAX;

/// The artifact of a container function, as its bytes tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ContainerArtifact {
    /// The image itself: an archive of the Open Container Initiative, or what `docker save` writes.
    Archive,
    /// Where the image is: `{"image": "registry/repository:tag@sha256:…"}`.
    Image(ImageRef),
}

/// The bytes look like the name of an image, and are none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the artifact is not `{{\"image\": \"NAME\"}}`: {reason}")]
pub struct InvalidArtifact {
    /// What is wrong.
    reason: String,
}

impl ContainerArtifact {
    /// Tells by the beginning: no archive begins with a brace.
    ///
    /// # Errors
    /// When there is a brace, and what follows is not the name of an image in JSON.
    pub fn of(bytes: &[u8]) -> Result<Self, InvalidArtifact> {
        if bytes.iter().find(|byte| !byte.is_ascii_whitespace()) != Some(&b'{') {
            return Ok(Self::Archive);
        }
        let wrong = |reason: String| InvalidArtifact { reason };
        if bytes.len() > IMAGE_ARTIFACT_BYTES_MAX {
            return Err(wrong(format!("it has {} bytes, more than {IMAGE_ARTIFACT_BYTES_MAX}", bytes.len())));
        }
        let value: Value = serde_json::from_slice(bytes).map_err(|error| wrong(error.to_string()))?;
        // What else stands there is of later versions.
        let image = value.get("image").and_then(Value::as_str).ok_or_else(|| wrong("it has no `image`".to_owned()))?;
        image.parse().map(Self::Image).map_err(|error| wrong(format!("{error}")))
    }

    /// The artifact that names an image.
    #[must_use]
    pub fn bytes_of(image: &ImageRef) -> Vec<u8> {
        json!({"image": image.as_str()}).to_string().into_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_or_its_name() {
        let image: ImageRef = format!("localhost:5000/me/hello:1@sha256:{}", "0a".repeat(32)).parse().unwrap();
        let bytes = ContainerArtifact::bytes_of(&image);
        assert_eq!(ContainerArtifact::of(&bytes), Ok(ContainerArtifact::Image(image)));
        let spaced = b"\n {\n  \"image\": \"me/hello:1\", \"later\": 1\n}\n";
        let short = ContainerArtifact::Image("me/hello:1".parse().unwrap());
        assert_eq!(ContainerArtifact::of(spaced), Ok(short));
        for archive in [&b""[..], b"oci-layout\0\0", b"\x1f\x8b\x08", b"blobs/{", b" \n"] {
            assert_eq!(ContainerArtifact::of(archive), Ok(ContainerArtifact::Archive));
        }
        for (bytes, reason) in [
            (b"{".to_vec(), "EOF while parsing"),
            (b"{}".to_vec(), "it has no `image`"),
            (b"{\"image\": 1}".to_vec(), "it has no `image`"),
            (b"{\"image\": \"A b\"}".to_vec(), "an image is named"),
            ([b"{\"image\": \"", &b"a".repeat(4096)[..], b"\"}"].concat(), "more than 4096"),
        ] {
            let error = ContainerArtifact::of(&bytes).unwrap_err().to_string();
            assert!(
                error.starts_with("the artifact is not `{\"image\": \"NAME\"}`: ") && error.contains(reason),
                "{error}"
            );
        }
    }
}
