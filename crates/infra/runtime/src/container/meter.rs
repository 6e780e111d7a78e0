//! Processor time as billing counts it.

use std::time::Duration;

use crate::ExecutionUsage;

/// What a container's processor time counts as: one microsecond of one processor is this many instructions. A
/// declared rate, the same on every machine; WebAssembly that the engine compiles executes about as many.
pub const INSTRUCTIONS_PER_CPU_MICROSECOND: u64 = 1_000;

/// What a call used whose container was busy for this long. All of the container's memory counts, used or not: that is
/// what the node reserves for it.
pub(super) fn usage(cpu: Duration, memory_limit_bytes: u64) -> ExecutionUsage {
    let instructions = instructions(cpu);
    ExecutionUsage {
        instructions,
        byte_instructions: u128::from(instructions) * u128::from(memory_limit_bytes),
        memory_bytes_max: memory_limit_bytes,
    }
}

/// What two parts of a call used together.
pub(super) fn sum(one: ExecutionUsage, other: ExecutionUsage) -> ExecutionUsage {
    ExecutionUsage {
        instructions: one.instructions.saturating_add(other.instructions),
        byte_instructions: one.byte_instructions.saturating_add(other.byte_instructions),
        memory_bytes_max: one.memory_bytes_max.max(other.memory_bytes_max),
    }
}

/// The processor time that a budget of instructions stands for.
pub(super) const fn cpu_budget(instructions: u64) -> Duration {
    Duration::from_micros(instructions / INSTRUCTIONS_PER_CPU_MICROSECOND)
}

fn instructions(cpu: Duration) -> u64 {
    let micros = u64::try_from(cpu.as_micros()).unwrap_or(u64::MAX);
    micros.saturating_mul(INSTRUCTIONS_PER_CPU_MICROSECOND)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processor_time_is_instructions_in_all_of_the_memory() {
        let usage = usage(Duration::from_millis(3), 128 << 20);
        assert_eq!(usage.instructions, 3_000_000);
        assert_eq!(usage.byte_instructions, 3_000_000 * (128 << 20));
        assert_eq!(usage.memory_bytes_max, 128 << 20);
        assert_eq!(cpu_budget(usage.instructions), Duration::from_millis(3));
    }

    #[test]
    fn no_time_is_too_long_to_count() {
        assert_eq!(usage(Duration::MAX, u64::MAX).instructions, u64::MAX);
    }
}
