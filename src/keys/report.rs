//! Says what was wrong in a key log, by file and line, never by content.

use std::path::{Path, PathBuf};

use backstop_protocols::tls::{KeyLogReport, KeyRing};
use zeroize::Zeroizing;

/// Malformed lines of one source that are told.
const MAX_TOLD: usize = 5;

/// Feeds one source of key-log lines to the ring.
pub struct Reporter {
    source: PathBuf,
    lines: usize,
    told: usize,
    /// A line without its end.
    rest: Zeroizing<Vec<u8>>,
}

impl Reporter {
    /// For a source of this name.
    pub fn new(source: &Path) -> Self {
        Self { source: source.into(), lines: 0, told: 0, rest: Zeroizing::new(Vec::new()) }
    }

    /// All of it at once.
    pub fn whole(&mut self, ring: &KeyRing, text: &[u8]) {
        self.captured(ring, 0, text);
    }

    /// All of it at once, which stood at this place of the input.
    pub fn captured(&mut self, ring: &KeyRing, epoch: u64, text: &[u8]) {
        let report = ring.add_key_log_in_epoch(epoch, text);
        self.tell(&report, text);
        if report.added + report.known == 0 {
            tracing::warn!("{}: there are no keys of TLS sessions in it", self.source.display());
        }
    }

    /// The next bytes of a log that is being written.
    pub fn more(&mut self, ring: &KeyRing, bytes: &[u8]) {
        let mut text = Zeroizing::new(Vec::with_capacity(self.rest.len() + bytes.len()));
        text.extend_from_slice(&self.rest);
        text.extend_from_slice(bytes);
        let report = ring.add_key_log(&text);
        let used = text.len().saturating_sub(report.leftover);
        let (done, rest) = text.split_at_checked(used).unwrap_or((&text, &[]));
        self.tell(&report, done);
        self.rest = Zeroizing::new(rest.to_vec());
    }

    /// The source ended, or begins anew: a last line needs no end.
    pub fn end(&mut self, ring: &KeyRing) {
        let rest = std::mem::take(&mut self.rest);
        if !rest.is_empty() {
            let report = ring.add_whole_key_log(&rest);
            self.tell(&report, &rest);
        }
        self.lines = 0;
    }

    fn tell(&mut self, report: &KeyLogReport, text: &[u8]) {
        let source = self.source.display();
        for line in report.malformed_lines.iter().take(MAX_TOLD.saturating_sub(self.told)) {
            tracing::warn!("{source}:{}: not a line of a key log; it is left out", self.lines + line);
        }
        let before = self.told;
        self.told += report.malformed;
        if before <= MAX_TOLD && self.told > MAX_TOLD {
            tracing::warn!("{source}: there are more such lines; they are left out, too");
        }
        self.lines += text.iter().filter(|&&byte| byte == b'\n').count();
        tracing::debug!("{source}: {} secrets added, {} known, {} not needed", report.added, report.known, report.ignored);
    }
}
