//! The HTTP clients that all conversations share.

use std::sync::Arc;
use std::time::Duration;

use reqwest::Client;
use reqwest::redirect::{Attempt, Policy};
use tokio::sync::OnceCell;

use super::Reach;
use crate::ImageError;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
const IDLE_TIMEOUT: Duration = Duration::from_secs(30);
const REDIRECTIONS_MAX: usize = 5;

/// Made when they are first needed, because that reads the system's certificates. Those of registries that are listed go
/// further than the others.
#[derive(Debug, Default)]
pub(crate) struct Clients {
    tls: OnceCell<Client>,
    plain: OnceCell<Client>,
    listed_tls: OnceCell<Client>,
    listed_plain: OnceCell<Client>,
}

impl Clients {
    pub(crate) async fn client(
        &self,
        is_plain: bool,
        is_listed: bool,
        reach: Option<&Reach>,
    ) -> Result<Client, ImageError> {
        let client = match (is_plain, is_listed) {
            (false, false) => &self.tls,
            (true, false) => &self.plain,
            (false, true) => &self.listed_tls,
            (true, true) => &self.listed_plain,
        };
        client.get_or_try_init(|| build(is_plain, reach.cloned())).await.cloned()
    }
}

async fn build(is_plain: bool, reach: Option<Reach>) -> Result<Client, ImageError> {
    let builder = Client::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        .pool_idle_timeout(IDLE_TIMEOUT)
        .redirect(Policy::custom({
            let reach = reach.clone();
            move |attempt| follow(attempt, reach.as_ref())
        }))
        .user_agent(concat!("mu/", env!("CARGO_PKG_VERSION")));
    // What has no TLS is near, and no proxy leads there.
    let builder = if is_plain { builder.no_proxy() } else { builder };
    let builder = match reach {
        Some(reach) => builder.dns_resolver(Arc::new(reach.with_proxies())),
        None => builder,
    };
    let built = tokio::task::spawn_blocking(|| builder.build()).await;
    let built = built.map_err(std::io::Error::other).and_then(|built| built.map_err(std::io::Error::other));
    built.map_err(ImageError::io("registries cannot be asked"))
}

/// Registries send those who want layers elsewhere, but to a place without TLS only if they are there themselves.
/// Credentials stay behind.
fn follow(attempt: Attempt<'_>, reach: Option<&Reach>) -> reqwest::redirect::Action {
    let before = attempt.previous().last();
    let stays = before.is_some_and(|url| url.scheme() == "http" && url.host_str() == attempt.url().host_str());
    if attempt.previous().len() > REDIRECTIONS_MAX {
        attempt.error("too many redirections")
    } else if attempt.url().scheme() != "https" && !stays {
        attempt.error("it leads to a place without TLS")
    } else {
        match reach.map_or(Ok(()), |reach| reach.check(attempt.url())) {
            Ok(()) => attempt.follow(),
            Err(error) => attempt.error(error),
        }
    }
}
