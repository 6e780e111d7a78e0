//! How long a component may go on before others have their turn.
//!
//! The engine stops a guest every so many instructions. A component can make the host work with few instructions of its
//! own, so calls of host functions, and the time that they take, fill slices too. Host functions themselves never stop a
//! guest; when its slice is full after one of them, the engine is told to stop it at the next opportunity.
//!
//! The engine is told so by changing its fuel interval, which changes the count of fuel in memory. Compiled code reads
//! that count back after calls of functions only, not after operators for which it enters the host (`memory.grow` and
//! the like), so the interval is changed on return from functions only. They are told apart by what they touch: every
//! function of WASI takes its view of the state, and no operator does.

use std::time::{Duration, Instant};

use wasmtime::{CallHook, Result, StoreContextMut};

use super::state::ComponentState;
use crate::wasm::meter;
use crate::wasm::slice::SLICE_INSTRUCTIONS;

/// What any call of a host function counts as host work: about as long as so many instructions.
const CALL_WORK: u64 = 500;

/// How long a slice with calls of host functions may take, and after how many of them that is looked at: a look costs
/// as much as a small function.
const SLICE_TIME: Duration = Duration::from_millis(2);
const CALLS_PER_LOOK: u32 = 8;

/// An interval with which the engine stops a guest as soon as it can.
const AT_ONCE: u64 = 1;

/// Where a guest stands in its time slice.
#[derive(Debug)]
pub(super) struct Pacing {
    /// Instructions executed when the slice began.
    began_at: u64,
    /// Instructions executed when the guest last entered the host.
    entered_at: u64,
    /// Work of host functions during the slice, in instructions it might as well have been.
    host_work: u64,
    /// When the slice began.
    since: Instant,
    /// Calls of host functions until the next look at the time.
    calls_to_look: u32,
    /// How often the guest has entered the host without leaving it: the host calls it back for memory.
    depth: u32,
    /// Whether the outermost entry is a call of a function.
    is_function: bool,
    /// Whether the engine was told to stop the guest.
    is_stopping: bool,
}

impl Pacing {
    /// For a guest that is about to begin.
    pub(super) fn new() -> Self {
        let since = Instant::now();
        Self {
            began_at: 0,
            entered_at: 0,
            host_work: 0,
            since,
            calls_to_look: CALLS_PER_LOOK,
            depth: 0,
            is_function: false,
            is_stopping: false,
        }
    }

    /// Told by whatever a function of the host, and no operator, does.
    pub(super) fn note_function(&mut self) {
        self.is_function |= self.depth == 1;
    }

    /// The guest enters the host. Tells whether it may have done so because its slice is over; otherwise, if it does
    /// not come back at once, it waits for something.
    fn enter(&mut self, instructions: u64) -> bool {
        self.entered_at = instructions;
        self.depth += 1;
        self.is_stopping || instructions.saturating_sub(self.began_at) >= SLICE_INSTRUCTIONS
    }

    /// The guest leaves the host again, after it was stopped in between or not. Answers with the interval that the
    /// engine is to be told, if there is a new one.
    fn leave(&mut self, was_stopped: bool) -> Option<u64> {
        self.depth = self.depth.saturating_sub(1);
        let is_function = self.depth == 0 && std::mem::take(&mut self.is_function);
        // Only functions that wait and the end of a slice are left for a time; after both, code reads the count back.
        if was_stopped {
            (self.began_at, self.host_work) = (self.entered_at, 0);
            (self.since, self.calls_to_look) = (Instant::now(), CALLS_PER_LOOK);
            return std::mem::take(&mut self.is_stopping).then_some(SLICE_INSTRUCTIONS);
        }
        if !is_function {
            return None;
        }
        self.host_work = self.host_work.saturating_add(CALL_WORK);
        let executed = self.entered_at.saturating_sub(self.began_at);
        let is_full = self.host_work.saturating_add(executed) >= SLICE_INSTRUCTIONS || self.is_long();
        if self.is_stopping || !is_full {
            return None;
        }
        self.is_stopping = true;
        Some(AT_ONCE)
    }

    /// Whether the slice is long, as far as that is known now.
    fn is_long(&mut self) -> bool {
        self.calls_to_look -= 1;
        if self.calls_to_look > 0 {
            return false;
        }
        self.calls_to_look = CALLS_PER_LOOK;
        self.since.elapsed() >= SLICE_TIME
    }
}

/// What the engine calls whenever a guest enters or leaves the host, for growth of its memory and the end of its slice
/// included.
pub(super) fn hook(mut store: StoreContextMut<'_, ComponentState>, transition: CallHook) -> Result<()> {
    match transition {
        CallHook::CallingHost => {
            let instructions = meter::note_entry(&mut store)?;
            let state = store.data_mut();
            let may_be_over = state.pacing.enter(instructions);
            state.slice().set_waiting(!may_be_over);
        }
        CallHook::ReturningFromHost => {
            let state = store.data_mut();
            let was_stopped = state.slice().take_pended();
            state.slice().set_waiting(false);
            if let Some(interval) = state.pacing.leave(was_stopped) {
                store.fuel_async_yield_interval(Some(interval))?;
            }
        }
        CallHook::CallingWasm | CallHook::ReturningFromWasm => {}
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_of_the_host_fills_a_slice_too() {
        let mut pacing = Pacing::new();
        assert!(!pacing.enter(10));
        pacing.note_function();
        assert_eq!(pacing.leave(false), None);
        pacing.host_work = SLICE_INSTRUCTIONS;
        // Growth of memory, by itself or within a function, is not when the engine may be told.
        assert!(!pacing.enter(15));
        assert_eq!(pacing.leave(false), None);
        assert!(!pacing.enter(20));
        pacing.note_function();
        assert!(!pacing.enter(21));
        assert_eq!(pacing.leave(false), None);
        assert_eq!(pacing.leave(false), Some(AT_ONCE));
        // Until it has really been stopped, it may be at any time.
        for _ in 0..3 {
            assert!(pacing.enter(30));
            assert_eq!(pacing.leave(false), None);
        }
        assert!(pacing.enter(40));
        assert_eq!(pacing.leave(true), Some(SLICE_INSTRUCTIONS));
        assert!(!pacing.enter(50));
        assert!(pacing.enter(40 + SLICE_INSTRUCTIONS));
    }
}
