//! Backstop: a network intrusion-detection sensor for attacks on backup servers.
//!
//! The binary wires the crates together: configuration, pipeline threads, EVE, outputs, command line. It parses nothing.

mod cli;
mod commands;
mod config;
mod eve;
mod files;
mod indicators;
mod keys;
mod output;
mod pipeline;
mod table;

use std::process::ExitCode;

use clap::Parser as _;

/// A sensor makes and drops small things for each flow and transaction; the system's allocator took a quarter of its time.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    commands::run(&cli::Cli::parse())
}
