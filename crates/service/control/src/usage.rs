//! What stacks have used, in counters that survive the process.
