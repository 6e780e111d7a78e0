//! Vendor crates and the one crate of the house that knows each of them.

use super::finding::{Finding, Rule};
use super::members::{Member, Place};

/// A vendor's crates by name (`*` at the end: every name that starts so), and the folder of their home: one for each use.
const HOMES: [(&str, &str); 18] = [
    ("async-nats", "crates/infra/events"),
    ("bollard", "crates/infra/container"),
    // Layers of images.
    ("flate2", "crates/infra/image"),
    // Proofs of claimed hosts.
    ("hickory-*", "crates/app/node"),
    ("object_store", "crates/infra/storage"),
    ("prometheus-client", "crates/infra/telemetry"),
    ("redb", "crates/infra/db"),
    // Outgoing requests of functions; and registries of images, which are not asked on behalf of functions.
    ("reqwest", "crates/infra/runtime"),
    ("reqwest", "crates/infra/image"),
    // Encryption of boxes; TLS takes it as a feature of rustls.
    ("ring", "crates/infra/storage"),
    ("solana-*", "crates/infra/chain"),
    // Layers of images, and those that tests of the engine make.
    ("tar", "crates/infra/image"),
    ("tar", "crates/infra/runtime"),
    ("tikv-client", "crates/infra/db"),
    ("tokio-postgres", "crates/infra/db"),
    ("wasmtime", "crates/infra/runtime"),
    ("wasmtime-*", "crates/infra/runtime"),
    ("zstd", "crates/infra/image"),
];

pub(super) fn check(members: &[Member]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for member in members.iter().filter(|member| member.place != Place::Tooling) {
        for dependency in &member.dependencies {
            let homes = HOMES.iter().filter(|(vendor, _)| is_of(&dependency.name, vendor)).map(|(_, home)| *home);
            let homes: Vec<_> = homes.collect();
            if !homes.is_empty() && !homes.contains(&&*member.folder) {
                let message = format!("`{}` may not use the vendor crate `{}`", member.name, dependency.name);
                let hint = format!("its home is {}; use what that crate offers", homes.join(" and "));
                findings.push(Finding::new(Rule::Vendor, &member.manifest(), dependency.line, message, hint));
            }
        }
    }
    findings
}

fn is_of(name: &str, vendor: &str) -> bool {
    match vendor.strip_suffix('*') {
        Some(start) => name.starts_with(start),
        None => name == vendor,
    }
}

#[cfg(test)]
mod tests {
    use super::super::{members, tree::Tree};
    use super::*;

    #[test]
    fn a_vendor_crate_has_one_home() {
        for (folder, dependency, allowed) in [
            ("crates/infra/db", "redb", true),
            ("crates/service/invoke", "redb", false),
            ("crates/app/mu", "wasmtime", false),
            ("crates/infra/db", "wasmtime-environ", false),
            ("crates/infra/db", "solana-pubkey", false),
            ("crates/infra/runtime", "reqwest", true),
            ("crates/infra/image", "reqwest", true),
            ("crates/service/gateway", "reqwest", false),
            ("benches", "redb", true),
            ("crates/app/mu", "redbird", true),
        ] {
            let root = format!("[workspace]\nmembers = [\"{folder}\"]\n");
            let manifest = format!("[package]\nname = \"a\"\n[dependencies]\n{dependency}.workspace = true\n");
            let tree = Tree::of(&[("Cargo.toml", &root), (&format!("{folder}/Cargo.toml"), &manifest)]);
            let members = members::of(&tree).expect("the manifests are well-formed");
            assert_eq!(check(&members).is_empty(), allowed, "{folder} -> {dependency}");
        }
    }
}
