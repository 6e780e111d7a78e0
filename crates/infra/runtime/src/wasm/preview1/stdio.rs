//! Descriptors 0, 1 and 2: the conversation, and the log.

use wasmtime::{Caller, Linker, Result};

use super::super::state::State;
use super::memory::{self, OutOfBounds};
use super::{Stopped, breathe, errno};
use crate::lines::to_log;

const STDIN: i32 = 0;
const STDOUT: i32 = 1;
const STDERR: i32 = 2;

/// Preview 1's `filetype` of a terminal or pipe, and the right to read or write it.
const CHARACTER_DEVICE: u8 = 2;
const RIGHT_FD_READ: u64 = 1 << 1;
const RIGHT_FD_WRITE: u64 = 1 << 6;

/// What one call writes at most; the guest calls again for the rest, and may have to yield in between.
const WRITE_BYTES_MAX: u32 = 64 << 10;
/// What a byte that is written counts as host work: it is copied, decoded or cut into lines, and logged.
const BYTE_WORK: u64 = 4;
/// A growing message is decoded again when it is half as large again, so each byte counts for a part of the whole.
const UNFINISHED_SHARE: u64 = 1_024;
/// What a question counts as host work, besides the bytes of its answer.
const ANSWER_WORK: u64 = 10_000;

pub(super) fn add_to(linker: &mut Linker<State>, module: &str) -> Result<()> {
    linker.func_wrap_async(
        module,
        "fd_read",
        |caller: Caller<'_, State>, (fd, iovs, count, read): (i32, u32, u32, u32)| {
            Box::new(fd_read(caller, fd, iovs, count, read))
        },
    )?;
    linker.func_wrap_async(
        module,
        "fd_write",
        |caller: Caller<'_, State>, (fd, iovs, count, written): (i32, u32, u32, u32)| {
            Box::new(fd_write(caller, fd, iovs, count, written))
        },
    )?;
    linker.func_wrap(module, "fd_close", |fd: i32| known(fd))?;
    linker.func_wrap(module, "fd_fdstat_get", fd_fdstat_get)?;
    linker.func_wrap(module, "fd_fdstat_set_flags", |fd: i32, _flags: i32| known(fd))?;
    linker.func_wrap(module, "fd_filestat_get", fd_filestat_get)?;
    linker.func_wrap(module, "fd_seek", |fd: i32, _offset: i64, _whence: i32, _result: i32| not_seekable(fd))?;
    linker.func_wrap(module, "fd_tell", |fd: i32, _result: i32| not_seekable(fd))?;
    Ok(())
}

/// Reads from standard input. Where the guest has read everything and a question of its waits, this is where the node
/// answers it; without a question there will never be more to read, which is the end of the file.
async fn fd_read(mut caller: Caller<'_, State>, fd: i32, iovs: u32, count: u32, read: u32) -> Result<i32> {
    if fd != STDIN {
        return Ok(errno::BADF);
    }
    let memory = memory::of(&mut caller)?;
    if caller.data().conversation.unread().is_empty()
        && let Some((question, answerer)) = caller.data_mut().next_question()
    {
        let answer = caller.data().slice.clone().while_waiting(answerer.answer(question)).await?;
        caller.data_mut().conversation.answer(&answer);
        // Working it out, encoding it.
        let answer_bytes = caller.data().conversation.unread().len() as u64;
        breathe(&mut caller, ANSWER_WORK + answer_bytes).await?;
    }
    let (data, state) = memory.data_and_store_mut(&mut caller);
    let unread_bytes = state.conversation.unread().len() as u64;
    let result = read_into(data, state, iovs, count, read);
    let moved = unread_bytes - state.conversation.unread().len() as u64;
    breathe(&mut caller, moved).await?;
    Ok(errno_of(result))
}

fn read_into(data: &mut [u8], state: &mut State, iovs: u32, count: u32, read: u32) -> Result<(), OutOfBounds> {
    let mut total = 0_u32;
    for (address, length) in memory::buffers(data, iovs, count)? {
        let unread = state.conversation.unread();
        let length = length.min(u32::try_from(unread.len()).unwrap_or(u32::MAX));
        memory::put(data, address, &unread[..length as usize])?;
        state.conversation.mark_read(length as usize);
        total += length;
    }
    memory::put_u32(data, read, total)
}

async fn fd_write(mut caller: Caller<'_, State>, fd: i32, iovs: u32, count: u32, written: u32) -> Result<i32> {
    if fd != STDOUT && fd != STDERR {
        return Ok(errno::BADF);
    }
    let memory = memory::of(&mut caller)?;
    let (data, state) = memory.data_and_store_mut(&mut caller);
    match write_from(data, state, fd, iovs, count, written) {
        Ok(Some(bytes)) => {
            // What is decoded again because a message is not complete is work, too.
            let unfinished = state.conversation.unfinished_bytes() as u64;
            breathe(&mut caller, u64::from(bytes) * BYTE_WORK + unfinished / UNFINISHED_SHARE).await?;
            Ok(errno::SUCCESS)
        }
        Ok(None) => Err(Stopped.into()),
        Err(OutOfBounds) => {
            breathe(&mut caller, 0).await?;
            Ok(errno::FAULT)
        }
    }
}

/// How many bytes were written; `None` when the guest has broken the protocol.
fn write_from(
    data: &mut [u8],
    state: &mut State,
    fd: i32,
    iovs: u32,
    count: u32,
    written: u32,
) -> Result<Option<u32>, OutOfBounds> {
    let mut total = 0_u32;
    for (address, length) in memory::buffers(data, iovs, count)? {
        let length = length.min(WRITE_BYTES_MAX - total);
        let bytes = memory::slice(data, address, length)?;
        if fd == STDERR {
            state.stderr.write(bytes, &mut to_log(&state.log));
        } else if !state.conversation.write(bytes, &state.log) {
            return Ok(None);
        }
        total += length;
    }
    memory::put_u32(data, written, total)?;
    Ok(Some(total))
}

fn fd_fdstat_get(mut caller: Caller<'_, State>, fd: i32, result: u32) -> Result<i32> {
    if known(fd) != errno::SUCCESS {
        return Ok(errno::BADF);
    }
    let rights = if fd == STDIN { RIGHT_FD_READ } else { RIGHT_FD_WRITE };
    let mut stat = [0_u8; 24];
    stat[0] = CHARACTER_DEVICE;
    stat[8..16].copy_from_slice(&rights.to_le_bytes());
    let memory = memory::of(&mut caller)?;
    Ok(errno_of(memory::put(memory.data_mut(&mut caller), result, &stat)))
}

fn fd_filestat_get(mut caller: Caller<'_, State>, fd: i32, result: u32) -> Result<i32> {
    if known(fd) != errno::SUCCESS {
        return Ok(errno::BADF);
    }
    let mut stat = [0_u8; 64];
    stat[16] = CHARACTER_DEVICE;
    let memory = memory::of(&mut caller)?;
    Ok(errno_of(memory::put(memory.data_mut(&mut caller), result, &stat)))
}

fn known(fd: i32) -> i32 {
    if matches!(fd, STDIN | STDOUT | STDERR) { errno::SUCCESS } else { errno::BADF }
}

fn not_seekable(fd: i32) -> i32 {
    if known(fd) == errno::SUCCESS { errno::SPIPE } else { errno::BADF }
}

pub(super) fn errno_of(result: Result<(), OutOfBounds>) -> i32 {
    if result.is_ok() { errno::SUCCESS } else { errno::FAULT }
}
