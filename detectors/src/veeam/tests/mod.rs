//! Each detection beside the nearest thing that is none, on real conversations and on made-up calls.

mod access;
mod calls;
mod encrypted;
mod real;
mod stacks;
mod storms;
mod wire;
