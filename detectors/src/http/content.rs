//! What bodies of HTTP hold goes through the content decoder: 9403001 to 9403007, whoever fetches or sends it.

use backstop_protocols::{AppProto, Transaction, http};
use backstop_types::{Direction, PerDirection, Value};

use super::{PROGRAM_RULE, outcome, path};
use crate::content::magic::magic;
use crate::content::{Carrier, Kind, inspect, may_be_code, named};
use crate::finding::Threshold;
use crate::{Context, Detector, FileFacts, Finding, Findings, Outcome};

/// Findings of one sid and flow.
const MAX_TOLD: usize = 32;
/// The end of the loader's file name …
const LOADER: &str = "_64refl.ps1";
/// … the detection of it, and the content rule that tells of the name.
const LOADER_SID: u64 = 9_403_001;
const LOADER_RULE: u64 = 9_411_021;

/// A detector for a new flow.
#[must_use]
pub fn detector() -> Box<dyn Detector> {
    Box::new(Bodies::default())
}

#[derive(Default)]
struct Bodies {
    told: usize,
    /// The exchange whose body was found to be the loader last.
    loader: Option<u64>,
    /// Directions that have carried a body.
    bodies: PerDirection<bool>,
    /// What was found in files of forms, by exchange: the form itself has nothing to add.
    uploads: Vec<(Option<u64>, u64)>,
}

/// Whether content is a page or a feed that somebody reads, and no application of `mshta.exe`.
fn is_page(bytes: &[u8]) -> bool {
    if bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes).trim_ascii_start().first() != Some(&b'<') {
        return false;
    }
    let head = bytes.get(..1_024).unwrap_or(bytes).to_ascii_lowercase();
    let is_feed = || [b"<rss".as_slice(), b"<feed"].iter().any(|tag| memchr::memmem::find(&head, tag).is_some());
    match magic(bytes) {
        Some("HTML document") => !runs_programs(bytes),
        Some("XML document") => is_feed() && !runs_programs(bytes),
        _ => false,
    }
}

/// Whether a page has a shell at hand, as no browser gives it one.
fn runs_programs(bytes: &[u8]) -> bool {
    let lower = bytes.to_ascii_lowercase();
    [b"wscript.shell".as_slice(), b"shell.application", b"<hta:application"]
        .iter()
        .any(|word| memchr::memmem::find(&lower, word).is_some())
}

/// Whether a name is that of something that an interpreter runs, whatever it begins as: `cmd.exe` passes over a line of HTML.
fn is_named_script(name: &str) -> bool {
    const EXTENSIONS: [&str; 9] = ["ps1", "psm1", "psd1", "bat", "cmd", "vbs", "hta", "wsf", "sct"];
    let extension = name.trim_end_matches(['.', ' ']).rsplit_once('.').map(|(_, extension)| extension);
    extension.is_some_and(|extension| EXTENSIONS.iter().any(|known| extension.eq_ignore_ascii_case(known)))
}

/// Whether content may be a script: not what browsers show, and no program or archive.
fn may_be_script(file: &FileFacts<'_>) -> bool {
    match file.magic {
        None => true,
        // A page that shows commands runs none.
        Some("HTML document") => runs_programs(file.bytes) || file.name.is_some_and(is_named_script),
        Some(kind) => kind.ends_with("text") || matches!(kind, "script" | "XML document" | "gzip data"),
    }
}

/// A message of WS-Management: what runs through it is decoded and told as WinRM.
fn is_wsman(file: &FileFacts<'_>) -> bool {
    let head = file.bytes.get(..4_096).unwrap_or(file.bytes);
    let head = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head).trim_ascii_start();
    // No script begins so: that of a comment of PowerShell is `<#`.
    let is_xml = matches!(head, [b'<', b'?' | b'a'..=b'z' | b'A'..=b'Z', ..]);
    // A page that runs something may hold the words, too. In a message of WS-Management `<` stands as a reference.
    let runs = || file.bytes.windows(7).any(|seven| seven.eq_ignore_ascii_case(b"<script"));
    is_xml && memchr::memmem::find(head, b"/wbem/wsman/").is_some() && !runs()
}

impl Detector for Bodies {
    /// The loader by its name, where its content did not say so.
    fn on_transaction(&mut self, context: &Context<'_>, transaction: &Transaction<'_>, out: &mut Findings) {
        if let Transaction::Http(http::Transaction::Body(part)) = transaction
            && !std::mem::replace(self.bodies.get_mut(part.direction), true)
        {
            // Programs come by HTTP all day; of those that a backup server fetches 9404007 tells. Said with the first part: a
            // long file is scanned before it is over.
            out.covered.push((PROGRAM_RULE, part.direction));
        }
        if let Transaction::Http(http::Transaction::Body(part)) = transaction
            && part.offset == 0
        {
            out.page = Some((
                part.direction,
                part.direction == Direction::ToClient && is_page(part.bytes) && !part.name.is_some_and(is_named_script),
            ));
        }
        let Transaction::Http(http::Transaction::Exchange(exchange)) = transaction else { return };
        let Some(request) = exchange.request.filter(|request| path(&request.target).to_ascii_lowercase().ends_with(LOADER))
        else {
            return;
        };
        if exchange.stage == http::Stage::Requested {
            out.covered.push((LOADER_RULE, Direction::ToServer));
            return;
        }
        if self.loader == Some(exchange.tx_id) || self.told >= MAX_TOLD {
            return;
        }
        self.told += 1;
        let (direction, tx_id) = (Direction::ToClient, Some(exchange.tx_id));
        let name = path(&request.target).rsplit('/').next().unwrap_or_default();
        let mut finding = named(name, &Carrier { name: "http", kind: Kind::Unknown, direction, tx_id }, context);
        finding.outcome = outcome(exchange.response.map(|response| response.status));
        finding.context.set("http", transaction.fields());
        let key = format!("{} {} {name}", context.client.addr, context.server.addr);
        finding.threshold = Some(Threshold { key: key.into_bytes(), window: context.config.policy_window });
        out.findings.push(finding);
    }

    fn on_file(&mut self, context: &Context<'_>, file: &FileFacts<'_>, out: &mut Findings) {
        if file.carrier != AppProto::Http {
            return;
        }
        // Of a file that is put together from ranges no part was told.
        out.covered.push((PROGRAM_RULE, file.direction));
        if file.bytes.is_empty() || !may_be_script(file) || is_wsman(file) || !may_be_code(file.bytes) {
            return;
        }
        if self.told >= MAX_TOLD {
            // Counted, as any content that is not unfolded to its end.
            out.content_cut += 1;
            return;
        }
        let carrier = Carrier { name: "http", kind: Kind::Unknown, direction: file.direction, tx_id: file.tx_id };
        let mut inspection = inspect(file.bytes, &carrier, context);
        inspection.offer(file.direction, out);
        let in_form = file.layers.contains(&"multipart");
        for mut finding in inspection.findings {
            let what = (file.tx_id, finding.meta.sid());
            if in_form && self.uploads.len() < MAX_TOLD {
                self.uploads.push(what);
            } else if !in_form && self.uploads.contains(&what) {
                continue;
            }
            self.told += 1;
            if finding.meta.sid() == LOADER_SID {
                self.loader = file.tx_id;
            }
            attach(&mut finding, file);
            out.findings.push(finding);
        }
    }
}

/// Adds what is known of the file.
pub fn attach(finding: &mut Finding, file: &FileFacts<'_>) {
    finding.outcome = if file.complete { Outcome::Success } else { Outcome::Unknown };
    finding.context.set("files", vec![Value::from(file.fields())]);
}
