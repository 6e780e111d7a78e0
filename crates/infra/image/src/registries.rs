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
use crate::registry::Clients;

/// Credentials of registries, and the registries that speak plain HTTP. Those on the loopback interface always do.
///
/// Credentials are never shown, and are sent to nobody but the registry they are for and whomever it names for tokens.
#[derive(Clone, Default)]
pub struct Registries {
    credentials: HashMap<String, Arc<Credentials>>,
    insecure: Vec<String>,
    clients: Arc<Clients>,
}

/// A user and a password or access token.
pub(crate) struct Credentials {
    pub(crate) user: String,
    pub(crate) password: String,
}

impl Registries {
    /// Adds the credentials of a `config.json` as `docker login` writes it, given as its text. Credential helpers that it
    /// names are not run. Those of a part of a registry, `host/team`, count for all of it where it has no others.
    ///
    /// # Errors
    /// When it cannot be read; the error holds nothing of it.
    pub fn with_docker_config(mut self, text: &str) -> Result<Self, ImageError> {
        let broken = |reason: String| ImageError::Credentials { reason };
        let config: DockerConfig = serde_json::from_str(text)
            .map_err(|error| broken(format!("line {}: not the JSON of a docker config.json", error.line())))?;
        let mut logins: Vec<_> = config.auths.into_iter().collect();
        // Later ones take the place of earlier ones.
        logins.sort_by_key(|(name, _)| !is_of_part(name));
        for (name, login) in logins {
            let host = host_of(&name);
            let credentials = login.read().map_err(|reason| broken(format!("those of {host} {reason}")))?;
            if let Some((user, password)) = credentials {
                self = self.with_credentials(&host, user, password);
            }
        }
        Ok(self)
    }

    /// Adds the credentials of one registry.
    #[must_use]
    pub fn with_credentials(mut self, registry: &str, user: String, password: String) -> Self {
        self.credentials.insert(normal_registry(registry), Arc::new(Credentials { user, password }));
        self
    }

    /// Adds a registry that speaks plain HTTP: `host` or `host:port`, as it stands in references.
    #[must_use]
    pub fn with_insecure(mut self, registry: &str) -> Self {
        self.insecure.push(normal_registry(registry));
        self
    }

    pub(crate) fn credentials(&self, registry: &str) -> Option<Arc<Credentials>> {
        self.credentials.get(registry).cloned()
    }

    pub(crate) fn clients(&self) -> &Clients {
        &self.clients
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
    let host = match registry.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => host,
        _ => registry,
    };
    let address = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    host == "localhost" || address.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
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
}

impl Login {
    fn read(self) -> Result<Option<(String, String)>, &'static str> {
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

/// Entries are hosts, parts of them as `host/team`, or addresses of an API as Docker Hub's `https://index.docker.io/v1/`.
fn host_of(name: &str) -> String {
    normal_registry(split(name).0)
}

fn is_of_part(name: &str) -> bool {
    !matches!(split(name).1.trim_end_matches('/'), "" | "v1" | "v2")
}

/// The host of an entry, and what stands behind it.
fn split(name: &str) -> (&str, &str) {
    let name = name.strip_prefix("https://").or_else(|| name.strip_prefix("http://")).unwrap_or(name);
    name.split_once('/').unwrap_or((name, ""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_docker_config_is_read() {
        // "me:pa:ss" and "you:secret".
        let config = r#"{
            "auths": {
                "https://index.docker.io/v1/": {"auth": "bWU6cGE6c3M="},
                "r.example.com:5000": {"auth": "eW91OnNlY3JldA=="},
                "https://kept.example.com": {},
                "plain.example.com": {"username": "u", "password": "p"},
                "both.example.com": {"username": "host", "password": "p"},
                "both.example.com/team": {"username": "team", "password": "p"},
                "part.example.com/a": {"username": "a", "password": "p"},
                "part.example.com/b": {"username": "b", "password": "p"}
            },
            "credsStore": "desktop"
        }"#;
        let registries = Registries::default().with_docker_config(config).unwrap();
        for (registry, expected) in [
            ("docker.io", Some(("me", "pa:ss"))),
            ("r.example.com:5000", Some(("you", "secret"))),
            ("plain.example.com", Some(("u", "p"))),
            ("both.example.com", Some(("host", "p"))),
            ("part.example.com", Some(("b", "p"))),
            ("kept.example.com", None),
            ("r.example.com", None),
        ] {
            let found = registries.credentials(registry);
            let found = found.as_ref().map(|known| (known.user.as_str(), known.password.as_str()));
            assert_eq!(found, expected, "{registry}");
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
