//! The engine's settings: what is deterministic, what is pooled, what an operator costs.

use wasmtime::{
    Config, Engine, InstanceAllocationStrategy, OperatorCost, PoolingAllocationConfig, Result, VariableOperatorCost,
};

use super::WasmConfig;

/// Changes whenever compiled code of an earlier version must not be used, although wasmtime itself would accept it:
/// when the instrumentation or what the cache stores changes.
pub(super) const COMPILED_FORMAT: &str = "mu-2";

/// Linear memory kept in place, and only zeroed, between two instances in a slot of the pool. Above the initial
/// memory of most functions (Rust's is 1.1 MiB): then a call causes no page faults. Measured with `cargo xtask bench`.
const KEEP_RESIDENT_BYTES: usize = 2 << 20;

/// Slots of the pool that keep their last image mapped. With [`KEEP_RESIDENT_BYTES`] this bounds what an idle node
/// holds for instances that do not exist.
const WARM_SLOTS: u32 = 16;

/// The fiber on which a guest runs: the guest's own stack, and room for host functions above it.
const FIBER_STACK_BYTES: usize = 1 << 20;
const GUEST_STACK_BYTES: usize = 512 << 10;

/// What a call of a component may consist of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum GuestTasks {
    /// One task, as in WASI 0.2.
    One,
    /// Several at once, as in WASI 0.3.
    Many,
}

/// Core instances, memories and tables that one component may consist of. Python's interpreter with its extensions is
/// some thirty core instances around one memory and one table.
const CORE_INSTANCES_PER_COMPONENT: u32 = 100;
const MEMORIES_PER_COMPONENT: u32 = 4;
const TABLES_PER_COMPONENT: u32 = 16;

/// An engine for modules of any client: metered, interruptible, pooled.
pub(super) fn engine(config: &WasmConfig, tasks: GuestTasks) -> Result<Engine> {
    let mut settings = Config::new();
    metered_settings(&mut settings);
    settings
        .max_wasm_stack(GUEST_STACK_BYTES)
        .async_stack_size(FIBER_STACK_BYTES)
        // The same module on the same input executes, and counts, the same on every machine.
        .cranelift_nan_canonicalization(true)
        .relaxed_simd_deterministic(true)
        .wasm_memory64(false)
        // Wasmtime's own code between the parts of a component copies from one part's memory to another's, and its
        // compiler panics without. The pool still refuses modules that define several.
        .wasm_multi_memory(true)
        .wasm_component_model(true)
        .memory_init_cow(true)
        .allocation_strategy(InstanceAllocationStrategy::Pooling(pool(config)));
    match tasks {
        // What WASI 0.3 needs costs every call of a component something; most don't need it.
        GuestTasks::One => settings.concurrency_support(false),
        GuestTasks::Many => settings.wasm_component_model_async(true),
    };
    Engine::new(&settings)
}

/// What counting instructions, and interrupting guests by their count, needs: public so that a benchmark can measure exactly that.
pub fn metered_settings(settings: &mut Config) {
    settings.consume_fuel(true).operator_cost(operator_cost());
}

fn pool(config: &WasmConfig) -> PoolingAllocationConfig {
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(config.instances)
        .total_core_instances(config.instances.saturating_mul(CORE_INSTANCES_PER_COMPONENT))
        .max_core_instances_per_component(CORE_INSTANCES_PER_COMPONENT)
        .max_memories_per_component(MEMORIES_PER_COMPONENT)
        .max_tables_per_component(TABLES_PER_COMPONENT)
        .total_memories(config.instances)
        .total_tables(config.instances)
        .total_stacks(config.instances)
        .max_memories_per_module(1)
        .max_tables_per_module(1)
        .table_elements(100_000)
        .max_unused_warm_slots(WARM_SLOTS)
        .linear_memory_keep_resident(KEEP_RESIDENT_BYTES)
        .table_keep_resident(64 << 10)
        .pagemap_scan(wasmtime::Enabled::Auto);
    pool
}

/// What each operator costs, in instructions. This table is part of the price of a call: it is pinned here, whatever
/// the engine's defaults become, and a test pins its results.
///
/// - Every operator costs 1, except those that only shape control flow or generate no code (`block`, `loop`, `else`,
///   `end`, `return`, `unreachable`, `nop`, `drop`), which cost 0. Entering a function costs 1.
/// - Operators that work on a range (`memory.copy`, `memory.fill`, `memory.init`, and the same for tables) cost 1
///   more for each byte or element, so that no single instruction does unbounded work.
/// - `memory.grow` costs 0 here: the call inserted before it (see `instrument`), and entering what is called, cost 2.
fn operator_cost() -> OperatorCost {
    OperatorCost {
        Nop: 0,
        Drop: 0,
        Block: 0,
        Loop: 0,
        Unreachable: 0,
        Return: 0,
        Else: 0,
        End: 0,
        MemoryGrow: 0,
        variable: VariableOperatorCost {
            memory_copy_per_byte: 1,
            memory_fill_per_byte: 1,
            memory_init_per_byte: 1,
            memory_grow_per_page: 0,
            table_copy_per_element: 1,
            table_fill_per_element: 1,
            table_init_per_element: 1,
            table_grow_per_element: 1,
            ..VariableOperatorCost::new()
        },
        ..OperatorCost::new()
    }
}
