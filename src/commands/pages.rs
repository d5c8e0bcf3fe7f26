//! Completion scripts and manual pages, from the definition of the command line.

use std::io::Write as _;
use std::path::Path;

use clap::CommandFactory as _;
use clap_complete::Shell;

use super::{End, StartError};
use crate::cli::Cli;

/// Prints a completion script.
pub fn completions(shell: Shell) -> Result<End, StartError> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "backstop", &mut script);
    std::io::stdout().write_all(&script)?;
    Ok(End::Done)
}

/// Prints the manual page, or writes all pages to a folder.
pub fn man(output: Option<&Path>) -> Result<End, StartError> {
    let Some(folder) = output else {
        let mut page = Vec::new();
        clap_mangen::Man::new(Cli::command()).render(&mut page)?;
        std::io::stdout().write_all(&page)?;
        return Ok(End::Done);
    };
    std::fs::create_dir_all(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    clap_mangen::generate_to(Cli::command(), folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    Ok(End::Done)
}
