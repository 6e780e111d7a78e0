//! Usage counters times rates to tokens, in exact integers.
//!
//! The only place where a price is computed: nodes and the marketplace contract both use it. The contract's compiler has
//! no 128-bit multiplication or division, so that here is neither, and no allocation either.
//!
//! Nothing is ever rounded away. What a computation leaves over, less than one token for each rate, is handed back as
//! [`Remainders`] and given to the next one, so that a thousand small bills add up to one large bill.
//!
//! ```
//! use mu_pricing::{Rates, Remainders, Usage, price};
//!
//! let rates = Rates { million_db_reads: 1, ..Rates::default() };
//! let usage = Usage { db_reads: 600_000, ..Usage::default() };
//! let first = price(&rates, &usage, &Remainders::default())?;
//! let second = price(&rates, &usage, &first.remainders)?;
//! assert_eq!((first.tokens, second.tokens, second.remainders.db_reads), (0, 1, 200_000));
//! # Ok::<(), mu_pricing::Overflow>(())
//! ```
#![no_std]

mod megabyte_instructions;
mod price;
mod usage;
mod wide;

pub use crate::megabyte_instructions::MegabyteInstructions;
pub use crate::price::{Overflow, Priced, Rates, Remainders, divisor, price};
pub use crate::usage::Usage;
