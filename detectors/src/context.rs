//! What a detector is given, and where its results go.

use std::net::IpAddr;

use backstop_protocols::{Anomaly, AppProto, Transaction};
use backstop_types::{Direction, Endpoint, Fields, PacketTime};

use crate::{DetectConfig, Finding};

/// The flow at the moment of a call.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// Networks, known hosts, limits.
    pub config: &'a DetectConfig,
    /// The initiator.
    pub client: Endpoint,
    /// The responder.
    pub server: Endpoint,
    /// Packet time.
    pub now: PacketTime,
    /// The three-way handshake was seen to complete.
    pub handshake: bool,
    /// The flow was picked up after its handshake.
    pub midstream: bool,
    /// The flow's protocol, once confirmed.
    pub app_proto: Option<AppProto>,
}

/// What detectors said during one call.
#[derive(Debug, Default)]
pub struct Findings {
    /// Findings, in order.
    pub findings: Vec<Finding>,
    /// Things learned about addresses, in order; they count before the findings of the same call.
    pub facts: Vec<Fact>,
    /// What a detector unfolded and no parser could have: content rules are to look at it.
    pub unfolded: Vec<Unfolded>,
    /// Content rules, by their ids, that have nothing to add in this direction of the flow: a detection tells the same cause. They
    /// count before anything of the same call is scanned, and also where the finding still waits for its reply.
    pub covered: Vec<(u64, Direction)>,
    /// A body begins in this direction: whether it is a page that somebody reads, in which commands are words only.
    pub page: Option<(Direction, bool)>,
    /// Contents that were not unfolded to their end, because a limit was reached.
    pub content_cut: u64,
}

/// Bytes that a detector brought to light: a command out of a statement, a program out of a literal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unfolded {
    /// The bytes.
    pub bytes: Vec<u8>,
    /// How they came about, outermost first.
    pub layers: Vec<&'static str>,
    /// Who sent them.
    pub direction: Direction,
    /// The transaction they belong to.
    pub tx_id: Option<u64>,
}

impl Findings {
    /// Nothing was said.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.findings.is_empty()
            && self.facts.is_empty()
            && self.unfolded.is_empty()
            && self.covered.is_empty()
            && self.page.is_none()
            && self.content_cut == 0
    }
}

/// Something learned that counts for other flows too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fact {
    /// The address answered as a Veeam service does: it holds the role of a backup server.
    BackupServer(IpAddr),
    /// What one asks of the other through WMI was seen in the clear.
    WmiInClear {
        /// Who asks.
        client: IpAddr,
        /// Whom.
        server: IpAddr,
        /// When.
        at: PacketTime,
    },
}

/// A file that a flow carried, and that is over.
#[derive(Clone, Copy, Debug)]
pub struct FileFacts<'a> {
    /// What carried it.
    pub carrier: AppProto,
    /// The transaction that moved it.
    pub tx_id: Option<u64>,
    /// Who sent it.
    pub direction: Direction,
    /// Its name or path.
    pub name: Option<&'a str>,
    /// Bytes seen of it.
    pub size: u64,
    /// All of it was seen.
    pub complete: bool,
    /// Bytes in it are missing.
    pub gaps: bool,
    /// What its first bytes say that it is.
    pub magic: Option<&'static str>,
    /// In lower-case hexadecimal digits, where it was complete and hashed.
    pub md5: Option<&'a str>,
    /// The same.
    pub sha1: Option<&'a str>,
    /// The same.
    pub sha256: Option<&'a str>,
    /// Its first bytes, as many as are kept.
    pub bytes: &'a [u8],
    /// How the bytes came about, outermost first.
    pub layers: &'a [&'static str],
    /// It is in the store.
    pub stored: bool,
    /// It was handed to the store.
    pub storing: bool,
}

impl FileFacts<'_> {
    /// What Suricata says of a file, in `fileinfo` and in the `files` of alerts.
    #[must_use]
    pub fn fields(&self) -> Fields {
        let mut fields = Fields::new();
        fields.set_some("filename", self.name.map(str::to_owned));
        fields.set_some("magic", self.magic);
        fields.set("gaps", self.gaps);
        fields.set("state", if self.complete { "CLOSED" } else { "TRUNCATED" });
        fields.set_some("md5", self.md5.map(str::to_owned));
        fields.set_some("sha1", self.sha1.map(str::to_owned));
        fields.set_some("sha256", self.sha256.map(str::to_owned));
        fields.set("stored", self.stored);
        if self.storing {
            fields.set("storing", true);
        }
        fields.set("size", self.size);
        fields.set_some("tx_id", self.tx_id);
        fields
    }
}

/// Decides on the transactions of one flow. Made at the flow's first transaction.
pub trait Detector: Send {
    /// A transaction, or a stage of one.
    fn on_transaction(&mut self, context: &Context<'_>, transaction: &Transaction<'_>, out: &mut Findings);

    /// A protocol violation.
    fn on_anomaly(&mut self, context: &Context<'_>, anomaly: &Anomaly, out: &mut Findings) {
        let _ = (context, anomaly, out);
    }

    /// A file is over. It comes before the transaction that moved it is answered.
    fn on_file(&mut self, context: &Context<'_>, file: &FileFacts<'_>, out: &mut Findings) {
        let _ = (context, file, out);
    }

    /// Time has passed; called while [`Detector::wants_tick`].
    fn on_tick(&mut self, context: &Context<'_>, out: &mut Findings) {
        let _ = (context, out);
    }

    /// Whether something is held that time will decide.
    fn wants_tick(&self) -> bool {
        false
    }

    /// The flow is over: what is held must be said now.
    fn on_flow_end(&mut self, context: &Context<'_>, out: &mut Findings) {
        let _ = (context, out);
    }
}

/// What a content rule matched in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scanned<'a> {
    /// A raw direction of the flow.
    Stream(Direction),
    /// Content that a parser decoded.
    Content {
        /// How it came about, outermost first.
        layers: &'a [&'static str],
        /// Who sent it.
        direction: Direction,
        /// The transaction it belongs to.
        tx_id: Option<u64>,
    },
}
