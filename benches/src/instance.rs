//! A fresh instance and its first call: warm, beside the bare engine; and cold, from the compiled file on disk.

use std::time::Instant;

use mu_env::Env;
use mu_runtime::{Artifact, Engine as _};
use tokio::runtime::Builder;
use wasmtime::{Caller, Linker, Memory, Module, Store};

use crate::Effort;
use crate::row::{median, micros, print, time_us};
use crate::wasm::{bare, bare_engine, call, large_module, ours, params};

const ROUNDS: usize = 2_000;
const COLD_STARTS: usize = 30;

pub(crate) fn run(effort: Effort) {
    let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("the runtime starts");
    let wasm = large_module();
    runtime.block_on(async {
        tokio::spawn(warm(effort, wasm.clone())).await.expect("the benchmark ends");
        tokio::spawn(cold(effort, wasm)).await.expect("the benchmark ends");
    });
}

async fn warm(effort: Effort, wasm: Vec<u8>) {
    let env = Env::system();
    let dir = tempfile::tempdir().expect("a directory is made");
    let engine = ours(&env, dir.path());
    let program = engine.load(params(Artifact::from_bytes(wasm.clone()))).await.expect("the module loads");
    let peer = Bare::new(&wasm);
    let (mut our_times, mut peer_times) = (Vec::new(), Vec::new());
    for round in 0..effort.times(ROUNDS) + 20 {
        let start = Instant::now();
        let ran = program.run(call(&env)).await;
        let ours = micros(start.elapsed());
        assert!(ran.ended().is_some_and(|outcome| outcome.result.is_ok()), "the call succeeds");
        let peers = time_us(|| peer.run());
        // The first rounds fill the pool.
        if round >= 20 {
            our_times.push(ours);
            peer_times.push(peers);
        }
    }
    let (ours, peer) = (median(our_times), median(peer_times));
    print("instance and first call of a 1 MiB module, warm", "us", ours, Some(peer), Some("ratio <= 1.5"));
}

async fn cold(effort: Effort, wasm: Vec<u8>) {
    let env = Env::system();
    let dir = tempfile::tempdir().expect("a directory is made");
    let artifact = Artifact::from_bytes(wasm);
    ours(&env, dir.path()).load(params(artifact.clone())).await.expect("the module compiles");
    let mut times = Vec::new();
    for _ in 0..effort.times(COLD_STARTS) {
        let engine = ours(&env, dir.path());
        let start = Instant::now();
        let program = engine.load(params(artifact.clone())).await.expect("the module loads");
        let ran = program.run(call(&env)).await;
        assert!(ran.ended().is_some_and(|outcome| outcome.result.is_ok()), "the call succeeds");
        times.push(micros(start.elapsed()) / 1e3);
    }
    print("cold start of a 1 MiB module compiled on disk", "ms", median(times), None, Some("ours <= 5"));
}

/// The least that runs the module: input that is empty, output that is dropped.
struct Bare {
    instance_pre: wasmtime::InstancePre<Option<Memory>>,
}

impl Bare {
    fn new(wasm: &[u8]) -> Self {
        let engine = bare_engine(&bare());
        let module = Module::new(&engine, wasm).expect("the module compiles");
        let mut linker = Linker::new(&engine);
        for name in ["fd_read", "fd_write"] {
            linker
                .func_wrap(
                    "wasi_snapshot_preview1",
                    name,
                    |mut caller: Caller<'_, Option<Memory>>, _fd: i32, iovs: u32, _count: i32, done: u32| -> i32 {
                        let memory = caller.data().expect("the memory is known");
                        let data = memory.data_mut(&mut caller);
                        let (iovs, done) = (iovs as usize, done as usize);
                        let length: [u8; 4] = data[iovs + 4..iovs + 8].try_into().expect("four bytes");
                        data[done..done + 4].copy_from_slice(&length);
                        0
                    },
                )
                .expect("the function is new");
        }
        Self { instance_pre: linker.instantiate_pre(&module).expect("the module links") }
    }

    fn run(&self) {
        let mut store = Store::new(self.instance_pre.module().engine(), None);
        let instance = self.instance_pre.instantiate(&mut store).expect("the pool has room");
        *store.data_mut() = instance.get_memory(&mut store, "memory");
        let start = instance.get_typed_func::<(), ()>(&mut store, "_start").expect("the export is there");
        start.call(&mut store, ()).expect("the call succeeds");
    }
}
