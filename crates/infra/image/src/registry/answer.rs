//! What a registry's answers mean.

use std::error::Error;
use std::future::Future;
use std::pin::pin;
use std::time::Duration;

use reqwest::header::RETRY_AFTER;
use reqwest::{Response, StatusCode};
use serde::Deserialize;
use tokio::sync::watch;

use super::download;
use super::reach::OutOfReach;
use crate::layer::shown;
use crate::{ImageError, ImageRef};

/// How long a registry may be silent, before an answer and within it.
const SILENCE_MAX: Duration = Duration::from_secs(60);
/// How long a registry may take to store what was sent, once all of it was taken: it looks at all of it again.
const STORING_MAX: Duration = Duration::from_secs(600);
/// How long is waited because a registry says so.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(30);
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
            retry_after: retry_after(&response),
            reason: reason(image, response).await,
        },
        _ => unavailable(image, &format!("it answered with status {}", status.as_u16())),
    })
}

/// How long to wait until what failed in passing is tried again: as long as the registry says, within reason, or else
/// this. `None` for what does not pass.
pub(super) fn pause_after(error: &ImageError, pause: Duration) -> Option<Duration> {
    match error {
        ImageError::Unavailable { .. } => Some(pause),
        ImageError::Refused { status: 408 | 429, retry_after, .. } => {
            Some(retry_after.unwrap_or(pause).clamp(pause, RETRY_AFTER_MAX))
        }
        _ => None,
    }
}

/// Seconds; a registry that names a time of day instead is asked again as if it had said nothing.
fn retry_after(response: &Response) -> Option<Duration> {
    let seconds = response.headers().get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds))
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

/// An answer to what is sent in pieces, each of which is told by `moves` when it is taken.
pub(super) async fn while_it_moves<T>(
    image: &ImageRef,
    answer: impl Future<Output = Result<T, reqwest::Error>>,
    mut moves: watch::Receiver<()>,
) -> Result<T, ImageError> {
    let mut answer = pin!(answer);
    let mut silence_max = SILENCE_MAX;
    loop {
        tokio::select! {
            answer = &mut answer => return answer.map_err(|error| failed(image, &error)),
            () = tokio::time::sleep(silence_max) => return Err(unavailable(image, "it does not take what is sent")),
            moved = moves.changed(), if silence_max == SILENCE_MAX => {
                if moved.is_err() {
                    silence_max = STORING_MAX;
                }
            }
        }
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
    ImageError::OutOfReach { image: image.to_string(), host: shown(host.as_bytes()) }
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

#[cfg(test)]
mod tests {
    use tokio::time::{Instant, sleep};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_is_not_taken_any_more_is_given_up() {
        let image: ImageRef = "r.io/me/hello:1".parse().unwrap();
        for (pieces, every, is_whole, expected) in
            [(0, 0, false, 60), (5, 50, false, 5 * 50 + 60), (5, 50, true, 5 * 50 + 600)]
        {
            let (moved, moves) = watch::channel(());
            let start = Instant::now();
            let taking = async move {
                for _ in 0..pieces {
                    sleep(Duration::from_secs(every)).await;
                    moved.send_replace(());
                }
                // What is left is held by who does not send it.
                if is_whole { drop(moved) } else { std::future::pending().await }
            };
            let answer = while_it_moves(&image, std::future::pending::<Result<(), _>>(), moves);
            let error = tokio::select! {
                answer = answer => answer.expect_err("nobody answers"),
                () = async { taking.await; std::future::pending().await } => unreachable!(),
            };
            assert!(error.to_string().contains("does not take what is sent"), "{error}");
            assert_eq!(start.elapsed().as_secs(), expected);
        }
        let (_moved, moves) = watch::channel(());
        let answered = while_it_moves(&image, async { Ok(7) }, moves).await;
        assert_eq!(answered.unwrap(), 7);
    }

    #[tokio::test]
    async fn a_registry_says_when_to_come_back() {
        let image: ImageRef = "r.io/me/hello:1".parse().unwrap();
        let pause = Duration::from_secs(1);
        for (status, header, expected) in [
            (429, None, Some(1)),
            (429, Some("7"), Some(7)),
            (429, Some("0"), Some(1)),
            (429, Some("86400"), Some(30)),
            (429, Some("Wed, 21 Oct 2015 07:28:00 GMT"), Some(1)),
            (408, Some("2"), Some(2)),
            (503, None, Some(1)),
            (400, Some("7"), None),
            (403, None, None),
            (404, None, None),
        ] {
            let mut response = hyper::Response::builder().status(status);
            if let Some(header) = header {
                response = response.header(RETRY_AFTER, header);
            }
            let error = check(&image, response.body("").unwrap().into()).await.expect_err("it is no success");
            assert_eq!(pause_after(&error, pause), expected.map(Duration::from_secs), "{status} {header:?}");
        }
    }
}
