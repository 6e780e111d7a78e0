//! A manifest, and the written forms of a stack, from any bytes.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mu_stack::limits::FILE_BYTES_MAX;
use mu_stack::{Env, Manifest, Stack};

fuzz_target!(|bytes: &[u8]| {
    if let Ok(manifest) = Manifest::parse("mu.yaml", bytes) {
        let _ = manifest.local_stack(&Env::new());
        survives_its_forms(&manifest.deployed_stack().with_binaries(|_| "b".parse().expect("a name")));
    }
    for stack in [Stack::parse_yaml("stack.yaml", bytes), Stack::from_proto_bytes(bytes)].into_iter().flatten() {
        survives_its_forms(&stack);
    }
});

/// What was accepted once is accepted again, whichever way it is written, unless that makes it too large to be read.
fn survives_its_forms(stack: &Stack) {
    let proto = stack.to_proto_bytes().expect("all code is uploaded");
    if proto.len() <= FILE_BYTES_MAX {
        assert_eq!(&Stack::from_proto_bytes(&proto).expect("protobuf was written"), stack);
    }
    let yaml = stack.to_yaml().expect("all code is uploaded");
    if yaml.len() <= FILE_BYTES_MAX {
        assert_eq!(&Stack::parse_yaml("stack.yaml", yaml.as_bytes()).expect("YAML was written"), stack);
    }
}
