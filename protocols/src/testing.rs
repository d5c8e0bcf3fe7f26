//! Helpers that hold for every parser: any segmentation and any truncation of the same bytes is safe, and segmentation
//! changes nothing. Public for tests, benches and fuzz targets; not part of the interface.

use std::sync::Arc;

use backstop_types::{Direction, Fields};

use crate::contract::{Anomaly, Content, Limits, Sink};
use crate::driver::Driver;
use crate::registry::{AppProto, Transaction};
use crate::tls::{self, KeyRing};

/// Everything a parser said, in order, without the borrow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A transaction by protocol and fields.
    Transaction(AppProto, Fields),
    /// An anomaly.
    Anomaly(Anomaly),
    /// Decoded content.
    Content(Vec<&'static str>, Vec<u8>, Direction),
    /// Unwrapped bytes.
    Plaintext(Direction, Vec<u8>),
    /// Unwrapped bytes that are missing.
    PlaintextGap(Direction, Option<u64>),
    /// The sender of unwrapped bytes has ended.
    PlaintextEnd(Direction),
    /// A confirmed protocol.
    Confirmed(AppProto),
    /// Sync lost or found.
    InSync(AppProto, Direction, bool),
}

/// A sink that remembers.
#[derive(Debug, Default)]
pub struct Recorder {
    /// What was said.
    pub events: Vec<Event>,
}

impl Recorder {
    /// The transactions only, by protocol and fields.
    pub fn transactions(&self) -> impl Iterator<Item = (AppProto, &Fields)> {
        self.events.iter().filter_map(|event| match event {
            Event::Transaction(app_proto, fields) => Some((*app_proto, fields)),
            _ => None,
        })
    }

    /// Names of the anomalies, in order.
    pub fn anomalies(&self) -> Vec<&'static str> {
        self.events
            .iter()
            .filter_map(|event| if let Event::Anomaly(anomaly) = event { Some(anomaly.event) } else { None })
            .collect()
    }
}

impl Sink for Recorder {
    fn transaction(&mut self, transaction: &Transaction<'_>) {
        // Marks for putting both directions in order; they tell nothing by themselves.
        if let Transaction::Tls(tls::Transaction { stage: tls::Stage::Record(_), .. }) = transaction {
            return;
        }
        self.events.push(Event::Transaction(transaction.app_proto(), transaction.fields()));
    }

    fn anomaly(&mut self, anomaly: Anomaly) {
        self.events.push(Event::Anomaly(anomaly));
    }

    fn content(&mut self, content: Content<'_>) {
        self.events.push(Event::Content(content.layers.to_vec(), content.bytes.to_vec(), content.direction));
    }

    fn plaintext(&mut self, direction: Direction, bytes: &[u8]) {
        self.events.push(Event::Plaintext(direction, bytes.to_vec()));
    }

    fn plaintext_gap(&mut self, direction: Direction, len: Option<u64>) {
        self.events.push(Event::PlaintextGap(direction, len));
    }

    fn plaintext_end(&mut self, direction: Direction) {
        self.events.push(Event::PlaintextEnd(direction));
    }

    fn confirmed(&mut self, app_proto: AppProto) {
        self.events.push(Event::Confirmed(app_proto));
    }

    fn in_sync(&mut self, app_proto: AppProto, direction: Direction, in_sync: bool) {
        self.events.push(Event::InSync(app_proto, direction, in_sync));
    }
}

/// A conversation: who says what, in order.
pub type Script = Vec<(Direction, Vec<u8>)>;

/// Runs a conversation, each piece as one delivery, and closes both directions.
#[must_use]
pub fn run(script: &[(Direction, Vec<u8>)]) -> Recorder {
    run_with_keys(script, None)
}

/// The same with keys for what is encrypted.
#[must_use]
pub fn run_with_keys(script: &[(Direction, Vec<u8>)], keys: Option<&Arc<KeyRing>>) -> Recorder {
    run_in_pieces(script, keys, |len| vec![len])
}

/// Runs a conversation with each delivery cut as `cut(len)` says (piece lengths; the last piece takes the rest).
#[must_use]
pub fn run_in_pieces(
    script: &[(Direction, Vec<u8>)],
    keys: Option<&Arc<KeyRing>>,
    mut cut: impl FnMut(usize) -> Vec<usize>,
) -> Recorder {
    let mut recorder = Recorder::default();
    let mut driver = Driver::with_keys(Limits::default(), keys.cloned());
    for (direction, bytes) in script {
        let mut rest = bytes.as_slice();
        for len in cut(bytes.len()) {
            let (piece, after) = rest.split_at_checked(len).unwrap_or((rest, &[]));
            driver.data(*direction, piece, &mut recorder);
            rest = after;
        }
        driver.data(*direction, rest, &mut recorder);
    }
    close(&mut driver, &mut recorder);
    recorder
}

/// Ends both directions, and the waiting for keys.
pub fn close(driver: &mut Driver, out: &mut dyn Sink) {
    for direction in Direction::BOTH {
        driver.close(direction, out);
    }
    driver.stop_waiting(out);
}

/// Asserts that one-byte pieces, seven-byte pieces and whole deliveries give the same events.
///
/// # Panics
/// When they do not.
pub fn assert_every_segmentation_is_equal(script: &[(Direction, Vec<u8>)]) {
    assert_every_segmentation_is_equal_with_keys(script, None);
}

/// The same with keys for what is encrypted.
///
/// # Panics
/// When they do not.
pub fn assert_every_segmentation_is_equal_with_keys(script: &[(Direction, Vec<u8>)], keys: Option<&Arc<KeyRing>>) {
    let whole = run_with_keys(script, keys);
    for piece in [1, 2, 7, 13, 64] {
        let cut = run_in_pieces(script, keys, |len| vec![piece; len / piece]);
        let differs = whole.events.iter().zip(&cut.events).take_while(|(whole, cut)| whole == cut).count();
        let (whole, cut) = (whole.events.get(differs..), cut.events.get(differs..));
        assert!(whole == cut, "pieces of {piece} bytes differ from event {differs} on:\n{whole:#?}\n{cut:#?}");
    }
}

/// Runs every truncation of a conversation: nothing may panic, and what was said before the cut stays a prefix
/// of what the whole conversation says, up to what closing adds.
pub fn run_every_truncation(script: &[(Direction, Vec<u8>)], step: usize) {
    run_every_truncation_with_keys(script, step, None);
}

/// The same with keys for what is encrypted.
pub fn run_every_truncation_with_keys(script: &[(Direction, Vec<u8>)], step: usize, keys: Option<&Arc<KeyRing>>) {
    let total: usize = script.iter().map(|(_, bytes)| bytes.len()).sum();
    for keep in (0..total).step_by(step.max(1)) {
        let mut left = keep;
        let cut: Script = script
            .iter()
            .map(|(direction, bytes)| {
                let len = bytes.len().min(left);
                left -= len;
                (*direction, bytes.get(..len).unwrap_or_default().to_vec())
            })
            .collect();
        drop(run_with_keys(&cut, keys));
    }
}

/// A conversation of `protocols/fixtures`: a line a turn, `>` to the server and `<` to the client, in hex.
///
/// # Errors
/// There is no such file, or a line of it is not in this form.
pub fn fixture(name: &str) -> std::io::Result<Script> {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(name).with_extension("txt");
    let text = std::fs::read_to_string(path)?;
    text.lines().map(|line| turn(line).ok_or_else(|| std::io::Error::other(format!("not a turn: {line}")))).collect()
}

/// The keys of a conversation of `protocols/fixtures`: a key log, or the server's private key; `None` when it has none.
///
/// # Errors
/// There are some, and they are not what they should be.
pub fn fixture_keys(name: &str) -> std::io::Result<Option<Arc<KeyRing>>> {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(name);
    let ring = KeyRing::new();
    if let Ok(log) = std::fs::read(path.with_extension("keylog")) {
        let report = ring.add_whole_key_log(&log);
        if report.added == 0 || report.malformed > 0 {
            return Err(std::io::Error::other(format!("{name}: {report:?}")));
        }
    } else if let Ok(key) = std::fs::read(path.with_extension("pem")) {
        ring.add_rsa_key(&key).map_err(std::io::Error::other)?;
    } else {
        return Ok(None);
    }
    Ok(Some(Arc::new(ring)))
}

fn turn(line: &str) -> Option<(Direction, Vec<u8>)> {
    let (arrow, hex) = line.split_once(' ')?;
    let direction = if arrow == ">" { Direction::ToServer } else { Direction::ToClient };
    Some((direction, data_encoding::HEXLOWER.decode(hex.as_bytes()).ok()?))
}

/// The names of all conversations of `protocols/fixtures`, in order.
///
/// # Errors
/// The folder cannot be read.
pub fn fixture_names() -> std::io::Result<Vec<String>> {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures");
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "txt") {
            names.extend(path.file_stem().and_then(|stem| stem.to_str()).map(str::to_owned));
        }
    }
    names.sort();
    Ok(names)
}
