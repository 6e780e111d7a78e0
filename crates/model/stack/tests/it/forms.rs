//! The two written forms of a deployed stack.

use mu_stack::{Artifact, Manifest, Stack};
use proptest::prelude::*;

use crate::FULL;

fn deployed() -> Stack {
    let manifest = Manifest::parse("mu.yaml", FULL.as_bytes()).unwrap_or_else(|report| panic!("{report}"));
    manifest.deployed_stack().with_binaries(|function| format!("id-of-{}", function.name).parse().expect("a name"))
}

#[test]
fn both_forms_round_trip() {
    let stack = deployed();
    assert_eq!(Stack::from_proto_bytes(&stack.to_proto_bytes().unwrap()).unwrap(), stack);
    assert_eq!(Stack::from_proto_text(&stack.to_proto_text().unwrap()).unwrap(), stack);
    let yaml = stack.to_yaml().unwrap();
    assert_eq!(Stack::parse_yaml("stack.yaml", yaml.as_bytes()).unwrap_or_else(|report| panic!("{report}")), stack);
    insta::assert_snapshot!(yaml);
}

#[test]
fn code_that_is_on_this_machine_only_can_t_be_published() {
    let stack = Manifest::parse("mu.yaml", FULL.as_bytes()).unwrap().deployed_stack();
    let message = "the code of function `cart` is not uploaded yet";
    assert_eq!(stack.to_proto_bytes().unwrap_err().to_string(), message);
    assert_eq!(stack.to_yaml().unwrap_err().to_string(), message);
}

#[test]
fn the_litepaper_s_stack_is_read() {
    let text = "
name: GreetingApp
version: 0.1
services:
  - type: Function
    name: greeter_function
    binary: 8MdU7CQGkZaZPjPgXDwMoIkV
    runtime: wasi1.0
    memory_limit: 256MiB
    env: {}
  - type: Gateway
    name: greeting
    endpoints:
      /greet/{name}:
        - method: get
          route_to: greeter_function.greet_user
";
    let stack = Stack::parse_yaml("stack.yaml", text.as_bytes()).unwrap_or_else(|report| panic!("{report}"));
    let binary = "8MdU7CQGkZaZPjPgXDwMoIkV".parse().unwrap();
    assert_eq!(stack.function("greeter_function").unwrap().artifact, Artifact::Binary(binary));
    assert_eq!(stack.version(), "0.1");
}

/// Derived by hand from the published message definitions.
const GOLDEN: &[&[u8]] = &[
    b"\x0a\x03app",
    b"\x12\x011",
    // services: function f, binary b, env A=1, 64 MiB; runtime 0 is left out
    b"\x1a\x15\x12\x13",
    b"\x0a\x01f\x12\x01b",
    b"\x22\x06\x0a\x01A\x12\x011",
    b"\x28\x80\x80\x80\x20",
    // gateway g: /{x} with GET (0, left out) to f.h and POST to f.p
    b"\x1a\x1f\x0a\x1d\x0a\x01g",
    b"\x12\x18\x0a\x04/{x}",
    b"\x12\x06\x12\x01f\x1a\x01h",
    b"\x12\x08\x08\x02\x12\x01f\x1a\x01p",
    // table t, to be deleted; box o
    b"\x1a\x07\x1a\x05\x0a\x01t\x10\x01",
    b"\x1a\x05\x22\x03\x0a\x01o",
];

const GOLDEN_YAML: &str = "
name: app
version: '1'
services:
  - {type: Function, name: f, binary: b, memory_limit: 64MiB, env: {A: '1'}}
  - type: Gateway
    name: g
    endpoints: {'/{x}': {get: f.h, post: f.p}}
  - {type: KeyValueTable, name: t, delete: true}
  - {type: Storage, name: o}
";

#[test]
fn the_protobuf_form_has_the_bytes_of_the_first_version() {
    let golden = GOLDEN.concat();
    let stack = Stack::parse_yaml("stack.yaml", GOLDEN_YAML.as_bytes()).unwrap_or_else(|report| panic!("{report}"));
    assert_eq!(stack.to_proto_bytes().unwrap(), golden);
    assert_eq!(Stack::from_proto_bytes(&golden).unwrap(), stack);
    assert_eq!(
        stack.to_proto_text().unwrap(),
        "CgNhcHASATEaFRITCgFmEgFiIgYKAUESATEogICAIBofCh0KAWcSGAoEL3t4fRIGEgFmGgFoEggIAhIBZhoBcBoHGgUKAXQQARoFIgMKAW8="
    );
}

/// Old readers skip field numbers that they don't know, so what is new must be nothing but additional fields.
#[test]
fn what_is_new_only_adds_fields() {
    let text = "
name: a
version: '1'
services:
  - {type: Function, name: f, binary: b, memory_limit: 64kiB, timeout: 5s, max_instructions: 1k}
  - {type: Storage, name: o, public: true}
  - type: Gateway
    name: g
    endpoints: {/: {websocket: f.w}}
    websocket: {max_message: 128, max_connections: 1, max_rate: 2, idle_timeout: 1s}
";
    let stack = Stack::parse_yaml("stack.yaml", text.as_bytes()).unwrap_or_else(|report| panic!("{report}"));
    let golden: &[&[u8]] = &[
        b"\x0a\x01a\x12\x011",
        b"\x1a\x14\x12\x12\x0a\x01f\x12\x01b\x28\x80\x80\x04",
        // 100: 5000 ms, 101: 1000
        b"\xa0\x06\x88\x27\xa8\x06\xe8\x07",
        // 100: true
        b"\x1a\x08\x22\x06\x0a\x01o\xa0\x06\x01",
        // path /, 100: to f.w; gateway, 101: 128 bytes, 1 connection, 2 per second, 1000 ms
        b"\x1a\x20\x0a\x1e\x0a\x01g\x12\x0c\x0a\x01/\xa2\x06\x06\x12\x01f\x1a\x01w",
        b"\xaa\x06\x0a\x08\x80\x01\x10\x01\x18\x02\x20\xe8\x07",
    ];
    assert_eq!(stack.to_proto_bytes().unwrap(), golden.concat());
    assert_eq!(Stack::from_proto_bytes(&golden.concat()).unwrap(), stack);
}

#[test]
fn auth_and_secrets_only_add_fields() {
    let text = "
name: a
version: '1'
services:
  - {type: Function, name: f, binary: b, memory_limit: 64kiB, auth: token, secrets: [K, L]}
  - type: Gateway
    name: g
    endpoints:
      /:
        - {method: get, route_to: f.h, auth: none}
        - {method: websocket, route_to: f.w, auth: {jwt: {issuer: i, audience: u, claims: {n: v}}}}
";
    let stack = Stack::parse_yaml("stack.yaml", text.as_bytes()).unwrap_or_else(|report| panic!("{report}"));
    let golden: &[&[u8]] = &[
        b"\x0a\x01a\x12\x011",
        b"\x1a\x19\x12\x17\x0a\x01f\x12\x01b\x28\x80\x80\x04",
        // 104: kind 1; 105: K, 105: L
        b"\xc2\x06\x02\x08\x01\xca\x06\x01K\xca\x06\x01L",
        // path /: GET with 100: kind 0; 100: to f.w with 100: kind 2 and a token of issuer i for u, n being v
        b"\x1a\x33\x0a\x31\x0a\x01g\x12\x2c\x0a\x01/\x12\x09\x12\x01f\x1a\x01h\xa2\x06\x00",
        b"\xa2\x06\x1b\x12\x01f\x1a\x01w\xa2\x06\x12\x08\x02\x12\x0e\x0a\x01i\x12\x01u\x1a\x06\x0a\x01n\x12\x01v",
    ];
    let bytes = stack.to_proto_bytes().unwrap();
    assert_eq!(bytes.escape_ascii().to_string(), golden.concat().escape_ascii().to_string());
    assert_eq!(Stack::from_proto_bytes(&bytes).unwrap(), stack);
    assert_eq!(Stack::parse_yaml("stack.yaml", stack.to_yaml().unwrap().as_bytes()).unwrap(), stack);
    // A kind of later versions is not taken for none.
    let mut later = bytes;
    let at = later.windows(4).position(|window| window == b"\x06\x02\x08\x01").unwrap();
    later[at + 3] = 3;
    let report = Stack::from_proto_bytes(&later).unwrap_err().to_string();
    assert!(report.contains("in function `f`: unknown kind of `auth`, number 3"), "{report}");
}

#[test]
fn containers_are_a_field_of_their_own() {
    let text = "
name: a
version: '1'
services:
  - {type: Function, name: f, binary: b, runtime: container, memory_limit: 64kiB}
  - type: Function
    name: g
    binary: b
    runtime: container
    memory_limit: 64kiB
    idle_timeout: 0s
    min_instances: 2
    network: egress
";
    let stack = Stack::parse_yaml("stack.yaml", text.as_bytes()).unwrap_or_else(|report| panic!("{report}"));
    let golden: &[&[u8]] = &[
        b"\x0a\x01a\x12\x011",
        b"\x1a\x0e\x12\x0c\x0a\x01f\x12\x01b\x18\x03\x28\x80\x80\x04",
        b"\x1a\x17\x12\x15\x0a\x01g\x12\x01b\x18\x03\x28\x80\x80\x04",
        b"\xd2\x06\x06\x08\x00\x10\x02\x18\x01",
    ];
    let bytes = stack.to_proto_bytes().unwrap();
    assert_eq!(bytes.escape_ascii().to_string(), golden.concat().escape_ascii().to_string());
    assert_eq!(Stack::from_proto_bytes(&bytes).unwrap(), stack);
    assert_eq!(Stack::parse_yaml("stack.yaml", stack.to_yaml().unwrap().as_bytes()).unwrap(), stack);
    // The last byte is the network of the second function; its runtime is the one before its memory.
    let mut later = bytes.clone();
    *later.last_mut().unwrap() = 2;
    let mut others = bytes;
    let at = others.windows(4).rposition(|window| window == b"\x18\x03\x28\x80").unwrap();
    others[at + 1] = 1;
    for (bytes, problem) in [
        (later, "in function `g`: unknown network, number 2"),
        (others, "in function `g`: a function of runtime wasi-http has the settings of a container"),
    ] {
        let report = Stack::from_proto_bytes(&bytes).unwrap_err().to_string();
        assert!(report.contains(problem), "{report}");
    }
}

#[test]
fn protobuf_is_validated_as_yaml_is() {
    for (bytes, problem) in [
        (&b""[..], "stack: error: a stack name must not be empty"),
        (b"\xff", "stack: error: this is not the protobuf form of a stack"),
        (b"\x0a\x01a\x12\x011\x1a\x00", "in service 1: the service is empty, or of a kind"),
        // service of kind 5
        (b"\x0a\x01a\x12\x011\x1a\x02\x2a\x00", "in service 1: the service is empty, or of a kind"),
        // table "a b"
        (b"\x0a\x01a\x12\x011\x1a\x07\x1a\x05\x0a\x03a b", "in service 1: a table name can't contain ' '"),
        // two tables t
        (
            b"\x0a\x01a\x12\x011\x1a\x05\x1a\x03\x0a\x01t\x1a\x05\x1a\x03\x0a\x01t",
            "in table `t`: two services of kind table are named `t`",
        ),
        // function f without a binary
        (b"\x0a\x01a\x12\x011\x1a\x05\x12\x03\x0a\x01f", "in function `f`: a binary name must not be empty"),
        // function f with runtime 9 and 1 byte of memory
        (
            b"\x0a\x01a\x12\x011\x1a\x0c\x12\x0a\x0a\x01f\x12\x01b\x18\x09\x28\x01",
            "in function `f`: unknown runtime, number 9",
        ),
        (
            b"\x0a\x01a\x12\x011\x1a\x0c\x12\x0a\x0a\x01f\x12\x01b\x18\x09\x28\x01",
            "in function `f`: `memory_limit` is 1B, less than the least, 64KiB",
        ),
        // container f with reused instances; with 129 that are kept
        (
            b"\x0a\x01a\x12\x011\x1a\x0d\x12\x0b\x0a\x01f\x12\x01b\x18\x03\xb8\x06\x01",
            "in function `f`: a container has no `instances`",
        ),
        (
            b"\x0a\x01a\x12\x011\x1a\x10\x12\x0e\x0a\x01f\x12\x01b\x18\x03\xd2\x06\x03\x10\x81\x01",
            "in function `f`: `min_instances` is 129, more than the most, 128 (`max_concurrency`)",
        ),
        // gateway g: / with method 7 to x.y
        (
            b"\x0a\x01a\x12\x011\x1a\x16\x0a\x14\x0a\x01g\x12\x0f\x0a\x01/\x12\x0a\x08\x07\x12\x01x\x1a\x01y ",
            "this is not the protobuf form",
        ),
        (
            b"\x0a\x01a\x12\x011\x1a\x14\x0a\x12\x0a\x01g\x12\x0d\x0a\x01/\x12\x08\x08\x07\x12\x01x\x1a\x01y",
            "in gateway `g`: unknown method, number 7",
        ),
        (
            b"\x0a\x01a\x12\x011\x1a\x12\x0a\x10\x0a\x01g\x12\x0b\x0a\x01/\x12\x06\x12\x01x\x1a\x01y",
            "in gateway `g`: the route leads to `x.y`, but no function is named `x`",
        ),
        (
            b"\x0a\x01a\x12\x011\x1a\x0d\x0a\x0b\x0a\x01g\x12\x06\x0a\x04/a{b",
            "in gateway `g`: malformed path `/a{b`: the braces of `a{b` are not balanced",
        ),
    ] {
        let report = Stack::from_proto_bytes(bytes).unwrap_err().to_string();
        assert!(report.contains(problem), "{report}");
    }
    assert!(Stack::from_proto_bytes(&vec![0; 2 << 20]).unwrap_err().to_string().contains("more than the most"));
    assert!(Stack::from_proto_text("~~~").unwrap_err().to_string().contains("this is not base64"));
}

proptest! {
    #[test]
    fn damaged_protobuf_has_an_answer(edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6)) {
        let mut bytes = deployed().to_proto_bytes().unwrap();
        for (index, byte) in edits {
            let at = index.index(bytes.len());
            bytes[at] = byte;
        }
        if let Ok(stack) = Stack::from_proto_bytes(&bytes) {
            // What is accepted can be written again, in both forms.
            prop_assert_eq!(&Stack::from_proto_bytes(&stack.to_proto_bytes().unwrap()).unwrap(), &stack);
            prop_assert_eq!(&Stack::parse_yaml("stack.yaml", stack.to_yaml().unwrap().as_bytes()).unwrap(), &stack);
        }
    }

    #[test]
    fn any_text_survives_the_yaml_form(value in "\\PC{0,20}|[\\x01-\\x20\"\\\\\u{7f}-\u{a0}\u{2028}]{0,10}", name in "[^=\\x00]{1,8}") {
        let variable = [field(1, name.as_bytes()), field(2, value.as_bytes())].concat();
        let function = [field(1, b"f"), field(2, b"b"), field(4, &variable)].concat();
        let proto = [field(1, b"a"), field(2, b"1"), field(3, &field(2, &function))].concat();
        let stack = Stack::from_proto_bytes(&proto).unwrap();
        let yaml = stack.to_yaml().unwrap();
        let read = Stack::parse_yaml("stack.yaml", yaml.as_bytes()).map_err(|report| TestCaseError::fail(report.to_string()))?;
        prop_assert_eq!(read, stack);
    }
}

/// A length-delimited protobuf field.
fn field(number: u8, bytes: &[u8]) -> Vec<u8> {
    let length = u8::try_from(bytes.len()).expect("short fields only");
    let mut field = vec![number << 3 | 2];
    if length < 0x80 {
        field.push(length);
    } else {
        field.extend([length, 1]);
    }
    field.extend_from_slice(bytes);
    field
}
