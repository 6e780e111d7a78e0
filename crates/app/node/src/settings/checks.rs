//! What keys say together, and what the files that they name are like.

use std::fs::File;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use mu_gateway::{CertificateFiles, CertificateStore};

use super::mistakes::Collected;
use super::origin::Origin;
use super::values::Values;
use super::{AnonymousAccess, RunnerChoice, Settings};

/// Notes what does not go together. What has a mistake of its own is left out.
pub(super) fn check(settings: &Settings, values: &Values, mistakes: &mut Collected) {
    Checks { settings, values, mistakes }.all();
}

struct Checks<'a> {
    settings: &'a Settings,
    values: &'a Values,
    mistakes: &'a mut Collected,
}

impl Checks<'_> {
    fn all(&mut self) {
        self.directories();
        self.addresses();
        self.gateway_tls();
        self.api_tls();
        self.anonymous();
        self.issuers();
        self.containers();
    }

    fn directories(&mut self) {
        let Settings { data_dir, cache_dir, .. } = self.settings;
        if self.values.are_sound(&["data_dir", "cache_dir"])
            && data_dir.starts_with(cache_dir)
            && !data_dir.as_os_str().is_empty()
        {
            let hint = "everything in the cache can be deleted; keep the data elsewhere";
            self.add("cache_dir", "`data_dir` lies in `cache_dir`", hint);
        }
    }

    fn addresses(&mut self) {
        let settings = self.settings;
        let all = [
            ("gateway.address", Some(settings.gateway.address)),
            ("gateway.tls.address", settings.gateway.tls.as_ref().map(|tls| tls.address)),
            ("api.address", Some(settings.api.address)),
            ("metrics.address", Some(settings.metrics.address)),
        ];
        for (at, (path, address)) in all.iter().enumerate() {
            for (earlier_path, earlier) in &all[..at] {
                let (Some(address), Some(earlier)) = (address, earlier) else { continue };
                if self.values.are_sound(&[path, earlier_path]) && overlap(*address, *earlier) {
                    let message = format!("`{path}` and `{earlier_path}` are the same, {address}");
                    let blamed = if self.values.is_set(path) { path } else { earlier_path };
                    self.add(blamed, message, "give each its own port");
                }
            }
        }
    }

    fn gateway_tls(&mut self) {
        let (address, certificates) = ("gateway.tls.address", "gateway.tls.certificates");
        if !self.values.are_sound(&[address, certificates]) {
            return;
        }
        let listed = self.values.list(certificates).len();
        match &self.settings.gateway.tls {
            Some(_) if listed == 0 => {
                let hint = "list a `certificate` and its `key` under `gateway.tls.certificates`";
                self.add(address, "`gateway.tls` has an address and no certificate", hint);
            }
            None if listed > 0 => {
                let hint = "say where HTTPS is served: `gateway.tls.address`";
                self.add(certificates, "`gateway.tls` has certificates and no address", hint);
            }
            Some(tls) => {
                for files in &tls.certificates {
                    self.files(certificates, certificates, files);
                }
            }
            None => {}
        }
    }

    fn api_tls(&mut self) {
        let (certificate, key) = ("api.tls.certificate", "api.tls.key");
        if !self.values.are_sound(&[certificate, key]) {
            return;
        }
        match (self.values.is_something(certificate), self.values.is_something(key)) {
            (true, false) => {
                self.add(certificate, "`api.tls` has a certificate and no key", "set `api.tls.key` as well");
            }
            (false, true) => {
                self.add(key, "`api.tls` has a key and no certificate", "set `api.tls.certificate` as well");
            }
            (false, false) => self.unprotected_api(),
            (true, true) => {
                if let Some(files) = &self.settings.api.tls {
                    self.files(certificate, key, files);
                }
            }
        }
    }

    fn unprotected_api(&mut self) {
        let address = self.settings.api.address;
        let is_insecure_meant = self.values.flag("api.insecure");
        if self.values.are_sound(&["api.address", "api.insecure"]) && !address.ip().is_loopback() && !is_insecure_meant
        {
            let message = format!(
                "the management API would listen on {address} without TLS: tokens and secrets would cross the network \
                 readable, and whoever reads a token can use it"
            );
            let hint = "set `api.tls.certificate` and `api.tls.key`; or, behind a proxy that speaks TLS, `api.insecure: \
                        true`";
            self.add("api.address", message, hint);
        }
    }

    fn anonymous(&mut self) {
        let address = self.settings.api.address;
        if self.settings.access.anonymous != AnonymousAccess::None
            && self.values.are_sound(&["access.anonymous", "api.address"])
            && !address.ip().is_loopback()
        {
            let message = format!(
                "requests without credentials are only for a management API on loopback, and `api.address` is {address}"
            );
            let hint = "set `access.anonymous: none`, or `api.address: 127.0.0.1:12000`";
            self.add("access.anonymous", message, hint);
        }
    }

    fn issuers(&mut self) {
        let issuers = &self.settings.access.oidc;
        for (at, issuer) in issuers.iter().enumerate() {
            if issuers[..at].iter().any(|earlier| earlier.name == issuer.name) {
                let message = format!("two issuers of `access.oidc` have the name `{}`", issuer.name);
                self.add("access.oidc", message, "grants tell them apart by their names: choose another one");
            }
            if issuer.algorithms.is_empty() {
                let message = format!("the issuer `{}` of `access.oidc` has no algorithm", issuer.name);
                self.add("access.oidc", message, "leave `algorithms` out for RS256");
            }
        }
    }

    fn containers(&mut self) {
        let (runner, path) = ("containers.runner", "containers.runner_path");
        if self.values.are_sound(&[runner, path]) && self.values.is_something(path) {
            match self.settings.containers.runner {
                RunnerChoice::Auto => {
                    let hint = "say what it is: `containers.runner: crun`, `runc` or `docker`";
                    self.add(path, "`containers.runner_path` is of no use with `containers.runner: auto`", hint);
                }
                RunnerChoice::None => {
                    let hint = "leave it out, or choose another `containers.runner`";
                    self.add(path, "`containers.runner_path` is of no use with `containers.runner: none`", hint);
                }
                RunnerChoice::Crun | RunnerChoice::Runc | RunnerChoice::Docker => {}
            }
        }
        let (each, all) = ("containers.milli_cpus_each", "containers.milli_cpus");
        if self.values.are_sound(&[each, all])
            && let (Some(each_takes), Some(there_is)) = (self.values.count_if_set(each), self.values.count_if_set(all))
            && each_takes > there_is
        {
            let message =
                format!("`{each}` is {each_takes}, more than the {there_is} of `{all}`: no container would start");
            let blamed = if self.values.is_set(each) { each } else { all };
            self.add(blamed, message, "let each reserve less, or give all of them more");
        }
    }

    /// Both files can be read, the key not by everyone, and they belong together.
    fn files(&mut self, certificate_path: &str, key_path: &str, files: &CertificateFiles) {
        let certificate = File::open(&files.chain).map(drop);
        if let Err(error) = &certificate {
            let message = format!("the certificate {} cannot be read: {error}", files.chain.display());
            self.mistakes.add(self.origin(certificate_path), message, None);
        }
        let shown = files.key.display();
        match mode(&files.key) {
            Err(error) => {
                let message = format!("the key {shown} cannot be read: {error}");
                self.mistakes.add(self.origin(key_path), message, None);
            }
            Ok(mode) if mode & 0o007 != 0 => {
                let message = format!("every user of this machine can use the key {shown} (mode {:o})", mode & 0o777);
                self.add(key_path, message, &format!("chmod o= {shown}"));
            }
            Ok(_) if certificate.is_ok() => {
                if let Err(error) = CertificateStore::load(vec![files.clone()]) {
                    self.mistakes.add(self.origin(certificate_path), error.to_string(), None);
                }
            }
            Ok(_) => {}
        }
    }

    fn add(&mut self, path: &str, message: impl Into<String>, hint: &str) {
        self.mistakes.add(self.origin(path), message, hint.to_owned());
    }

    fn origin(&self, path: &str) -> Origin {
        self.values.origin(path)
    }
}

/// The mode of a file that can be read.
fn mode(path: &Path) -> std::io::Result<u32> {
    Ok(File::open(path)?.metadata()?.permissions().mode())
}

/// Whether only one of two listeners could have its address. Port 0 is another one each time.
fn overlap(a: SocketAddr, b: SocketAddr) -> bool {
    let covers = |a: SocketAddr, b: SocketAddr| {
        // An address of all IPv6 takes IPv4 as well on most systems.
        a.ip() == b.ip() || (a.ip().is_unspecified() && (a.is_ipv6() || b.is_ipv4()))
    };
    a.port() == b.port() && a.port() != 0 && (covers(a, b) || covers(b, a))
}

#[cfg(test)]
mod tests {
    #[test]
    fn addresses_overlap() {
        for (a, b, expected) in [
            ("127.0.0.1:80", "127.0.0.1:80", true),
            ("127.0.0.1:0", "127.0.0.1:0", false),
            ("127.0.0.1:80", "127.0.0.1:81", false),
            ("127.0.0.1:80", "127.0.0.2:80", false),
            ("0.0.0.0:80", "127.0.0.1:80", true),
            ("[::]:80", "127.0.0.1:80", true),
            ("0.0.0.0:80", "[::1]:80", false),
            ("[::1]:80", "127.0.0.1:80", false),
        ] {
            assert_eq!(super::overlap(a.parse().unwrap(), b.parse().unwrap()), expected, "{a} {b}");
            assert_eq!(super::overlap(b.parse().unwrap(), a.parse().unwrap()), expected, "{b} {a}");
        }
    }
}
