//! The computations. A size below zero is taken for zero.

use std::hint::black_box;

pub(crate) fn fib(size: i32) -> i64 {
    fn fib(n: i64) -> i64 {
        if n < 2 { n } else { black_box(fib)(n - 1) + black_box(fib)(n - 2) }
    }
    fib(i64::from(size.max(0)))
}

pub(crate) fn sieve(size: i32) -> i64 {
    let size = length(size);
    let mut is_composite = vec![false; size];
    let mut primes = 0;
    for candidate in 2..size {
        if is_composite[candidate] {
            continue;
        }
        primes += 1;
        let mut multiple = candidate * candidate;
        while multiple < size {
            is_composite[multiple] = true;
            multiple += candidate;
        }
    }
    primes
}

pub(crate) fn matrix(size: i32) -> i64 {
    let size = length(size);
    let mut numbers = Numbers::new();
    let mut random_matrix = || (0..size * size).map(|_| (numbers.next() % 10) as f64).collect::<Vec<_>>();
    let (left, right) = (random_matrix(), random_matrix());
    let mut product = vec![0.0; size * size];
    for row in 0..size {
        for inner in 0..size {
            let factor = left[row * size + inner];
            for column in 0..size {
                product[row * size + column] += factor * right[inner * size + column];
            }
        }
    }
    (0..size).map(|index| product[index * size + index]).sum::<f64>() as i64
}

pub(crate) fn heapsort(size: i32) -> i64 {
    let mut numbers = Numbers::new();
    let mut items: Vec<u64> = (0..length(size)).map(|_| numbers.next()).collect();
    for root in (0..items.len() / 2).rev() {
        sift_down(&mut items, root);
    }
    for end in (1..items.len()).rev() {
        items.swap(0, end);
        sift_down(&mut items[..end], 0);
    }
    assert!(items.is_sorted(), "heapsort sorts");
    items.iter().fold(0, |hash: u64, item| hash.wrapping_mul(31).wrapping_add(*item)) as i64
}

pub(crate) fn hashing(size: i32) -> i64 {
    let mut numbers = Numbers::new();
    let bytes: Vec<u8> = (0..length(size)).map(|_| numbers.next() as u8).collect();
    black_box(&bytes)
        .iter()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
        as i64
}

fn length(size: i32) -> usize {
    usize::try_from(size).unwrap_or(0)
}

fn sift_down(items: &mut [u64], mut root: usize) {
    loop {
        let mut child = 2 * root + 1;
        if child >= items.len() {
            return;
        }
        if child + 1 < items.len() && items[child] < items[child + 1] {
            child += 1;
        }
        if items[root] >= items[child] {
            return;
        }
        items.swap(root, child);
        root = child;
    }
}

/// The same numbers each time (xorshift64*).
struct Numbers(u64);

// === impl Numbers ===

impl Numbers {
    fn new() -> Self {
        Self(0x9e37_79b9_7f4a_7c15)
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_are_right() {
        assert_eq!((fib(0), fib(1), fib(20)), (0, 1, 6765));
        assert_eq!((sieve(0), sieve(100), sieve(1000)), (0, 25, 168));
        assert_eq!(heapsort(1000), heapsort(1000));
        assert_eq!(hashing(0) as u64, 0xcbf2_9ce4_8422_2325);
        assert_eq!((matrix(-1), matrix(0)), (0, 0));
    }
}
