//! SQL as an attacker writes it: tokens, folded constants, and the calls that a batch makes.
//!
//! ```text
//! text ─► tokens (comments, quotes, escapes) ─► statements ─► calls with constant arguments
//!                                                   └─► text that is run as SQL (EXEC, sp_executesql, DO): the same again
//! ```
//! For T-SQL and PostgreSQL at once: which of the two a text is, nobody says. Nothing is matched on raw text, so a word in
//! a comment, a literal or a quoted name is not what it looks like. Depth, output and tokens are bounded; the work is
//! linear in the text and in what is unfolded from it.

mod conditions;
#[cfg(test)]
mod evasions;
mod fold;
mod functions;
mod script;
mod statement;
#[cfg(test)]
mod tests;
mod token;

pub use conditions::{Hit, Reading, conditions, read};
pub use script::{Argument, Call, Script, Visitor};
pub use statement::{script, visit};
pub use token::{Token, tokens};
