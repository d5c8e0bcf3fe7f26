//! What the program does, one file a command.

mod pages;
mod replay;
mod rules;
mod run;
mod session;
mod test;

use std::error::Error;
use std::process::ExitCode;

use crate::cli::{Cli, Command, Common};

/// How a command ended; the number is the exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Done.
    Done,
    /// Done, but something was lost or unreadable on the way.
    Incomplete,
}

/// Why a command could not start.
pub type StartError = Box<dyn Error + Send + Sync>;

/// Runs a command.
pub fn run(cli: &Cli) -> ExitCode {
    let result = match &cli.command {
        Command::Replay(options) => replay::run(options),
        Command::Run(options) => run::run(options),
        Command::Test(options) => test::run(options),
        Command::Rules(options) => rules::run(options),
        Command::Completions { shell } => pages::completions(*shell),
        Command::Man { output } => pages::man(output.as_deref()),
    };
    match result {
        Ok(End::Done) => ExitCode::SUCCESS,
        Ok(End::Incomplete) => ExitCode::from(1),
        Err(error) => {
            eprintln!("backstop: {error}");
            ExitCode::from(2)
        }
    }
}

/// Sends the log to standard error.
fn start_log(common: &Common) {
    use tracing_subscriber::EnvFilter;
    let level = match (common.quiet, common.verbose) {
        (true, _) => "error",
        (false, 0) => "info",
        (false, 1) => "debug",
        (false, _) => "trace",
    };
    let filter = EnvFilter::try_from_env("BACKSTOP_LOG").unwrap_or_else(|_| EnvFilter::new(level));
    let colour = std::io::IsTerminal::is_terminal(&std::io::stderr());
    // A second call in one process changes nothing.
    drop(
        tracing_subscriber::fmt()
            .with_env_filter(filter)
            .with_writer(std::io::stderr)
            .with_ansi(colour)
            .with_target(false)
            .try_init(),
    );
}
