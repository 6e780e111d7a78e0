//! Counts what an instance uses of memory over its instructions, and refuses growth past the limit.

use wasmtime::ResourceLimiter;

use crate::ExecutionUsage;

/// The memory side of metering. The instruction count itself is the engine's fuel.
///
/// The integral `sum over instructions of memory allocated` changes its slope only when memory grows, so it is brought
/// up to date at each growth and at the end. The count at a growth arrives through [`MemoryMeter::note_instructions`],
/// which a call inserted before every `memory.grow` makes (see `instrument`).
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
