//! What is known of registries beforehand: credentials, and which of them speak plain HTTP.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

use crate::ImageError;
use crate::reference::normal_registry;
use crate::registry::{Clients, Permits, Reach};

/// Credentials of registries, and the registries that speak plain HTTP. Those on the loopback interface always do.
///
/// Credentials are never shown, and are sent to nobody but the registry they are for and whomever it names for tokens.
#[derive(Clone, Default)]
pub struct Registries {
    /// By the host, or by the host and the beginning of a path in it.
    credentials: HashMap<String, Arc<Credentials>>,
    insecure: Vec<String>,
    /// Which addresses are asked; any, if nothing is said.
    permits: Option<Permits>,
    clients: Arc<Clients>,
}

/// A user and a password or access token.
pub(crate) struct Credentials {
    pub(crate) user: String,
    pub(crate) password: String,
}

impl Registries {
    /// Adds the credentials of a `config.json` as `docker login` writes it, given as its text. An entry may be for a path
    /// in a registry, as `podman login` makes them. Credential helpers are not run, and identity tokens not used.
    ///
    /// # Errors
    /// When it cannot be read; the error holds nothing of it.
    pub fn with_docker_config(mut self, text: &str) -> Result<Self, ImageError> {
        let broken = |reason: String| ImageError::Credentials { reason };
        let config: DockerConfig = serde_json::from_str(text)
            .map_err(|error| broken(format!("line {}: not the JSON of a docker config.json", error.line())))?;
        let mut logins: Vec<_> = config.auths.into_iter().collect();
        // One place may stand there as an address and as a name, which counts more.
        logins.sort_by_cached_key(|(name, _)| (!name.contains("://"), name.clone()));
        for (name, login) in logins {
            let Some(place) = place_of(&name) else { continue };
            let credentials = login.read().map_err(|reason| broken(format!("those of {place} {reason}")))?;
            if let Some((user, password)) = credentials {
                self = self.with_credentials(&place, user, password);
            }
        }
        Ok(self)
    }

    /// Adds the credentials of one registry, or of what has a path in it.
    #[must_use]
    pub fn with_credentials(mut self, registry: &str, user: String, password: String) -> Self {
        self.credentials.insert(normal_place(registry), Arc::new(Credentials { user, password }));
        self.with_new_clients()
    }

    /// Adds a registry that speaks plain HTTP: `host` or `host:port`, as it stands in references.
    #[must_use]
    pub fn with_insecure(mut self, registry: &str) -> Self {
        self.insecure.push(normal_registry(registry));
        self.with_new_clients()
    }

    /// Asks only at addresses that this permits: for names of images that come from people who must not reach all that
    /// this machine does. Registries that are listed, as insecure or with credentials, are asked wherever they are, and
    /// lead to each other.
    #[must_use]
    pub fn with_reach(mut self, permits: impl Fn(IpAddr) -> bool + Send + Sync + 'static) -> Self {
        self.permits = Some(Arc::new(permits));
        self.with_new_clients()
    }

    /// Those that were made know of nothing that was said later.
    fn with_new_clients(mut self) -> Self {
        self.clients = Arc::default();
        self
    }

    /// The credentials for a repository: those with the longest path that leads to it.
    pub(crate) fn credentials(&self, registry: &str, repository: &str) -> Option<Arc<Credentials>> {
        let whole = format!("{registry}/{repository}");
        let mut place = &*whole;
        loop {
            if let Some(found) = self.credentials.get(place) {
                return Some(found.clone());
            }
            place = place.rsplit_once('/')?.0;
        }
    }

    pub(crate) fn clients(&self) -> &Clients {
        &self.clients
    }

    /// Whether the operator speaks of this registry.
    pub(crate) fn is_listed(&self, registry: &str) -> bool {
        self.listed().any(|listed| listed == registry)
    }

    /// Where a conversation with this registry may lead, if not everywhere.
    pub(crate) fn reach(&self, registry: &str) -> Option<Reach> {
        let exempt = if self.is_listed(registry) {
            self.listed().map(|listed| host(listed).to_owned()).collect()
        } else {
            Vec::new()
        };
        Some(Reach::new(self.permits.clone()?, exempt))
    }

    fn listed(&self) -> impl Iterator<Item = &str> {
        let of_credentials =
            self.credentials.keys().map(|place| place.split_once('/').map_or(&**place, |(registry, _)| registry));
        self.insecure.iter().map(String::as_str).chain(of_credentials)
    }

    /// Whether this host, with its port if it has one, is asked without TLS.
    pub(crate) fn is_plain(&self, registry: &str) -> bool {
        is_loopback(registry) || self.insecure.iter().any(|insecure| insecure == registry)
    }
}

impl fmt::Debug for Registries {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut known: Vec<_> = self.credentials.keys().collect();
        known.sort();
        f.debug_struct("Registries").field("credentials_for", &known).field("insecure", &self.insecure).finish()
    }
}

/// Whether a host, with or without a port, is this machine.
pub(crate) fn is_loopback(registry: &str) -> bool {
    let host = host(registry);
    let address = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    host == "localhost" || address.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// A registry without its port.
fn host(registry: &str) -> &str {
    match registry.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => host,
        _ => registry,
    }
}

/// The part of a `config.json` that is read.
#[derive(Deserialize)]
struct DockerConfig {
    #[serde(default)]
    auths: BTreeMap<String, Login>,
}

#[derive(Deserialize)]
struct Login {
    /// `user:password` in Base64.
    #[serde(default)]
    auth: String,
    #[serde(default)]
    username: String,
    #[serde(default)]
    password: String,
    #[serde(default)]
    identitytoken: String,
}

impl Login {
    fn read(self) -> Result<Option<(String, String)>, &'static str> {
        // What stands beside one is no password.
        if !self.identitytoken.is_empty() {
            return Ok(None);
        }
        if !self.username.is_empty() {
            return Ok(Some((self.username, self.password)));
        }
        // `docker login` leaves an empty entry where a helper keeps the credentials.
        if self.auth.is_empty() {
            return Ok(None);
        }
        let bytes = STANDARD.decode(self.auth.trim()).map_err(|_| "are not Base64")?;
        let text = String::from_utf8(bytes).map_err(|_| "are not text")?;
        let (user, password) = text.split_once(':').ok_or("are not `user:password`")?;
        Ok(Some((user.to_owned(), password.trim_end_matches('\0').to_owned())))
    }
}

/// Entries are hosts, hosts with the beginning of a path, or addresses of an API as Docker Hub's
/// `https://index.docker.io/v1/`. `None` for the tokens of Docker's own programs, which it keeps beside that.
fn place_of(name: &str) -> Option<String> {
    let name = name.strip_prefix("https://").or_else(|| name.strip_prefix("http://")).unwrap_or(name);
    let name = name.trim_end_matches('/');
    if name.ends_with("/access-token") || name.ends_with("/refresh-token") {
        return None;
    }
    let is_api = |path: &str| matches!(path, "v1" | "v2");
    Some(normal_place(name.split_once('/').filter(|(_, path)| is_api(path)).map_or(name, |(host, _)| host)))
}

fn normal_place(place: &str) -> String {
    match place.split_once('/') {
        Some((host, path)) => format!("{}/{path}", normal_registry(host)),
        None => normal_registry(place),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_docker_config_is_read() {
        // "me:pa:ss", "you:secret", and "me:" where a token stands beside.
        let config = r#"{
            "auths": {
                "https://index.docker.io/v1/": {"auth": "bWU6cGE6c3M="},
                "https://index.docker.io/v1/access-token": {"username": "me", "password": "a"},
                "https://index.docker.io/v1/refresh-token": {"username": "me", "password": "b"},
                "https://r.example.com:5000/v2/": {"username": "older", "password": "older"},
                "r.example.com:5000/team": {"username": "team", "password": "t"},
                "r.example.com:5000/team/deep/": {"username": "deep", "password": "d"},
                "token.example.com": {"auth": "bWU6", "identitytoken": "t"},
                "r.example.com:5000": {"auth": "eW91OnNlY3JldA=="},
                "https://kept.example.com": {},
                "plain.example.com": {"username": "u", "password": "p"}
            },
            "credsStore": "desktop"
        }"#;
        let registries = Registries::default().with_docker_config(config).unwrap();
        for (registry, repository, expected) in [
            ("docker.io", "library/busybox", Some(("me", "pa:ss"))),
            ("r.example.com:5000", "a", Some(("you", "secret"))),
            ("r.example.com:5000", "teams/a", Some(("you", "secret"))),
            ("r.example.com:5000", "team", Some(("team", "t"))),
            ("r.example.com:5000", "team/a", Some(("team", "t"))),
            ("r.example.com:5000", "team/deep/a", Some(("deep", "d"))),
            ("r.example.com:5000", "a/team", Some(("you", "secret"))),
            ("plain.example.com", "a", Some(("u", "p"))),
            ("kept.example.com", "a", None),
            ("token.example.com", "a", None),
            ("r.example.com", "a", None),
        ] {
            let found = registries.credentials(registry, repository);
            let found = found.as_ref().map(|known| (known.user.as_str(), known.password.as_str()));
            assert_eq!(found, expected, "{registry}/{repository}");
        }
    }

    #[test]
    fn credentials_are_shown_nowhere() {
        let registries = Registries::default().with_credentials("r.io", "somebody".into(), "hunter2".into());
        let shown = format!("{registries:?}");
        assert!(shown.contains("r.io") && !shown.contains("hunter2") && !shown.contains("somebody"), "{shown}");
        for text in [
            "hunter2",
            r#"{"auths": {"r.io": {"auth": "hunter2!"}}}"#,
            r#"{"auths": {"r.io": {"auth": "aHVudGVyMg=="}}}"#,
            r#"{"auths": "hunter2"}"#,
        ] {
            let error = Registries::default().with_docker_config(text).expect_err(text);
            assert!(!format!("{error} {error:?}").contains("hunter2"), "{error:?}");
        }
    }

    #[test]
    fn loopback_and_chosen_registries_are_plain() {
        let registries = Registries::default().with_insecure("Registry.lan:5000");
        for (registry, plain) in [
            ("localhost", true),
            ("localhost:5000", true),
            ("127.0.0.1:5000", true),
            ("127.8.8.8", true),
            ("[::1]:5000", true),
            ("[::1]", true),
            ("registry.lan:5000", true),
            ("registry.lan", false),
            ("docker.io", false),
            ("10.0.0.1:5000", false),
            ("localhost.example.com", false),
            ("[2001:db8::1]:5000", false),
        ] {
            assert_eq!(registries.is_plain(registry), plain, "{registry}");
        }
    }
}
