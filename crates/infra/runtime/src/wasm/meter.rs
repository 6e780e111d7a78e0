//! Counts what an instance uses of memory over its instructions, and refuses growth past the limit.

use wasmtime::{CallHook, ResourceLimiter, Store, StoreContextMut};

use crate::ExecutionUsage;

/// The data of a store whose instance is metered.
pub(super) trait Metered: 'static {
    fn meter(&mut self) -> &mut MemoryMeter;

    /// Instructions that the call may execute.
    fn budget(&self) -> u64;

    /// Told when the execution was dropped before it had ended.
    fn abandoned(&self, usage: ExecutionUsage);
}

/// An instance that is accounted for even when nobody waits for it any longer.
pub(super) struct Execution<T: Metered> {
    /// Taken by who keeps the instance.
    store: Option<Store<T>>,
    has_ended: bool,
}

impl<T: Metered> Execution<T> {
    pub(super) fn new(store: Store<T>) -> Self {
        Self { store: Some(store), has_ended: false }
    }

    pub(super) fn store(&mut self) -> &mut Store<T> {
        self.store.as_mut().expect("the store is taken last")
    }

    /// What was used in all.
    pub(super) fn end(&mut self) -> ExecutionUsage {
        self.has_ended = true;
        let store = self.store();
        let fuel = store.get_fuel().unwrap_or(0);
        let data = store.data_mut();
        let instructions = data.budget().saturating_sub(fuel);
        data.meter().finish(instructions)
    }

    /// The store of an execution that has ended.
    pub(super) fn into_store(mut self) -> Store<T> {
        self.has_ended = true;
        self.store.take().expect("the store is taken last")
    }
}

impl<T: Metered> Drop for Execution<T> {
    fn drop(&mut self) {
        if !self.has_ended {
            let usage = self.end();
            self.store().data().abandoned(usage);
        }
    }
}

/// A guest that runs out of memory usually dies of something else: name the likely cause.
pub(super) fn with_memory_hint(mut reason: String, meter: &MemoryMeter) -> String {
    if meter.has_refused() {
        reason.push_str(" (growth of its memory was refused: memory_limit is reached)");
    }
    reason
}

/// Puts the meter into a new store: memory growth is counted and limited, `budget` instructions are what it may run.
pub(super) fn install<T: Metered>(store: &mut Store<T>) -> wasmtime::Result<()> {
    store.limiter(|data| data.meter());
    store.set_fuel(store.data().budget())
}

/// To be called when the guest enters the host, which may be for growth of its memory. Answers with the instructions
/// executed so far.
pub(super) fn note_entry<T: Metered>(store: &mut StoreContextMut<'_, T>) -> wasmtime::Result<u64> {
    let instructions = executed(store)?;
    store.data_mut().meter().note_instructions(instructions);
    Ok(instructions)
}

/// Instructions executed so far.
pub(super) fn executed<T: Metered>(store: &StoreContextMut<'_, T>) -> wasmtime::Result<u64> {
    Ok(store.data().budget().saturating_sub(store.get_fuel()?))
}

/// The hook of a store that needs nothing but metering.
pub(super) fn hook<T: Metered>(mut store: StoreContextMut<'_, T>, transition: CallHook) -> wasmtime::Result<()> {
    if matches!(transition, CallHook::CallingHost) {
        note_entry(&mut store)?;
    }
    Ok(())
}

/// The memory side of metering. The instruction count itself is the engine's fuel.
///
/// The integral `sum over instructions of memory allocated` changes its slope only when memory grows, so it is brought
/// up to date at each growth and at the end. The count at a growth arrives through [`MemoryMeter::note_instructions`],
/// from the hook that the engine runs when a `memory.grow` enters the host (see `instrument`, which sees to it that the
/// count is known by then).
#[derive(Debug)]
pub(super) struct MemoryMeter {
    limit_bytes: u64,
    memory_bytes: u64,
    memory_bytes_before: u64,
    instructions: u64,
    integrated_to: u64,
    byte_instructions: u128,
    has_refused: bool,
}

impl MemoryMeter {
    pub(super) fn new(limit_bytes: u64) -> Self {
        Self {
            limit_bytes,
            memory_bytes: 0,
            memory_bytes_before: 0,
            instructions: 0,
            integrated_to: 0,
            byte_instructions: 0,
            has_refused: false,
        }
    }

    /// The meter of the instance's next call: what it holds of memory, it holds still.
    pub(super) fn next(&self, limit_bytes: u64) -> Self {
        Self { memory_bytes: self.memory_bytes, memory_bytes_before: self.memory_bytes, ..Self::new(limit_bytes) }
    }

    /// Says how many instructions were executed so far.
    pub(super) fn note_instructions(&mut self, instructions: u64) {
        self.instructions = instructions;
    }

    /// Whether growth was refused because of the limit.
    pub(super) fn has_refused(&self) -> bool {
        self.has_refused
    }

    /// The usage after `instructions` in all.
    pub(super) fn finish(&mut self, instructions: u64) -> ExecutionUsage {
        self.note_instructions(instructions);
        self.integrate();
        ExecutionUsage { instructions, byte_instructions: self.byte_instructions, memory_bytes_max: self.memory_bytes }
    }

    fn integrate(&mut self) {
        let executed = self.instructions.saturating_sub(self.integrated_to);
        self.byte_instructions += u128::from(executed) * u128::from(self.memory_bytes);
        self.integrated_to = self.instructions;
    }

    /// Memory grows from `current_bytes` to `desired_bytes`, if the limit allows. Linear memory never shrinks.
    fn grow(&mut self, current_bytes: u64, desired_bytes: u64) -> bool {
        let total_bytes = self.memory_bytes - current_bytes.min(self.memory_bytes) + desired_bytes;
        if total_bytes > self.limit_bytes {
            self.has_refused = true;
            return false;
        }
        self.integrate();
        self.memory_bytes_before = self.memory_bytes;
        self.memory_bytes = total_bytes;
        true
    }
}

impl ResourceLimiter for MemoryMeter {
    fn memory_growing(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> wasmtime::Result<bool> {
        // The engine asks even when the module's own maximum forbids the growth, and refuses afterwards.
        if maximum.is_some_and(|maximum| desired > maximum) {
            return Ok(false);
        }
        Ok(self.grow(current as u64, desired as u64))
    }

    fn memory_grow_failed(&mut self, _error: wasmtime::Error) -> wasmtime::Result<()> {
        // The machine had no memory to give: the guest keeps what it had, and pays for no more.
        self.memory_bytes = self.memory_bytes_before;
        Ok(())
    }

    fn table_growing(&mut self, _current: usize, _desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        // Tables are bounded by the pool's `table_elements`.
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integrates_memory_over_instructions() {
        let mut meter = MemoryMeter::new(300);
        assert!(meter.grow(0, 100));
        meter.note_instructions(10);
        assert!(meter.grow(100, 300));
        assert!(!meter.grow(300, 301));
        let usage = meter.finish(15);
        assert_eq!(usage.byte_instructions, 10 * 100 + 5 * 300);
        assert_eq!(usage.memory_bytes_max, 300);
        assert!(meter.has_refused());
    }
}
