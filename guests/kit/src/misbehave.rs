//! Using up what there is.

use std::hint::black_box;

/// How much memory to ask for at once, in bytes: 16 pages.
const STEP_BYTES: usize = 1 << 20;

/// Computes for ever, without asking the host for anything.
pub(crate) fn spin() -> ! {
    let mut count = 0_u64;
    loop {
        count = black_box(count.wrapping_add(1));
    }
}

/// Calls itself without end.
pub(crate) fn overflow(depth: u64) -> u64 {
    let frame = black_box([depth; 64]);
    if depth == 0 { 0 } else { overflow(depth + 1) + black_box(frame)[0] }
}

/// Takes memory and keeps it until there is no more; answers how many bytes it got.
pub(crate) fn allocate() -> usize {
    // The blocks are remembered in place, so that remembering them needs no memory.
    let mut blocks: [Vec<u8>; 4096] = [const { Vec::new() }; 4096];
    let mut bytes = 0;
    for block in &mut blocks {
        if block.try_reserve_exact(STEP_BYTES).is_err() {
            break;
        }
        // Touched, or it would never have been taken from anybody.
        block.push(1);
        bytes += black_box(block).capacity();
    }
    bytes
}
