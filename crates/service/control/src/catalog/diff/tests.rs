//! Differences between stacks.

use super::*;

fn stack(yaml: &str) -> Stack {
    Stack::parse_yaml("stack.yaml", yaml.as_bytes()).unwrap_or_else(|report| panic!("{report}"))
}

const OLD: &str = r#"
name: shop
version: "1"
services:
  - {type: Function, name: cart, binary: aaa, memory_limit: 64MiB, env: {DEBUG: "no", RATE: "1", TEXT: a}}
  - {type: Function, name: gone, binary: bbb}
  - {type: Function, name: same, binary: ccc}
  - type: Gateway
    name: api
    endpoints:
      /: {get: cart.index, post: cart.add}
      /old: {get: gone.index}
  - {type: KeyValueTable, name: carts}
  - {type: Storage, name: images}
"#;

const NEW: &str = r#"
name: shop
version: "2"
services:
  - {type: Storage, name: images, public: true}
  - {type: KeyValueTable, name: orders}
  - {type: KeyValueTable, name: carts, delete: true}
  - {type: Function, name: same, binary: ccc}
  - {type: Function, name: cart, binary: ddd, memory_limit: 1GiB, timeout: 5s, env: {DEBUG: "", TEXT: "a b", NEW: x}}
  - type: Gateway
    name: api
    endpoints:
      /: {get: same.index, post: cart.add, websocket: cart.live}
    cors: {allow_origins: "*"}
"#;

#[test]
fn differences_are_told_field_by_field() {
    let diff = StackDiff::between(&stack(OLD), &stack(NEW));
    let expected = r#"~ version: 1 -> 2
~ function cart
    artifact: aaa -> ddd
    env.DEBUG: no -> ""
    env.NEW: (none) -> x
    env.RATE: 1 -> (none)
    env.TEXT: a -> "a b"
    memory_limit: 64MiB -> 1GiB
    timeout: 30s -> 5s
- function gone
~ gateway api
    cors.allow_credentials: (none) -> false
    cors.allow_headers: (none) -> *
    cors.allow_methods: (none) -> "those of the path"
    cors.allow_origins: (none) -> *
    cors.expose_headers: (none) -> ""
    endpoints./.get: cart.index -> same.index
    endpoints./.websocket: (none) -> cart.live
    endpoints./old.get: gone.index -> (none)
~ table carts
    delete: false -> true
+ table orders
~ box images
    public: false -> true
"#;
    assert_eq!(diff.to_string(), expected);
}

#[test]
fn programs_read_all_fields() {
    let diff = StackDiff::between(&stack(OLD), &stack(NEW));
    let json = serde_json::to_value(&diff).unwrap();
    assert_eq!(json["services"][3]["kind"], "KeyValueTable");
    let expected = serde_json::json!({
        "kind": "Storage",
        "name": "images",
        "change": "changed",
        "fields": [{"field": "public", "old": "false", "new": "true"}],
    });
    let last = json["services"].as_array().unwrap().last().unwrap();
    assert_eq!(*last, expected);
    let gone = diff.services.iter().find(|service| service.name == "gone").unwrap();
    assert_eq!(gone.change, Change::Removed);
    assert!(gone.fields.iter().any(|change| change.field == "artifact" && change.new.is_none()));
}

#[test]
fn equal_stacks_have_no_difference() {
    let diff = StackDiff::between(&stack(OLD), &stack(OLD));
    assert!(diff.is_empty());
    assert_eq!(diff.to_string(), "no difference\n");
}

#[test]
fn a_difference_taken_backwards_is_turned_round() {
    let there = StackDiff::between(&stack(OLD), &stack(NEW));
    let back = StackDiff::between(&stack(NEW), &stack(OLD));
    let turned = |change: &FieldChange| FieldChange {
        field: change.field.clone(),
        old: change.new.clone(),
        new: change.old.clone(),
    };
    assert_eq!(there.fields.iter().map(turned).collect::<Vec<_>>(), back.fields);
    for (there, back) in there.services.iter().zip(&back.services) {
        assert_eq!((there.kind, &there.name), (back.kind, &back.name));
        assert_eq!(there.fields.iter().map(turned).collect::<Vec<_>>(), back.fields);
    }
}

#[test]
fn long_values_are_cut() {
    let long = "é".repeat(100);
    let change = FieldChange { field: "f".into(), old: Some(long), new: None };
    assert_eq!(change.to_string(), format!("f: \"{}\"… -> (none)", "é".repeat(64)));
}
