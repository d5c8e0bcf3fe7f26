//! Errors of loading and of scanning.

use std::fmt;
use std::path::{Path, PathBuf};

/// Why rules could not be loaded. One line of text names the file, and the line where there is one.
#[derive(Debug)]
#[non_exhaustive]
pub enum RuleError {
    /// A folder or file could not be read.
    Read {
        /// What was to be read.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// Too many files, too large, or nested too deep.
    TooMuch {
        /// Where the bound was met.
        path: PathBuf,
        /// Which bound.
        what: String,
    },
    /// A rule that does not compile, or metadata that cannot be used.
    Rule {
        /// The file, as the user named it; `backstop/NAME` for a shipped one.
        path: PathBuf,
        /// Line, from 1.
        line: usize,
        /// Column, from 1, in characters.
        column: usize,
        /// What is wrong.
        message: String,
        /// How many more such errors there are.
        more: usize,
    },
    /// This build has no YARA.
    NoEngine {
        /// The first folder asked for.
        path: PathBuf,
    },
}

impl RuleError {
    pub(crate) fn read(path: &Path, source: std::io::Error) -> Self {
        Self::Read { path: path.to_owned(), source }
    }
}

impl fmt::Display for RuleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Read { path, source } => write!(f, "{}: {source}", path.display()),
            Self::TooMuch { path, what } => write!(f, "{}: {what}", path.display()),
            Self::Rule { path, line, column, message, more } => {
                write!(f, "{}:{line}:{column}: {message}", path.display())?;
                match more {
                    0 => Ok(()),
                    1 => f.write_str(" (and 1 more error)"),
                    n => write!(f, " (and {n} more errors)"),
                }
            }
            Self::NoEngine { path } => {
                write!(f, "{}: this build has no YARA (cargo feature `yara`), rules cannot be loaded", path.display())
            }
        }
    }
}

impl std::error::Error for RuleError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Read { source, .. } => Some(source),
            _ => None,
        }
    }
}

/// Why a scan has no result. Each is counted in [`crate::ScanCounters`] and worth an event: never silence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ScanError {
    /// The time limit of one scan was reached.
    #[error("a scan exceeded its time limit")]
    Timeout,
    /// The engine refused the data.
    #[error("a scan failed")]
    Failed,
}
