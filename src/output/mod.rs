//! Where lines go.

pub mod file;
