//! Reading and writing the guest's memory, with every address checked.

use wasmtime::{Caller, Extern, Memory, Result};

use super::super::state::State;

/// The guest's exported memory. A module without one cannot pass a pointer, so every call that takes one fails.
pub(super) fn of(caller: &mut Caller<'_, State>) -> Result<Memory> {
    let export = caller.data().memory;
    let memory = match export {
        Some(export) => caller.get_module_export(&export).and_then(Extern::into_memory),
        None => None,
    };
    memory.ok_or_else(|| wasmtime::format_err!("the module does not export a memory named `memory`"))
}

/// An address outside of the guest's memory.
#[derive(Clone, Copy, Debug)]
pub(super) struct OutOfBounds;

/// The bytes `address..address + length`.
pub(super) fn slice(data: &[u8], address: u32, length: u32) -> Result<&[u8], OutOfBounds> {
    let start = address as usize;
    start.checked_add(length as usize).and_then(|end| data.get(start..end)).ok_or(OutOfBounds)
}

/// The bytes `address..address + length`, to write.
pub(super) fn slice_mut(data: &mut [u8], address: u32, length: u32) -> Result<&mut [u8], OutOfBounds> {
    let start = address as usize;
    start.checked_add(length as usize).and_then(|end| data.get_mut(start..end)).ok_or(OutOfBounds)
}

/// Reads `N` bytes.
pub(super) fn array<const N: usize>(data: &[u8], address: u32) -> Result<[u8; N], OutOfBounds> {
    let start = address as usize;
    let bytes = start.checked_add(N).and_then(|end| data.get(start..end)).ok_or(OutOfBounds)?;
    bytes.try_into().map_err(|_| OutOfBounds)
}

/// Writes `bytes`.
pub(super) fn put(data: &mut [u8], address: u32, bytes: &[u8]) -> Result<(), OutOfBounds> {
    let start = address as usize;
    let target = start.checked_add(bytes.len()).and_then(|end| data.get_mut(start..end)).ok_or(OutOfBounds)?;
    target.copy_from_slice(bytes);
    Ok(())
}

/// Writes a 32-bit number.
pub(super) fn put_u32(data: &mut [u8], address: u32, value: u32) -> Result<(), OutOfBounds> {
    put(data, address, &value.to_le_bytes())
}

/// Buffers that one call looks at; a call may always do less than it was asked to.
const BUFFERS_MAX: u32 = 1_024;

/// A list of buffers (`iovec`s), as offsets and lengths; each is checked when it is used.
pub(super) fn buffers(data: &[u8], address: u32, count: u32) -> Result<Vec<(u32, u32)>, OutOfBounds> {
    let entries = slice(data, address, count.min(BUFFERS_MAX) * 8)?;
    let word = |bytes: &[u8]| bytes.try_into().map(u32::from_le_bytes).map_err(|_| OutOfBounds);
    entries.chunks_exact(8).map(|entry| Ok((word(&entry[..4])?, word(&entry[4..])?))).collect()
}
