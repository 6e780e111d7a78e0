use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use mu_telemetry::Limit;

use super::*;
use crate::settings::kind::Key;
use crate::settings::reference::EXAMPLE;
use crate::settings::table::{SECTIONS, keys};

/// Whether a committed file is what the code makes.
fn check(name: &str, made: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../docs/reference").join(name);
    if std::env::var_os("MU_UPDATE_DOCS").is_some() {
        fs::write(&path, made).unwrap();
    }
    let committed = fs::read_to_string(&path).unwrap_or_default();
    assert!(committed == made, "run the tests with MU_UPDATE_DOCS=1 to rewrite docs/reference/{name}");
}

#[test]
fn the_committed_page_is_the_table() {
    check("configuration.md", &configuration_reference());
}

#[test]
fn the_committed_schema_is_the_table() {
    check("mu-node.schema.json", &format!("{:#}\n", configuration_schema()));
}

#[test]
fn the_example_of_the_page_is_understood() {
    let settings = load(EXAMPLE, &[], &[]).into_settings();
    assert_eq!(settings.client_quota.instructions_per_day, Some(50_000_000_000_000));
    assert_eq!(settings.access.operators.len(), 1);
}

#[test]
fn the_schema_has_every_key() {
    let schema = configuration_schema();
    for key in keys() {
        let found = key.path.split('.').fold(&schema, |schema, part| &schema["properties"][part]);
        assert_eq!(found["description"], key.about, "{}", key.path);
    }
}

#[test]
fn the_table_is_in_order() {
    let paths: BTreeSet<_> = keys().map(|key| key.path).collect();
    let variables: BTreeSet<_> = keys().map(Key::variable).collect();
    assert_eq!((paths.len(), variables.len()), (keys().count(), keys().count()));
    for key in keys() {
        let section = key.path.rsplit_once('.').map_or("", |(section, _)| section);
        assert!(SECTIONS.iter().any(|known| known.path == section), "{section} has no description");
        assert!(key.about.ends_with('.') && !key.about.contains(['\n', '|']), "{}", key.about);
    }
}

#[test]
fn limits_are_named_after_the_keys_that_set_them() {
    for limit in Limit::ALL.map(Limit::as_str) {
        assert!(limit.starts_with("function.") || keys().any(|key| key.path == limit), "{limit}");
    }
}

#[test]
fn the_table_for_people_is_aligned() {
    let flags = [Override::set("quotas.stack.box_bytes=1GiB")];
    let shown = load("gateway: {keep_alive: 1m}\n", &[("MU_METRICS__TOKEN", "0123456789abcdef")], &flags).to_table();
    insta::assert_snapshot!(shown);
}
