//! Writes the seed corpora, from the captures of `pcaps/` and the conversations of `protocols/fixtures`.
//!
//!   seeds FOLDER

use std::path::PathBuf;
use std::process::ExitCode;

fn main() -> ExitCode {
    let Some(folder) = std::env::args_os().nth(1).map(PathBuf::from) else {
        eprintln!("usage: seeds FOLDER");
        return ExitCode::from(2);
    };
    match backstop_fuzz::seeds::write(&folder) {
        Ok((files, bytes)) => {
            println!("{files} seeds, {bytes} bytes");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
