//! PowerShell read as it would run, as far as its constants go. Nothing is run.
//!
//! ```text
//! text ─► tokens ─► statements, each token walked once ─► constants folded ─► code that runs, commands, packed bytes
//! ```
//! Known limits: loops are walked once; functions, classes and objects are not followed; of regular expressions only plain
//! words and alternatives are. What is not understood is unknown, and unknown is never an indicator.

mod calls;
mod commands;
mod expression;
mod known;
mod operators;
mod read;
mod statement;
#[cfg(test)]
mod tests;
mod token;
mod value;

pub use read::{Ran, Script, Use, read};
pub use token::{Kind, Token, Tokens, tokens};

pub(super) use commands::base_name;
pub(super) use known::value as known_value;
