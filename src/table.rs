//! The alerts of a replay as a table for people.

use std::fmt::Write as _;

use backstop_detectors::Finding;
use backstop_types::{Endpoint, PacketTime};

use crate::eve::alert::Signature;
use crate::eve::time::Timestamp;

/// One alert.
#[derive(Clone, Debug)]
pub struct AlertRow {
    time: PacketTime,
    sid: u64,
    severity: u8,
    title: String,
    attacker: Endpoint,
    victim: Endpoint,
    outcome: &'static str,
    suspected: bool,
}

impl AlertRow {
    /// The row of a finding.
    pub fn new(finding: &Finding, time: PacketTime) -> Self {
        let signature = Signature::of(&finding.meta);
        Self {
            time,
            sid: signature.sid,
            severity: finding.severity.unwrap_or(signature.severity),
            title: signature.title.to_owned(),
            attacker: finding.attacker,
            victim: finding.victim,
            outcome: finding.outcome.as_str(),
            suspected: finding.suspected,
        }
    }
}

const HEAD: [&str; 7] = ["time (UTC)", "sev", "sid", "signature", "attacker", "victim", "outcome"];

fn cells(row: &AlertRow) -> [String; 7] {
    let time = Timestamp(row.time).to_string();
    let title = if row.suspected { format!("{} (suspected)", row.title) } else { row.title.clone() };
    [
        time.get(..23).unwrap_or(&time).replace('T', " "),
        row.severity.to_string(),
        row.sid.to_string(),
        title,
        row.attacker.to_string(),
        row.victim.to_string(),
        row.outcome.to_owned(),
    ]
}

/// The table; `total` alerts were raised, of which `rows` were kept.
pub fn render(rows: &[AlertRow], total: u64) -> String {
    if rows.is_empty() {
        return "no alerts\n".to_owned();
    }
    let body: Vec<[String; 7]> = rows.iter().map(cells).collect();
    let mut widths = HEAD.map(str::len);
    for line in &body {
        for (width, cell) in widths.iter_mut().zip(line) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let mut out = String::new();
    let mut line = |cells: &[String; 7]| {
        for (at, (cell, width)) in cells.iter().zip(widths).enumerate() {
            let gap = if at == 0 { "" } else { "  " };
            // Writing to a string cannot fail.
            let _ = write!(out, "{gap}{cell:<width$}");
        }
        let end = out.trim_end().len();
        out.truncate(end);
        out.push('\n');
    };
    line(&HEAD.map(str::to_owned));
    for cells in &body {
        line(cells);
    }
    let more = total.saturating_sub(rows.len() as u64);
    let _ = match more {
        0 => writeln!(out, "{total} alert{}", if total == 1 { "" } else { "s" }),
        _ => writeln!(out, "{total} alerts, {more} more than shown: see the EVE file"),
    };
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_and_the_count_says_what_is_left_out() {
        let row = AlertRow {
            time: PacketTime::from_nanos(1_772_359_204_251_093_000),
            sid: 9_401_001,
            severity: 1,
            title: "Veeam credential dump".to_owned(),
            attacker: Endpoint::new([10, 20, 30, 77].into(), 50_000),
            victim: Endpoint::new([10, 20, 30, 10].into(), 9_401),
            outcome: "success",
            suspected: false,
        };
        let table = render(&[row], 3);
        let lines: Vec<&str> = table.lines().collect();
        assert_eq!(lines[0].find("sid"), lines[1].find("9401001"));
        assert!(lines[1].starts_with("2026-03-01 10:00:04.251  1    9401001"));
        assert!(lines[2].contains("2 more"));
        assert_eq!(render(&[], 0), "no alerts\n");
    }
}
