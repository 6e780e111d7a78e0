//! Five computations of different character, by which the cost of metering is judged.
//!
//! Each is a handler (`?size=27`), and an export `fn(size: i32) -> i64` that can be called without a request.

mod compute;
mod exports;

use mu_sdk::*;

#[mu_functions]
mod handlers {
    use super::*;

    /// Calls: the Fibonacci number, by recursion.
    #[mu_function]
    fn fib(Query(wanted): Query<Wanted>) -> String {
        compute::fib(wanted.size).to_string()
    }

    /// Memory and branches: how many primes there are below the size.
    #[mu_function]
    fn sieve(Query(wanted): Query<Wanted>) -> String {
        compute::sieve(wanted.size).to_string()
    }

    /// Floating point: the trace of the product of two square matrices.
    #[mu_function]
    fn matrix(Query(wanted): Query<Wanted>) -> String {
        compute::matrix(wanted.size).to_string()
    }

    /// Comparisons and exchanges: sorts pseudo-random numbers, and hashes their order.
    #[mu_function]
    fn heapsort(Query(wanted): Query<Wanted>) -> String {
        compute::heapsort(wanted.size).to_string()
    }

    /// Integers: the FNV-1a hash of so many bytes.
    #[mu_function]
    fn hashing(Query(wanted): Query<Wanted>) -> String {
        compute::hashing(wanted.size).to_string()
    }
}

#[derive(serde::Deserialize)]
struct Wanted {
    size: i32,
}
