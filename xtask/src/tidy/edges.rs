//! Which crate may depend on which: layers point downward, and the edges inside a layer are listed here.

use super::finding::{Finding, Rule};
use super::members::{Layer, Member, Place};

/// Edges inside a layer, and no others; `*` is any crate of the layer. ARCHITECTURE.md gives the reasons.
const WITHIN: [(Layer, &str, &str); 14] = [
    (Layer::Infra, "*", "env"),
    (Layer::Infra, "*", "telemetry"),
    (Layer::Infra, "events", "db"),
    (Layer::Infra, "container", "image"),
    (Layer::Infra, "runtime", "container"),
    (Layer::Infra, "runtime", "image"),
    (Layer::Service, "gateway", "invoke"),
    (Layer::Service, "trigger", "invoke"),
    (Layer::Service, "workflow", "invoke"),
    (Layer::Service, "invoke", "control"),
    (Layer::Service, "invoke", "cluster"),
    (Layer::App, "mu", "node"),
    (Layer::App, "mu", "console"),
    (Layer::App, "node", "console"),
];

/// The only crate of the house that the SDK shares: the messages between a function and the runtime.
const SHARED_WITH_SDK: &str = "abi";

pub(super) fn check(members: &[Member]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for member in members {
        for dependency in &member.dependencies {
            let Some(target) = members.iter().find(|other| other.name == dependency.name) else { continue };
            if let Err(hint) = judge(&member.place, &target.place) {
                let message = format!("`{}` may not depend on `{}`", member.name, target.name);
                findings.push(Finding::new(Rule::Edge, &member.manifest(), dependency.line, message, hint));
            }
        }
    }
    findings
}

/// Whether this edge may be; if not, what to do instead.
fn judge(from: &Place, to: &Place) -> Result<(), &'static str> {
    match (from, to) {
        (Place::Tooling, _) | (Place::Sdk, Place::Sdk) => Ok(()),
        (_, Place::Tooling) => Err("benches and tasks look at the house; the house does not know them"),
        (Place::Sdk, Place::House(Layer::Model, name)) if name == SHARED_WITH_SDK => Ok(()),
        (Place::Sdk, Place::House(..)) => Err("the SDK shares only `mu-abi` with the house"),
        (Place::House(..), Place::Sdk) => Err("the SDK is for functions; what both need belongs into `mu-abi`"),
        (Place::House(from, _), Place::House(to, _)) if to < from => Ok(()),
        (Place::House(from, _), Place::House(to, _)) if to > from => {
            Err("arrows point downward (app > service > infra > model): put a port into the lower layer")
        }
        (Place::House(layer, from), Place::House(_, to)) => {
            let listed = WITHIN.iter().any(|(within, a, b)| within == layer && (*a == "*" || a == from) && b == to);
            if listed {
                Ok(())
            } else {
                Err("edges inside a layer are listed in ARCHITECTURE.md; a new one needs an ADR")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{members, tree::Tree};
    use super::*;

    #[test]
    fn edges_point_downward() {
        for (from, to, allowed) in [
            ("crates/service/gateway", "crates/infra/db", true),
            ("crates/app/node", "crates/model/stack", true),
            ("crates/infra/db", "crates/service/gateway", false),
            ("crates/model/stack", "crates/infra/env", false),
            ("crates/infra/db", "crates/infra/env", true),
            ("crates/infra/db", "crates/infra/storage", false),
            ("crates/infra/events", "crates/infra/db", true),
            ("crates/infra/db", "crates/infra/events", false),
            ("crates/service/gateway", "crates/service/invoke", true),
            ("crates/service/invoke", "crates/service/gateway", false),
            ("crates/model/stack", "crates/model/abi", false),
            ("sdk/rust/mu-sdk", "crates/model/abi", true),
            ("sdk/rust/mu-sdk", "crates/model/stack", false),
            ("sdk/rust/mu-sdk", "sdk/rust/mu-sdk-macros", true),
            ("crates/app/mu", "sdk/rust/mu-sdk", false),
            ("benches", "crates/infra/db", true),
            ("crates/app/mu", "benches", false),
        ] {
            let root = format!("[workspace]\nmembers = [\"{from}\", \"{to}\"]\n");
            let tree = Tree::of(&[
                ("Cargo.toml", &root),
                (&format!("{from}/Cargo.toml"), "[package]\nname = \"a\"\n\n[dependencies]\nb.workspace = true\n"),
                (&format!("{to}/Cargo.toml"), "[package]\nname = \"b\"\n"),
            ]);
            let members = members::of(&tree).expect("the manifests are well-formed");
            let places: Vec<_> = check(&members).iter().map(Finding::place).collect();
            let expected = if allowed { vec![] } else { vec![format!("{from}/Cargo.toml:5")] };
            assert_eq!(places, expected, "{from} -> {to}");
        }
    }
}
