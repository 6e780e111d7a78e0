//! `wasi:config`: the function's environment, by name.

use wasmtime::component::{ComponentType, Lift, Linker, Lower};

use super::state::ComponentState;

/// The versions of the interface, which differ in name only.
const INTERFACES: [&str; 2] = ["wasi:config/store@0.2.0-rc.1", "wasi:config/store@0.2.0-draft"];

/// The interface as it was called before, which Spin and others used.
const RUNTIME_INTERFACE: &str = "wasi:config/runtime@0.2.0-draft";

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
    for name in INTERFACES.iter().chain([&RUNTIME_INTERFACE]) {
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
