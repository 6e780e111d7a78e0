use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use rcgen::{CertificateParams, KeyPair};
use tempfile::TempDir;

use super::*;

/// `cert.pem`, its `key.pem` that only its owner can read, and `open.pem` that everyone can; `other.pem` is the key of
/// another certificate, and `empty.pem` none.
pub(super) fn certificate_files() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(["mu.example".to_owned()]).unwrap().self_signed(&key).unwrap();
    for (name, mode, content) in [
        ("cert.pem", 0o644, certificate.pem()),
        ("key.pem", 0o640, key.serialize_pem()),
        ("open.pem", 0o644, key.serialize_pem()),
        ("other.pem", 0o600, KeyPair::generate().unwrap().serialize_pem()),
        ("empty.pem", 0o600, String::new()),
    ] {
        let path = folder.path().join(name);
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    }
    folder
}

#[test]
fn what_does_not_go_together_is_refused() {
    for (file, expected) in [
        (
            "api: {address: '0.0.0.0:12000'}",
            "mu-node.yaml:1:7: error: the management API would listen on 0.0.0.0:12000",
        ),
        (
            "access: {anonymous: operator}\napi: {address: '10.0.0.1:1', insecure: true}",
            "mu-node.yaml:1:10: error: requests",
        ),
        (
            "access: {anonymous: viewer}\napi: {address: '[::]:1', insecure: true}",
            "error: requests without credentials",
        ),
        ("metrics: {address: '127.0.0.1:12000'}", "`metrics.address` and `api.address` are the same, 127.0.0.1:12000"),
        ("gateway: {address: '0.0.0.0:12000'}", "mu-node.yaml:1:11: error: `api.address` and `gateway.address`"),
        ("gateway: {tls: {address: '127.0.0.1:1'}}", "`gateway.tls` has an address and no certificate"),
        ("gateway: {tls: {certificates: [{certificate: a, key: b}]}}", "`gateway.tls` has certificates and no address"),
        ("api: {tls: {certificate: a.pem}}", "`api.tls` has a certificate and no key"),
        ("api: {tls: {key: a.pem}}", "`api.tls` has a key and no certificate"),
        ("api: {tls: {certificate: a.pem, key: a.key}}", "the certificate /etc/mu/a.pem cannot be read"),
        ("api: {tls: {certificate: a.pem, key: a.key}}", "the key /etc/mu/a.key cannot be read"),
        ("data_dir: /var/mu/data\ncache_dir: /var/mu", "`data_dir` lies in `cache_dir`"),
        (
            "access: {oidc: [{name: a, issuer: 'https://i', audience: x}, {name: a, issuer: 'https://j', audience: x}]}",
            "two issuers of `access.oidc` have the name `a`",
        ),
        ("access: {oidc: [{name: a, issuer: 'https://i', audience: x, algorithms: []}]}", "has no algorithm"),
        (
            "containers: {runner_path: /opt/runc}",
            "mu-node.yaml:1:14: error: `containers.runner_path` is of no use with",
        ),
        ("containers: {runner: auto, runner_path: /opt/runc}", "no use with `containers.runner: auto`"),
        ("containers: {runner: none, runner_path: /opt/runc}", "no use with `containers.runner: none`"),
        ("containers: {milli_cpus: 100, milli_cpus_each: 101}", "is 101, more than the 100 of `containers.milli_cpus`"),
    ] {
        let told = mistakes(file, &[], &[]);
        assert!(told.contains(expected), "{file}\n{told}");
    }
}

#[test]
fn what_goes_together_is_not() {
    for file in [
        "api: {address: '0.0.0.0:12000', insecure: true}",
        "api: {address: '[::1]:12000'}\naccess: {anonymous: operator}",
        "gateway: {address: '127.0.0.1:0'}\napi: {address: '127.0.0.1:0'}\nmetrics: {address: '127.0.0.1:0'}",
        "data_dir: /var/mu\ncache_dir: /var/mu/cache",
        "access: {oidc: [{name: a, issuer: 'http://127.0.0.1:8080', audience: x}]}",
        "containers: {runner: docker, runner_path: /run/docker.sock, milli_cpus: 100, milli_cpus_each: 100}",
        "containers: {runner: none, milli_cpus_each: 1000000}",
    ] {
        load(file, &[], &[]);
    }
}

#[test]
fn a_mistake_brings_no_other_one_about() {
    let told = mistakes("access: {anonymous: operator}\napi: {address: here}\n", &[], &[]);
    assert_eq!(told.matches("error:").count(), 1, "{told}");
}

#[test]
fn certificates_can_be_used_and_their_keys_are_for_their_owner() {
    let folder = certificate_files();
    let path = folder.path().display();
    let api = |key: &str| format!("api: {{tls: {{certificate: {path}/cert.pem, key: {path}/{key}}}}}");
    let gateway = |key: &str| {
        format!(
            "gateway: {{tls: {{address: '127.0.0.1:1', certificates: [{{certificate: {path}/cert.pem, key: {path}/{key}}}]}}}}"
        )
    };
    for file in [api("key.pem"), gateway("key.pem")] {
        load(&file, &[], &[]);
    }
    for (key, expected) in [("other.pem", "cannot be used with the certificate"), ("empty.pem", "has no private key")] {
        for file in [api(key), gateway(key)] {
            let told = mistakes(&file, &[], &[]);
            assert!(told.contains(expected) && told.contains(key), "{told}");
        }
    }
    for file in [api("open.pem"), gateway("open.pem")] {
        let told = mistakes(&file, &[], &[]);
        assert!(told.contains("every user of this machine can use the key"), "{told}");
        assert!(told.contains(&format!("hint: chmod o= {path}/open.pem")), "{told}");
    }
}
