//! `wasi:config`: the function's environment, by name.

use wasmtime::component::{ComponentType, Lift, Linker, Lower};

use super::state::ComponentState;

/// The versions of the interface, which differ in name only. The last is its name of before, which Spin and others used.
const INTERFACES: [&str; 3] =
    ["wasi:config/store@0.2.0-rc.1", "wasi:config/store@0.2.0-draft", "wasi:config/runtime@0.2.0-draft"];

/// Never made: looking up a variable cannot fail.
#[derive(ComponentType, Lift, Lower)]
#[component(variant)]
enum Error {
    #[component(name = "upstream")]
    Upstream(String),
    #[component(name = "io")]
    Io(String),
}

type Pairs = Vec<(String, String)>;

pub(super) fn add_to(linker: &mut Linker<ComponentState>) -> wasmtime::Result<()> {
    for name in INTERFACES {
        let mut interface = linker.instance(name)?;
        interface.func_wrap("get", |mut store, (key,): (String,)| {
            store.data_mut().pacing.note_function();
            let variables = store.data().environment.iter();
            let value = variables.rev().find(|(name, _)| *name == key).map(|(_, value)| value.clone());
            Ok((Result::<Option<String>, Error>::Ok(value),))
        })?;
        interface.func_wrap("get-all", |mut store, (): ()| {
            store.data_mut().pacing.note_function();
            Ok((Result::<Pairs, Error>::Ok(store.data().environment.to_vec()),))
        })?;
    }
    Ok(())
}
