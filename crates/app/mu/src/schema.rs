//! `mu schema`.

use crate::failure::{Cause, Failure};
use crate::terminal;

pub(crate) fn run() -> Result<(), Failure> {
    terminal::print(text()).map_err(|e| Failure::from_error(Cause::Failed, "writing the schema", &e))
}

/// The schema as it is printed and as it stands in the documentation.
pub(crate) fn text() -> String {
    format!("{:#}\n", mu_stack::schema())
}
