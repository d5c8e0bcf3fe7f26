//! SQL text as records show it: secrets left out, and literals masked where that is wanted.
//!
//! No grammar: both look at words and literals only, in one pass, and rather leave out too much than too little. What a
//! statement does is for the detectors to tell.

mod blanks;
mod literals;
mod redact;
mod squeeze;

pub use literals::{Dialect, mask_literals};
pub use redact::{is_secret_name, redact};
pub use squeeze::{Unit, squeeze};
