//! What a registry's answers mean.

use std::error::Error;
use std::future::Future;
use std::time::Duration;

use reqwest::{Response, StatusCode};
use serde::Deserialize;

use super::download;
use super::reach::OutOfReach;
use crate::{ImageError, ImageRef};

/// How long a registry may be silent, before an answer and within it.
const SILENCE_MAX: Duration = Duration::from_secs(60);
const REASON_BYTES_MAX: u64 = 64 << 10;
const REASON_CHARS_MAX: usize = 300;

/// Lets a success through, and makes an error of everything else.
pub(super) async fn check(image: &ImageRef, response: Response) -> Result<Response, ImageError> {
    let status = response.status();
    if status.is_success() {
        return Ok(response);
    }
    let (name, registry) = (image.to_string(), image.registry().to_owned());
    Err(match status {
        StatusCode::NOT_FOUND => ImageError::NotFound { image: name, registry },
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
            ImageError::Denied { image: name, registry, status: status.as_u16() }
        }
        _ if status.is_client_error() => ImageError::Refused {
            image: name,
            registry,
            status: status.as_u16(),
            reason: reason(image, response).await,
        },
        _ => unavailable(image, &format!("it answered with status {}", status.as_u16())),
    })
}

/// An answer, or a piece of it.
pub(super) async fn in_time<T>(
    image: &ImageRef,
    answer: impl Future<Output = Result<T, reqwest::Error>>,
) -> Result<T, ImageError> {
    match tokio::time::timeout(SILENCE_MAX, answer).await {
        Ok(answer) => answer.map_err(|error| failed(image, &error)),
        Err(_) => Err(unavailable(image, "it stopped answering")),
    }
}

/// A request that was not answered. Addresses are left out: they may hold signatures.
pub(super) fn failed(image: &ImageRef, error: &reqwest::Error) -> ImageError {
    if let Some(error) = cause(error).downcast_ref() {
        return out_of_reach(image, error);
    }
    let reason = if error.is_connect() { format!("it cannot be reached: {}", root(error)) } else { root(error) };
    unavailable(image, &reason)
}

pub(super) fn unavailable(image: &ImageRef, reason: &str) -> ImageError {
    ImageError::Unavailable {
        image: image.to_string(),
        registry: image.registry().to_owned(),
        reason: reason.to_owned(),
    }
}

pub(super) fn out_of_reach(image: &ImageRef, OutOfReach(host): &OutOfReach) -> ImageError {
    ImageError::OutOfReach { image: image.to_string(), host: host.clone() }
}

/// The cause of the cause: what lies above repeats addresses.
fn cause(error: &reqwest::Error) -> &(dyn Error + 'static) {
    let mut cause: &(dyn Error + 'static) = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    cause
}

fn root(error: &reqwest::Error) -> String {
    let cause = cause(error);
    match cause.downcast_ref::<reqwest::Error>() {
        Some(_) => "the request failed".to_owned(),
        None => cause.to_string(),
    }
}

/// What a registry says of an error, for people.
async fn reason(image: &ImageRef, response: Response) -> String {
    #[derive(Deserialize)]
    struct Body {
        errors: Vec<Reason>,
    }
    #[derive(Deserialize)]
    struct Reason {
        #[serde(default)]
        code: String,
        #[serde(default)]
        message: String,
    }
    let body = download::bounded(image, response, REASON_BYTES_MAX).await.ok().flatten().unwrap_or_default();
    let said = match serde_json::from_slice::<Body>(&body) {
        Ok(Body { errors }) => {
            errors.into_iter().map(|error| format!("{} {}", error.code, error.message)).collect::<Vec<_>>().join(", ")
        }
        Err(_) => String::from_utf8_lossy(&body).into_owned(),
    };
    let said: String = said.trim().chars().take(REASON_CHARS_MAX).collect();
    if said.is_empty() { "it does not say why".to_owned() } else { said.escape_debug().to_string() }
}
