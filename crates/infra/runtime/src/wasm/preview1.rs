//! WASI preview 1, as much of it as a function has: standard streams, environment, clocks, randomness, waiting.
//!
//! There is no file system and there are no sockets. The functions for them exist, so that modules which link them
//! (every Go program does) can run, and answer that the descriptor is bad.

mod memory;
mod poll;
mod stdio;
mod system;

use wasmtime::{Caller, Engine, Linker, Result};

use super::state::State;

/// The module under which programs import preview 1.
const MODULE: &str = "wasi_snapshot_preview1";

/// Error numbers of preview 1 that we use.
mod errno {
    pub(super) const SUCCESS: i32 = 0;
    pub(super) const BADF: i32 = 8;
    pub(super) const FAULT: i32 = 21;
    pub(super) const INVAL: i32 = 28;
    pub(super) const NOTSUP: i32 = 58;
    pub(super) const SPIPE: i32 = 70;
}

/// The guest called `proc_exit`. Carried as an error, because that is how an instance is left.
#[derive(Debug)]
pub(super) struct Exit(pub(super) i32);

impl std::fmt::Display for Exit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "exit with status {}", self.0)
    }
}

impl std::error::Error for Exit {}

/// The guest broke the protocol, which the conversation remembers; there is no point in running it further.
#[derive(Debug)]
pub(super) struct Stopped;

impl std::fmt::Display for Stopped {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("stopped")
    }
}

impl std::error::Error for Stopped {}

/// A linker with every function that a module may import.
pub(super) fn linker(engine: &Engine) -> Result<Linker<State>> {
    let mut linker = Linker::new(engine);
    stdio::add_to(&mut linker, MODULE)?;
    system::add_to(&mut linker, MODULE)?;
    poll::add_to(&mut linker, MODULE)?;
    add_absent(&mut linker, MODULE)?;
    Ok(linker)
}

/// What any call of a host function counts as host work, besides what it moves: about as long as so many instructions.
const CALL_WORK: u64 = 200;

/// Accounts for work that a host function did, `bytes` moved, and lets others have their turn when a slice is full.
/// Every host function whose work or number a guest chooses calls this: the engine itself only looks at instructions,
/// of which a guest needs few to make the host do much.
async fn breathe(caller: &mut Caller<'_, State>, bytes: u64) -> Result<()> {
    let instructions = executed(caller)?;
    if caller.data_mut().note_host_work(CALL_WORK + bytes, instructions) {
        tokio::task::yield_now().await;
    }
    Ok(())
}

/// Instructions executed so far.
fn executed(caller: &Caller<'_, State>) -> Result<u64> {
    Ok(caller.data().fuel_budget.saturating_sub(caller.get_fuel()?))
}

/// Takes `bytes` more instructions from the caller's budget: for what would cost as much in the guest itself. Setting
/// the fuel begins the engine's slice anew, so whoever charges also [breathes](breathe).
fn charge(caller: &mut Caller<'_, State>, bytes: u32) -> Result<()> {
    let fuel = caller.get_fuel()?;
    match fuel.checked_sub(u64::from(bytes)) {
        Some(rest) => caller.set_fuel(rest),
        None => {
            caller.set_fuel(0)?;
            Err(wasmtime::Trap::OutOfFuel.into())
        }
    }
}

/// Declares functions that answer `$errno` whatever they are asked.
macro_rules! absent {
    ($linker:ident, $module:ident, $($name:literal($($parameter:ty),*)),+ $(,)?) => {
        $( $linker.func_wrap($module, $name, |$(_: $parameter),*| -> i32 { errno::BADF })?; )+
    };
}

/// Everything that needs a file or a socket.
fn add_absent(linker: &mut Linker<State>, module: &str) -> Result<()> {
    absent!(
        linker,
        module,
        "fd_advise"(i32, i64, i64, i32),
        "fd_allocate"(i32, i64, i64),
        "fd_datasync"(i32),
        "fd_fdstat_set_rights"(i32, i64, i64),
        "fd_filestat_set_size"(i32, i64),
        "fd_filestat_set_times"(i32, i64, i64, i32),
        "fd_pread"(i32, i32, i32, i64, i32),
        "fd_prestat_dir_name"(i32, i32, i32),
        "fd_prestat_get"(i32, i32),
        "fd_pwrite"(i32, i32, i32, i64, i32),
        "fd_readdir"(i32, i32, i32, i64, i32),
        "fd_renumber"(i32, i32),
        "fd_sync"(i32),
        "path_create_directory"(i32, i32, i32),
        "path_filestat_get"(i32, i32, i32, i32, i32),
        "path_filestat_set_times"(i32, i32, i32, i32, i64, i64, i32),
        "path_link"(i32, i32, i32, i32, i32, i32, i32),
        "path_open"(i32, i32, i32, i32, i32, i64, i64, i32, i32),
        "path_readlink"(i32, i32, i32, i32, i32, i32),
        "path_remove_directory"(i32, i32, i32),
        "path_rename"(i32, i32, i32, i32, i32, i32),
        "path_symlink"(i32, i32, i32, i32, i32),
        "path_unlink_file"(i32, i32, i32),
        "sock_accept"(i32, i32, i32),
        "sock_recv"(i32, i32, i32, i32, i32, i32),
        "sock_send"(i32, i32, i32, i32, i32),
        "sock_shutdown"(i32, i32),
    );
    Ok(())
}
