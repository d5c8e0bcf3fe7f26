//! What a finding on SMB carries.

use backstop_protocols::smb::{Exchange, File, Transaction};
use backstop_types::{Direction, Fields, Value};

use crate::veeam::evidence::{bounded, shown};
use crate::{Finding, Outcome};

/// Bytes of a name shown.
const MAX_NAME: usize = 512;

/// Suricata's object of a request.
pub fn object(exchange: &Exchange<'_>) -> Fields {
    Transaction::Exchange(*exchange).fields()
}

/// What is told of a file.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// Suricata's object of the request that moved its first bytes.
    pub smb: Fields,
    /// That request.
    pub tx_id: Option<u64>,
    /// `\\server\share`.
    pub share: String,
    /// Path in it.
    pub name: String,
    /// The user of the session.
    pub user: Option<String>,
}

impl Facts {
    /// Of a file that is open, or is to be.
    pub fn of(file: &File) -> Self {
        let share = file.share.as_deref().map(|share| bounded(share, MAX_NAME)).unwrap_or_default();
        Self { share, name: bounded(&file.name, MAX_NAME), ..Self::default() }
    }

    /// What the request says.
    pub fn learn(&mut self, exchange: &Exchange<'_>) {
        self.smb = object(exchange);
        self.tx_id = Some(exchange.tx_id);
        let identity = exchange.session.map(|session| &session.identity);
        self.user = identity.and_then(|identity| identity.user.as_deref()).map(|user| bounded(user, MAX_NAME));
    }
}

/// How a file was touched.
#[derive(Clone, Copy, Debug)]
pub struct Moved {
    /// `write`, `read`, `create`, `rename`, `copy`.
    pub operation: &'static str,
    /// Bytes by now.
    pub size: u64,
    /// It is not all that was looked at.
    pub cut: bool,
    /// It came through several opens: no sum of one of them is that of the file.
    pub joined: bool,
}

/// Adds what is known of the file: `file` of ours, `smb` and `files` as Suricata has them.
pub fn attach(finding: &mut Finding, facts: &Facts, moved: Moved, matches: &[String]) {
    let mut file = Fields::new().with("share", facts.share.clone()).with("name", facts.name.clone());
    file.set("operation", moved.operation);
    file.set("size", moved.size);
    file.set_some("user", facts.user.clone());
    if !matches.is_empty() {
        file.set("matches", matches.to_vec());
    }
    if moved.cut {
        file.set("unread", true);
    }
    if moved.joined {
        file.set("joined", true);
    }
    finding.context.set("file", file);
    finding.context.set("smb", facts.smb.clone());
    let mut of = Fields::new().with("filename", facts.name.clone()).with("size", moved.size);
    of.set("gaps", false);
    of.set("stored", false);
    of.set("state", "UNKNOWN");
    of.set_some("tx_id", facts.tx_id);
    finding.context.set("files", vec![Value::from(of)]);
    finding.tx_id = finding.tx_id.or(facts.tx_id);
}

/// The beginning of a text, secrets left out; of other bytes their beginning as it is.
pub fn excerpt(finding: &mut Finding, bytes: &[u8], total: u64, max: usize) {
    // Twice the bytes for what is UTF-16, and enough to leave secrets out.
    let head = bytes.get(..max.saturating_mul(4)).unwrap_or(bytes);
    finding.excerpt = crate::content::text(head)
        .map_or_else(|| head.get(..64.min(max)).unwrap_or(head).to_vec(), |(text, _)| shown(&text, max).into_bytes());
    finding.excerpt_of = total;
}

/// What a status says.
pub const fn outcome(status: Option<u32>) -> Outcome {
    match status {
        None => Outcome::Unknown,
        Some(0) => Outcome::Success,
        Some(_) => Outcome::Attempt,
    }
}

/// Who sent it.
pub const fn direction(written: bool) -> Direction {
    if written { Direction::ToServer } else { Direction::ToClient }
}
