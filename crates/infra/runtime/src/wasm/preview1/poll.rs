//! `poll_oneoff`: waiting for a clock. Standard streams are always ready.

use std::time::Duration;

use wasmtime::{Caller, Linker, Result};

use super::super::state::State;
use super::memory::{self, OutOfBounds};
use super::{breathe, errno, system};

const SUBSCRIPTION_BYTES: u32 = 48;
const EVENT_BYTES: u32 = 32;
const SUBSCRIPTIONS_MAX: u32 = 1_024;

const EVENT_CLOCK: u8 = 0;
const EVENT_FD_WRITE: u8 = 2;
const CLOCK_ABSTIME: u16 = 1;

pub(super) fn add_to(linker: &mut Linker<State>, module: &str) -> Result<()> {
    linker.func_wrap_async(
        module,
        "poll_oneoff",
        |caller: Caller<'_, State>, (subscriptions, events, count, result): (u32, u32, u32, u32)| {
            Box::new(poll_oneoff(caller, subscriptions, events, count, result))
        },
    )?;
    Ok(())
}

/// One thing that the guest waits for.
struct Subscription {
    user_data: [u8; 8],
    kind: u8,
    /// When it happens: at once, or after a time; or why it cannot.
    due: Result<Duration, i32>,
}

async fn poll_oneoff(
    mut caller: Caller<'_, State>,
    subscriptions: u32,
    events: u32,
    count: u32,
    result: u32,
) -> Result<i32> {
    if count == 0 || count > SUBSCRIPTIONS_MAX {
        return Ok(errno::INVAL);
    }
    let memory = memory::of(&mut caller)?;
    let (data, state) = memory.data_and_store_mut(&mut caller);
    let Ok(waiting) = parse_all(data, state, subscriptions, count) else { return Ok(errno::FAULT) };

    breathe(&mut caller, u64::from(count * SUBSCRIPTION_BYTES)).await?;
    let first = waiting.iter().map(|s| s.due.unwrap_or_default()).min().unwrap_or_default();
    if !first.is_zero() {
        caller.data().slice.clone().while_waiting(tokio::time::sleep(first)).await;
    }
    let happened = waiting.iter().filter(|s| s.due.unwrap_or_default() <= first);
    let data = memory.data_mut(&mut caller);
    Ok(if put_all(data, happened, events, result).is_ok() { errno::SUCCESS } else { errno::FAULT })
}

fn parse_all(data: &[u8], state: &State, address: u32, count: u32) -> Result<Vec<Subscription>, OutOfBounds> {
    let size = count.checked_mul(SUBSCRIPTION_BYTES).ok_or(OutOfBounds)?;
    let entries = memory::slice(data, address, size)?;
    entries.chunks_exact(SUBSCRIPTION_BYTES as usize).map(|entry| parse(entry, state)).collect()
}

fn parse(entry: &[u8], state: &State) -> Result<Subscription, OutOfBounds> {
    let user_data = memory::array(entry, 0)?;
    let kind = entry[8];
    let due = match kind {
        EVENT_CLOCK => {
            let clock = u32::from_le_bytes(memory::array(entry, 16)?);
            let timeout_ns = u64::from_le_bytes(memory::array(entry, 24)?);
            let is_absolute = u16::from_le_bytes(memory::array(entry, 40)?) & CLOCK_ABSTIME != 0;
            let wait = |now_ns: u64| if is_absolute { timeout_ns.saturating_sub(now_ns) } else { timeout_ns };
            system::now_ns(state, clock).map(|now| Duration::from_nanos(wait(now))).ok_or(errno::INVAL)
        }
        1..=EVENT_FD_WRITE => {
            let fd = u32::from_le_bytes(memory::array(entry, 16)?);
            if fd <= 2 { Ok(Duration::ZERO) } else { Err(errno::BADF) }
        }
        _ => Err(errno::INVAL),
    };
    Ok(Subscription { user_data, kind, due })
}

fn put_all<'a>(
    data: &mut [u8],
    happened: impl Iterator<Item = &'a Subscription>,
    mut address: u32,
    result: u32,
) -> Result<(), OutOfBounds> {
    let mut count = 0;
    for subscription in happened {
        let mut event = [0_u8; EVENT_BYTES as usize];
        event[..8].copy_from_slice(&subscription.user_data);
        let error = subscription.due.err().unwrap_or(errno::SUCCESS);
        event[8..10].copy_from_slice(&error.to_le_bytes()[..2]);
        event[10] = subscription.kind;
        if subscription.kind != EVENT_CLOCK {
            // At least one byte can be read or written.
            event[16] = 1;
        }
        memory::put(data, address, &event)?;
        address = address.checked_add(EVENT_BYTES).ok_or(OutOfBounds)?;
        count += 1;
    }
    memory::put_u32(data, result, count)
}
