//! Runs inputs through one target, without libFuzzer: for looking at a crash with ordinary tools.
//!
//!   replay TARGET FILE…

use std::process::ExitCode;

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1);
    let name = arguments.next().unwrap_or_default();
    let Some(target) = backstop_fuzz::TARGETS.iter().find(|target| *target.name == *name) else {
        let names: Vec<&str> = backstop_fuzz::TARGETS.iter().map(|target| target.name).collect();
        eprintln!("usage: replay TARGET FILE…\ntargets: {}", names.join(" "));
        return ExitCode::from(2);
    };
    for path in arguments {
        match std::fs::read(&path) {
            Ok(input) => (target.run)(&input),
            Err(error) => {
                eprintln!("{}: {error}", path.display());
                return ExitCode::FAILURE;
            }
        }
    }
    ExitCode::SUCCESS
}
