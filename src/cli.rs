//! The command line.

use std::path::PathBuf;

use clap::{ArgAction, Args, Parser, Subcommand, ValueHint};
use clap_complete::Shell;

const EXAMPLES: &str = "\
Examples:
  backstop replay capture.pcap -o eve.json --summary    replay a capture, show the alerts
  backstop replay *.pcapng -o - -q | jq .               EVE lines and nothing else on standard output
  tcpdump -i span0 -w - | backstop replay - -o eve.json
  backstop run -i span0 -o /var/log/backstop/eve.json   listen on a SPAN port
  backstop replay capture.pcap --keylog keys.txt -s     see inside TLS; pcapng files may carry their keys
  backstop test --config backstop.toml --rules rules/   check configuration and rules
  backstop rules explain 9401001                        what a detection means

Exit codes: 0 done; 1 done, but something was lost or unreadable on the way (said on standard error); 2 could not start.";

/// Network intrusion detection for backup servers.
#[derive(Debug, Parser)]
#[command(name = "backstop", version, about, after_long_help = EXAMPLES, max_term_width = 110)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Replay captures and write what is found.
    Replay(Replay),
    /// Listen on an interface until SIGINT or SIGTERM. SIGHUP opens the output file again.
    Run(Run),
    /// Check configuration and rules, and tell what would be loaded.
    Test(Common),
    /// List detections and rules, or explain one.
    Rules(Rules),
    /// Print a completion script for a shell.
    Completions {
        /// Shell.
        shell: Shell,
    },
    /// Print the manual page (roff); `--output` writes one page a command to a folder.
    Man {
        /// Folder for the pages.
        #[arg(long, value_hint = ValueHint::DirPath)]
        output: Option<PathBuf>,
    },
}

/// What all commands that load rules take.
#[derive(Args, Debug)]
pub struct Common {
    /// Configuration file (TOML). Without one the defaults hold.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub config: Option<PathBuf>,
    /// Change one setting, for example `--set home_net=10.0.0.0/8`. May be repeated; wins over the file.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub sets: Vec<String>,
    /// Folder or file of YARA-X rules, besides the shipped ones. May be repeated.
    #[arg(long, value_name = "DIR", value_hint = ValueHint::AnyPath)]
    pub rules: Vec<PathBuf>,
    /// Say more on standard error; twice: debugging.
    #[arg(short, long, action = ArgAction::Count)]
    pub verbose: u8,
    /// Say errors only.
    #[arg(short, long, conflicts_with = "verbose")]
    pub quiet: bool,
}

/// What replay and run take.
#[derive(Args, Debug)]
pub struct Processing {
    /// Write EVE lines to a file, or to standard output with `-`.
    #[arg(short, long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub output: Option<PathBuf>,
    /// BPF filter; it also looks behind VLAN tags.
    #[arg(short, long, value_name = "EXPRESSION")]
    pub filter: Option<String>,
    /// Worker threads. One works without threads; the result is the same.
    #[arg(long, value_name = "N")]
    pub workers: Option<usize>,
    /// NSS key log that opens TLS sessions; read first in a replay, followed while it grows on an interface. Also a pipe or a
    /// socket; `unix:PATH` listens there. May be repeated.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::AnyPath)]
    pub keylog: Vec<PathBuf>,
    /// List of indicators (addresses, networks, host names, sums of files): CSV, one value a line, or a STIX 2.1 bundle; a folder
    /// of them. Read again when it changes, on an interface. May be repeated.
    #[arg(long, value_name = "PATH", value_hint = ValueHint::AnyPath)]
    pub indicators: Vec<PathBuf>,
    /// Time between two statistics records, for example `30s`; `0` writes them at the end only.
    #[arg(long, value_name = "TIME")]
    pub stats_interval: Option<String>,
    /// Common settings.
    #[command(flatten)]
    pub common: Common,
}

/// Replay captures.
#[derive(Args, Debug)]
pub struct Replay {
    /// Captures (pcap, pcapng), folders of them, or `-` for standard input; played in time order.
    #[arg(required = true, value_name = "FILE", value_hint = ValueHint::AnyPath)]
    pub files: Vec<PathBuf>,
    /// Add to the output file instead of replacing it.
    #[arg(long, requires = "output")]
    pub append: bool,
    /// Show the alerts as a table at the end.
    #[arg(short, long)]
    pub summary: bool,
    /// Processing.
    #[command(flatten)]
    pub processing: Processing,
}

/// Listen on an interface.
#[derive(Args, Debug)]
pub struct Run {
    /// Interface. May stand in the configuration as `capture.interface` instead.
    #[arg(short, long, value_name = "IFACE")]
    pub interface: Option<String>,
    /// Processing.
    #[command(flatten)]
    pub processing: Processing,
}

/// List or explain.
#[derive(Args, Debug)]
pub struct Rules {
    /// List (default) or explain.
    #[command(subcommand)]
    pub action: Option<RulesAction>,
    /// Common settings.
    #[command(flatten)]
    pub common: Common,
}

/// List or explain.
#[derive(Debug, Subcommand)]
pub enum RulesAction {
    /// One line for each detection and rule.
    List,
    /// What one signature id means, when it fires and when it does not.
    Explain {
        /// Signature id.
        sid: u64,
    },
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_definition_is_consistent() {
        Cli::command().debug_assert();
    }
}
