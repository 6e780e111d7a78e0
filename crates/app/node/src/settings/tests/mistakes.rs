use super::*;
use crate::settings::table::keys;

#[test]
fn all_mistakes_of_all_layers_are_told_at_once() {
    let file = "\
data_dir: ~/data
gateway:
  adress: 127.0.0.1:80
  address: localhost:80
  keep_alive: 30
  connections_max: 0
  tls:
    certificates:
      - certificate: a.pem
        kye: a.key
      - just text
  color: red
api.address: 127.0.0.1:1
bytes_per_stack: 1GiB
log:
  level: wran
  format: [text]
  filter: mu_gateway=loud
access:
  operators: [k_abc]
  anonymous: everyone
  oidc:
    - {name: 'a:b', issuer: 'http://login.example.com', audience: mu, algorithms: [RS265]}
metrics:
  token: short
metrics:
  token: again
egress: anywhere
quotas:
  client: {table_bytes: 10M, instructions_per_day: 1}
";
    let variables = [
        ("MU_GATEWAY__ADRESS", "127.0.0.1:1"),
        ("MU_GATEWAY_KEEP_ALIVE", "1s"),
        ("MU_NOTHING__LIKE_IT", "1"),
        ("MU_API__ADDRESS", ":12000"),
        ("MU_ACCESS__OIDC", "[{name: a}, {"),
        ("MU_CACHE_DIR", ""),
    ];
    let flags = [
        Override::new("metrics.address", "12090", "--metrics"),
        Override::set("gateway.keep_alive"),
        Override::set("gateway.keepalive=1s"),
        Override::set("metrics.token=0123456789abcdef0123456789abcdef"),
    ];
    insta::assert_snapshot!(mistakes(file, &variables, &flags));
}

#[test]
fn a_secret_is_never_repeated() {
    for (file, variables, flags) in [
        ("metrics: {token: hunter2}", vec![], vec![]),
        ("metrics: {token: [hunter2hunter2hunter2]}", vec![], vec![]),
        ("", vec![("MU_METRICS__TOKEN", "hunter2 hunter2 hunter2")], vec![]),
        ("", vec![], vec![Override::set("metrics.token=hunter2hunter2hunter2")]),
    ] {
        let told = mistakes(file, &variables, &flags);
        assert!(told.contains("metrics.token") && !told.contains("hunter2"), "{told}");
    }
    let loaded = load("metrics: {token: hunter2hunter2hunter2}", &[], &[]);
    let shown = format!("{}{}{:?}", loaded.to_table(), loaded.to_json(), loaded);
    assert!(shown.contains("(set)") && !shown.contains("hunter2"), "{shown}");
    assert!(loaded.settings().metrics.token.as_ref().unwrap().is(b"hunter2hunter2hunter2"));
}

#[test]
fn what_is_not_yaml_is_told_with_its_place() {
    for (file, expected) in [
        ("gateway: [", "mu-node.yaml:"),
        ("- a\n", "mu-node.yaml:1:1: error: `the file` is a map of keys, but this is a list"),
        ("gateway: 5\n", "mu-node.yaml:1:10: error: `gateway` is a map of keys, but this is a number"),
        ("a: 1\n---\nb: 2\n", "more than one document"),
    ] {
        let told = mistakes(file, &[], &[]);
        assert!(told.contains(expected), "{told}");
    }
    for file in ["", "# nothing but a remark\n", "gateway:\n", "---\n", "gateway:\n  tls: ~\n"] {
        load(file, &[], &[]);
    }
}

#[test]
fn nothing_that_is_written_makes_the_node_panic() {
    let long = "x".repeat(10_000);
    let texts = [
        "",
        "~",
        "null",
        "''",
        "[",
        "]",
        "{",
        "{}",
        "[]",
        "[[]]",
        "[~]",
        "[{}]",
        "{a: b}",
        "- a",
        "a: b",
        "-1",
        "0",
        "1",
        "0x10",
        "1_",
        "_",
        "99999999999999999999",
        "18446744073709551615",
        "1e400",
        ".inf",
        "true",
        "on",
        "a,b",
        ",",
        "&a [*a]",
        "!!str x",
        "0TiB",
        "99999999999TiB",
        "5h",
        "18446744073709551615h",
        "0.0.0.0:0",
        "[::]:65535",
        ":",
        "http://",
        "https://u:p@h/?q#f",
        "k_",
        "\u{0}",
        "\u{202e}",
        "é",
        &long,
    ];
    for key in keys() {
        for text in texts {
            let names: Vec<_> = key.path.split('.').collect();
            let nested = names.iter().rev().fold(text.to_owned(), |inner, name| format!("{{{name}: {inner}}}"));
            for sources in [sources(&nested, &[], &[]), sources("", &[(&key.variable(), text)], &[])] {
                if let Err(mistakes) = Configuration::load(&sources) {
                    assert!(mistakes.to_string().len() < 20_000, "{} {text:.100}", key.path);
                }
            }
        }
    }
}

#[test]
fn there_is_an_end_to_mistakes() {
    let file: String = (0..1_000).map(|at| format!("k{at}: 1\n")).collect();
    let told = mistakes(&file, &[], &[]);
    assert!(told.ends_with("and 900 more mistakes"), "{told}");
}

#[test]
fn a_node_needs_somewhere_to_keep_its_data() {
    let without_home = Sources::default();
    let told = Configuration::load(&without_home).unwrap_err().to_string();
    assert_eq!(told.matches("there is no home directory").count(), 2, "{told}");
    assert!(told.contains("hint: name the directory: MU_DATA_DIR=…"), "{told}");
}

#[test]
fn a_named_file_must_be_there() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("gone.yaml");
    let told = Sources::of_process(Some(&path), Vec::new()).unwrap_err().to_string();
    assert!(told.contains("gone.yaml: error: the configuration cannot be read"), "{told}");
    std::fs::write(&path, "log: {level: warn}\n").unwrap();
    let sources = Sources::of_process(Some(&path), Vec::new()).unwrap();
    assert_eq!(sources.file.unwrap().folder, folder.path());
}
