//! Arguments, environment, clocks, randomness, exit.

use wasmtime::{Caller, Linker, Result};

use super::super::state::State;
use super::memory::{self, OutOfBounds};
use super::stdio::errno_of;
use super::{Exit, breathe, charge, errno};

const CLOCK_REALTIME: u32 = 0;
const CLOCK_MONOTONIC: u32 = 1;
const CLOCK_THREAD_CPUTIME: u32 = 3;

pub(super) fn add_to(linker: &mut Linker<State>, module: &str) -> Result<()> {
    linker.func_wrap(module, "args_sizes_get", |caller: Caller<'_, State>, count: u32, bytes: u32| {
        put_two(caller, count, 0, bytes, 0)
    })?;
    linker.func_wrap(module, "args_get", |_argv: i32, _buffer: i32| -> i32 { errno::SUCCESS })?;
    linker.func_wrap(module, "environ_sizes_get", environ_sizes_get)?;
    linker.func_wrap_async(module, "environ_get", |caller: Caller<'_, State>, (pointers, buffer): (u32, u32)| {
        Box::new(environ_get(caller, pointers, buffer))
    })?;
    linker.func_wrap(module, "clock_res_get", |caller: Caller<'_, State>, clock: u32, result: u32| {
        // Times come in microseconds.
        put_time(caller, if clock <= CLOCK_THREAD_CPUTIME { Some(1_000) } else { None }, result)
    })?;
    linker.func_wrap(
        module,
        "clock_time_get",
        |caller: Caller<'_, State>, clock: u32, _precision: i64, result: u32| {
            let now = now_ns(caller.data(), clock);
            put_time(caller, now, result)
        },
    )?;
    linker.func_wrap_async(module, "random_get", |caller: Caller<'_, State>, (buffer, length): (u32, u32)| {
        Box::new(random_get(caller, buffer, length))
    })?;
    linker.func_wrap(module, "proc_exit", |status: i32| -> Result<()> { Err(Exit(status).into()) })?;
    linker.func_wrap(module, "proc_raise", |_signal: i32| -> i32 { errno::NOTSUP })?;
    linker.func_wrap_async(module, "sched_yield", |mut caller: Caller<'_, State>, (): ()| {
        Box::new(async move {
            breathe(&mut caller, YIELD_WORK).await?;
            Ok(errno::SUCCESS)
        })
    })?;
    Ok(())
}

/// A clock's time in nanoseconds. The monotonic clock, and those of CPU time, begin with the invocation: a guest
/// learns nothing about the machine from them.
pub(super) fn now_ns(state: &State, clock: u32) -> Option<u64> {
    match clock {
        CLOCK_REALTIME => Some(state.env().now().as_micros().saturating_mul(1_000)),
        CLOCK_MONOTONIC..=CLOCK_THREAD_CPUTIME => {
            let elapsed = state.env().clock().instant().saturating_duration_since(state.started);
            Some(u64::try_from(elapsed.as_micros()).unwrap_or(u64::MAX).saturating_mul(1_000))
        }
        _ => None,
    }
}

fn put_time(mut caller: Caller<'_, State>, time_ns: Option<u64>, result: u32) -> Result<i32> {
    let Some(time_ns) = time_ns else { return Ok(errno::INVAL) };
    let memory = memory::of(&mut caller)?;
    Ok(errno_of(memory::put(memory.data_mut(&mut caller), result, &time_ns.to_le_bytes())))
}

fn put_two(mut caller: Caller<'_, State>, first: u32, a: u32, second: u32, b: u32) -> Result<i32> {
    let memory = memory::of(&mut caller)?;
    let data = memory.data_mut(&mut caller);
    Ok(errno_of(memory::put_u32(data, first, a).and_then(|()| memory::put_u32(data, second, b))))
}

fn environ_sizes_get(caller: Caller<'_, State>, count: u32, bytes: u32) -> Result<i32> {
    let environment = &caller.data().environment;
    // `KEY=value` and a NUL each; the manifest bounds the whole to 64 KiB.
    let size: usize = environment.iter().map(|(key, value)| key.len() + value.len() + 2).sum();
    let entries = u32::try_from(environment.len()).unwrap_or(u32::MAX);
    put_two(caller, count, entries, bytes, u32::try_from(size).unwrap_or(u32::MAX))
}

async fn environ_get(mut caller: Caller<'_, State>, pointers: u32, buffer: u32) -> Result<i32> {
    let memory = memory::of(&mut caller)?;
    let (data, state) = memory.data_and_store_mut(&mut caller);
    let bytes: usize = state.environment.iter().map(|(key, value)| key.len() + value.len()).sum();
    let result = put_environment(data, &state.environment, pointers, buffer);
    breathe(&mut caller, bytes as u64).await?;
    Ok(errno_of(result))
}

fn put_environment(
    data: &mut [u8],
    environment: &[(String, String)],
    mut pointer: u32,
    mut buffer: u32,
) -> Result<(), OutOfBounds> {
    for (key, value) in environment {
        memory::put_u32(data, pointer, buffer)?;
        pointer = pointer.checked_add(4).ok_or(OutOfBounds)?;
        for part in [key.as_bytes(), b"=", value.as_bytes(), b"\0"] {
            memory::put(data, buffer, part)?;
            let length = u32::try_from(part.len()).map_err(|_| OutOfBounds)?;
            buffer = buffer.checked_add(length).ok_or(OutOfBounds)?;
        }
    }
    Ok(())
}

/// What a guest that yields counts as host work: it has said that it can wait.
const YIELD_WORK: u64 = 100_000;

/// Random bytes that are made at once.
const RANDOM_CHUNK_BYTES: u32 = 64 << 10;

/// Random bytes fit for keys, at one instruction each: as much as filling memory costs.
async fn random_get(mut caller: Caller<'_, State>, mut buffer: u32, mut length: u32) -> Result<i32> {
    charge(&mut caller, length)?;
    let memory = memory::of(&mut caller)?;
    loop {
        let chunk = length.min(RANDOM_CHUNK_BYTES);
        let (data, state) = memory.data_and_store_mut(&mut caller);
        let filled = memory::slice_mut(data, buffer, chunk).map(|bytes| state.env().random().fill_secret(bytes));
        breathe(&mut caller, u64::from(chunk)).await?;
        length -= chunk;
        if length == 0 || filled.is_err() {
            return Ok(errno_of(filled));
        }
        // Within memory, because this chunk was, and one is left.
        buffer = buffer.saturating_add(chunk);
    }
}
