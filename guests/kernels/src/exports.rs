//! The computations as exports of the module.

use crate::compute;

macro_rules! exports {
    ($($name:ident)+) => {$(
        // SAFETY: no other symbol of the program has this name.
        #[unsafe(no_mangle)]
        extern "C" fn $name(size: i32) -> i64 {
            compute::$name(size)
        }
    )+};
}

exports! { fib sieve matrix heapsort hashing }
