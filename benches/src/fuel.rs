//! What counting instructions costs, on five kernels.

use std::path::Path;

use mu_runtime::metered_settings;
use wasmtime::{Config, Linker, Module, Store, TypedFunc};

use crate::Effort;
use crate::row::{median, print, time_us};
use crate::wasm::{bare, bare_engine};

/// The kernel's export, and a size for which it runs for some milliseconds.
const KERNELS: &[(&str, i32)] =
    &[("fib", 27), ("sieve", 400_000), ("matrix", 120), ("heapsort", 40_000), ("hashing", 400_000)];

const ROUNDS: usize = 31;
const MODULE: &str = "guests/modules/kernels.wasm";

pub(crate) fn run(effort: Effort) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(MODULE);
    let wasm = std::fs::read(path).expect("the kernels are checked in");
    let mut log_ratios = 0.0;
    for (kernel, size) in KERNELS {
        let (mut metered, mut unmetered) =
            (Kernel::new(&wasm, &metered(), kernel), Kernel::new(&wasm, &bare(), kernel));
        let (mut metered_us, mut unmetered_us) = (Vec::new(), Vec::new());
        for _ in 0..effort.times(ROUNDS) {
            metered_us.push(time_us(|| metered.run(*size)));
            unmetered_us.push(time_us(|| unmetered.run(*size)));
        }
        let (ours, peer) = (median(metered_us), median(unmetered_us));
        log_ratios += (ours / peer).ln();
        print(&format!("metering: {kernel}"), "us", ours, Some(peer), None);
        // The same in the development build (`--quick`) and in the release build.
        print(&format!("instructions: {kernel}"), "", metered.instructions(*size) as f64, None, None);
    }
    let mean = (log_ratios / KERNELS.len() as f64).exp();
    print("metering: geometric mean of the five ratios", "x", mean, None, None);
}

/// The bare engine with what counting needs, and nothing else of ours.
fn metered() -> Config {
    let mut config = bare();
    metered_settings(&mut config);
    config
}

struct Kernel {
    store: Store<()>,
    function: TypedFunc<i32, i64>,
}

impl Kernel {
    fn new(wasm: &[u8], config: &Config, name: &str) -> Self {
        let engine = bare_engine(config);
        let module = Module::new(&engine, wasm).expect("the module compiles");
        let mut linker = Linker::new(&engine);
        linker.define_unknown_imports_as_traps(&module).expect("imports are defined");
        let mut store = Store::new(&engine, ());
        // An engine that does not count refuses to be given fuel, which is fine.
        let _ = store.set_fuel(u64::MAX >> 1);

        let instance = linker.instantiate(&mut store, &module).expect("the pool has room");
        let function = instance.get_typed_func(&mut store, name).expect("the kernel is exported");
        Self { store, function }
    }

    /// What one run counts.
    fn instructions(&mut self, size: i32) -> u64 {
        let before = self.store.get_fuel().expect("this engine counts");
        self.run(size);
        before - self.store.get_fuel().expect("this engine counts")
    }

    fn run(&mut self, size: i32) {
        std::hint::black_box(self.function.call(&mut self.store, size).expect("the kernel runs"));
    }
}
