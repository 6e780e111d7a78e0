//! The HTTP clients that all conversations share.

use std::time::Duration;

use reqwest::Client;
use reqwest::redirect::{Attempt, Policy};
use tokio::sync::OnceCell;

use crate::ImageError;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
const IDLE_TIMEOUT: Duration = Duration::from_secs(30);
const REDIRECTIONS_MAX: usize = 5;

/// Made when they are first needed, because that reads the system's certificates.
#[derive(Debug, Default)]
pub(crate) struct Clients {
    tls: OnceCell<Client>,
    plain: OnceCell<Client>,
}

impl Clients {
    pub(crate) async fn client(&self, is_plain: bool) -> Result<Client, ImageError> {
        let client = if is_plain { &self.plain } else { &self.tls };
        client.get_or_try_init(|| build(is_plain)).await.cloned()
    }
}

async fn build(is_plain: bool) -> Result<Client, ImageError> {
    let builder = Client::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        .pool_idle_timeout(IDLE_TIMEOUT)
        .redirect(Policy::custom(follow))
        .user_agent(concat!("mu/", env!("CARGO_PKG_VERSION")));
    // What has no TLS is near, and no proxy leads there.
    let builder = if is_plain { builder.no_proxy() } else { builder };
    let built = tokio::task::spawn_blocking(|| builder.build()).await;
    let built = built.map_err(std::io::Error::other).and_then(|built| built.map_err(std::io::Error::other));
    built.map_err(ImageError::io("registries cannot be asked"))
}

/// Registries send those who want layers elsewhere, but not from TLS to a place without. Credentials stay behind.
fn follow(attempt: Attempt<'_>) -> reqwest::redirect::Action {
    let was_plain = attempt.previous().last().is_some_and(|url| url.scheme() == "http");
    if attempt.previous().len() > REDIRECTIONS_MAX {
        attempt.error("too many redirections")
    } else if attempt.url().scheme() == "https" || was_plain {
        attempt.follow()
    } else {
        attempt.error("it leads to a place without TLS")
    }
}
