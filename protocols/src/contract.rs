//! What a protocol is to the rest: the parser trait, its answers, and where its results go.

use std::net::IpAddr;
use std::sync::Arc;

use backstop_types::Direction;

use crate::tls::KeyRing;
use crate::{AppProto, Transaction};

/// Caps on what one flow's parsers may hold. Every one is configurable and counted when it bites.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Unconsumed bytes kept for a parser and direction. A parser that needs more than this loses sync.
    pub max_buffer: usize,
    /// Bytes of one message that a parser decodes; the rest is skipped (and still scanned as stream).
    pub max_message: usize,
    /// Nesting of elements, records or objects.
    pub max_depth: usize,
    /// Nodes of one decoded tree (elements, attributes, text pieces, NRBF records).
    pub max_nodes: usize,
    /// Bytes of one text value that are kept.
    pub max_text: usize,
    /// Strings and bytes of an in-band dictionary of one direction.
    pub max_dictionary_strings: usize,
    /// Bytes of an in-band dictionary of one direction.
    pub max_dictionary_bytes: usize,
    /// Requests waiting for their reply.
    pub max_pending: usize,
    /// Protocols nested in one flow (NMF, TLS, NMF is three).
    pub max_layers: usize,
    /// Encrypted bytes of a session, both directions, that wait for keys. Above it the session stays closed.
    pub max_undecrypted: usize,
    /// Bytes that the codings of one body (gzip, br) may bring. What a flow may bring besides grows with what it sends.
    pub max_decoded: usize,
    /// Bytes of files that come in ranges and are put together, a flow.
    pub max_range: usize,
    /// Files of one form (`multipart/form-data`) that are told.
    pub max_uploads: usize,
    /// Sessions, shares and open files that are followed, each (SMB).
    pub max_files: usize,
    /// Bytes of files that wait to be put together (SMB).
    pub max_file_bytes: usize,
    /// Bytes of one WS-Management message that are decoded, and of the PowerShell messages of one direction that wait for fragments;
    /// bytes of the registration of a task (DCE/RPC).
    pub max_envelope: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_buffer: 256 * 1024,
            max_message: 128 * 1024,
            max_depth: 64,
            max_nodes: 8_192,
            max_text: 96 * 1024,
            max_dictionary_strings: 1_024,
            max_dictionary_bytes: 16 * 1024,
            max_pending: 256,
            max_layers: 6,
            max_undecrypted: 1024 * 1024,
            max_decoded: 16 * 1024 * 1024,
            max_range: 1024 * 1024,
            max_uploads: 128,
            max_files: 1_024,
            max_file_bytes: 1024 * 1024,
            max_envelope: 1024 * 1024,
        }
    }
}

/// What the parsers of a flow are given.
#[derive(Clone, Debug, Default)]
pub struct Surroundings {
    /// Caps, shared by the flows of a worker.
    pub limits: Arc<Limits>,
    /// Keys for what is encrypted. Without a ring nothing is kept for later, and bulk data costs nothing.
    pub keys: Option<Arc<KeyRing>>,
    /// The addresses of both ends, where they are known: a key may be meant for one of them.
    pub ends: Option<[IpAddr; 2]>,
    /// The layer around theirs is TLS.
    pub inside_tls: bool,
}

/// What a parser did with the bytes it was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Advance {
    /// All bytes used.
    Consumed,
    /// `consumed` bytes used; call again when at least `need` more-than-consumed bytes are there, that is with
    /// `need` bytes from the first unconsumed one. `need` is exact, from a length field, and more than is there now.
    Need {
        /// Bytes used.
        consumed: usize,
        /// Bytes wanted from the first unconsumed one.
        need: usize,
    },
    /// `consumed` bytes used; the following `len` bytes of this direction are of no interest and are not buffered.
    /// After them `advance` is called again. (A gap inside them is not reported.)
    Skip {
        /// Bytes used.
        consumed: usize,
        /// Stream bytes to pass over after them.
        len: u64,
    },
    /// `consumed` bytes used; what follows in this direction belongs to another protocol and this parser is done with it.
    /// The other direction changes over when its own call says so. `None`: not known yet, probe.
    Upgrade {
        /// Bytes used.
        consumed: usize,
        /// The protocol that follows, if the upgrade named it.
        to: Option<AppProto>,
    },
    /// `consumed` bytes used; what follows in this direction is wrapped in another protocol, and this parser goes on
    /// with what that one unwraps ([`Sink::plaintext`]). `None`: wrapped in something that nobody here understands.
    Wrap {
        /// Bytes used.
        consumed: usize,
        /// The wrapping protocol.
        within: Option<AppProto>,
    },
}

/// Why a parser gave up a flow. Small, no text; the anomaly that went before says more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParseError {
    /// Bytes of this call that were still understood.
    pub offset: usize,
    /// Stable snake_case name of the anomaly, see [`Anomaly::event`].
    pub event: &'static str,
}

/// A violation of a protocol: evidence, not an error of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Anomaly {
    /// The protocol that was violated.
    pub app_proto: AppProto,
    /// Stable snake_case name; renaming one is an interface change.
    pub event: &'static str,
    /// Who sent it.
    pub direction: Direction,
}

/// Decoded bytes that did not stand in the stream as they are (base64, UTF-16, a text put together from pieces),
/// offered to the scanner.
#[derive(Clone, Copy, Debug)]
pub struct Content<'a> {
    /// The decoded bytes.
    pub bytes: &'a [u8],
    /// How they came about, outermost first: `["veeam.param", "base64", "nrbf.string"]`.
    pub layers: &'a [&'static str],
    /// Who sent them.
    pub direction: Direction,
    /// The transaction they belong to.
    pub tx_id: Option<u64>,
}

/// How far a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileState {
    /// More may follow.
    More,
    /// Its end was seen, and its sender says that it is all of it.
    Complete,
    /// No more follows, and it is not, or need not be, all of it.
    Truncated,
}

/// A piece of a file that a conversation carries, whatever carries it.
#[derive(Clone, Copy, Debug)]
pub struct FilePart<'a> {
    /// Which file of the flow and protocol.
    pub key: u64,
    /// The transaction that moves it.
    pub tx_id: Option<u64>,
    /// Who sends it.
    pub direction: Direction,
    /// Its name or path, as far as one was given.
    pub name: Option<&'a str>,
    /// How the bytes came about, outermost first.
    pub layers: &'a [&'static str],
    /// Where in the file they stand.
    pub offset: u64,
    /// The bytes; none: this is only the end.
    pub bytes: &'a [u8],
    /// The size of the whole, where it was said.
    pub size: Option<u64>,
    /// Whether more follows.
    pub state: FileState,
}

/// Where a parser's results go.
pub trait Sink {
    /// A transaction, or a stage of one. Borrowed for the length of the call.
    fn transaction(&mut self, transaction: &Transaction<'_>);
    /// A violation.
    fn anomaly(&mut self, anomaly: Anomaly);
    /// Decoded bytes to scan.
    fn content(&mut self, content: Content<'_>);
    /// The same, of the file whose parts have this key: who keeps all parts scans them as a whole.
    fn content_of(&mut self, of: (AppProto, u64), content: Content<'_>) {
        let _ = of;
        self.content(content);
    }
    /// Bytes that a wrapping protocol unwrapped (TLS with keys): they go to the parser inside it, in the order in which they
    /// are given, and then outwards: the sink of the sensor gets those of every layer.
    fn plaintext(&mut self, direction: Direction, bytes: &[u8]);
    /// Unwrapped bytes are missing here; `None`: nobody knows how many.
    fn plaintext_gap(&mut self, _direction: Direction, _len: Option<u64>) {}
    /// The wrapping protocol says that its sender has ended this direction; the stream itself may go on.
    fn plaintext_end(&mut self, _direction: Direction) {}
    /// What is told from here to the matching [`Sink::leave`] was encrypted on the wire: it comes from inside a wrapping protocol
    /// that was opened. `unconsumed`: unwrapped bytes of this direction that the layers inside have not consumed yet.
    fn enter(&mut self, _direction: Direction, _unconsumed: usize) {}
    /// The end of it.
    fn leave(&mut self) {}
    /// Bytes that a parser unwrapped and reads itself: they go outwards as those of [`Sink::plaintext`] do, and to no layer.
    fn unwrapped(&mut self, direction: Direction, bytes: &[u8]) {
        self.plaintext(direction, bytes);
    }
    /// The same for [`Sink::plaintext_gap`].
    fn unwrapped_gap(&mut self, direction: Direction, len: Option<u64>) {
        self.plaintext_gap(direction, len);
    }
    /// The same for [`Sink::plaintext_end`].
    fn unwrapped_end(&mut self, direction: Direction) {
        self.plaintext_end(direction);
    }
    /// The flow's protocol is now known for sure (both sides, or one side beyond doubt). What a layer says
    /// that is wrapped around one that is known already goes no further: the innermost names the flow.
    fn confirmed(&mut self, app_proto: AppProto);
    /// A protocol lost sync, or is in sync again. While lost, the raw stream is all there is.
    fn in_sync(&mut self, app_proto: AppProto, direction: Direction, in_sync: bool);
}

/// A state machine for one layer of one flow.
///
/// Any segmentation of the same bytes gives the same transactions. `Err` means: stop parsing this flow, go on scanning it.
pub trait Parser: Send {
    /// Contiguous bytes of one direction, beginning at the first one not consumed before.
    ///
    /// # Errors
    /// The stream is not (or no longer) of this protocol and no next message can be found.
    fn advance(&mut self, direction: Direction, bytes: &[u8], out: &mut dyn Sink) -> Result<Advance, ParseError>;

    /// `len` bytes of this direction are missing; `left` are the bytes before them that were never consumed, and are not given again.
    ///
    /// # Errors
    /// The parser cannot find its place again.
    fn gap(&mut self, direction: Direction, left: &[u8], len: u64, out: &mut dyn Sink) -> Result<Advance, ParseError>;

    /// This direction has ended; `left` are bytes that were never consumed.
    fn close(&mut self, direction: Direction, left: &[u8], out: &mut dyn Sink);

    /// Time has passed, perhaps keys have come: a parser that waits looks again. Cheap when nothing has changed. One that
    /// waited is called a second time, to say what comes behind that which it unwrapped.
    fn poll(&mut self, _out: &mut dyn Sink) {}

    /// It holds bytes that it can read when keys come. It may still wait when both directions have ended; what comes last
    /// (an end of session, the ends of the layer inside) is then put off.
    fn is_waiting(&self) -> bool {
        false
    }

    /// No keys will come: what is left to say is said now. Called a second time as [`Parser::poll`] is.
    fn stop_waiting(&mut self, _out: &mut dyn Sink) {}

    /// What stands on the stream from here on is ciphertext that it sees itself, without a layer around it.
    fn is_ciphertext(&self) -> bool {
        false
    }

    /// Bytes it holds of its own, beside those that were not consumed.
    fn held(&self) -> usize {
        0
    }
}

/// How sure a probe is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Probe {
    /// It is this protocol.
    Certain,
    /// It may be; taken when no other protocol is certain.
    Possible,
    /// Too few bytes to say.
    MoreBytes,
    /// It is not.
    No,
}

/// A protocol of datagrams: each delivery is one of them, whole. Its parser is called once for each and consumes it.
pub struct Datagrams {
    /// Its id; a protocol of streams as well.
    pub app_proto: AppProto,
    /// Recognises it by a whole datagram; only [`Probe::Certain`] counts.
    pub probe: fn(Direction, &[u8]) -> Probe,
    /// A parser for a new flow.
    pub parser: fn(&Surroundings) -> Box<dyn Parser>,
}

/// A registered protocol.
pub struct Protocol {
    /// Its id.
    pub app_proto: AppProto,
    /// EVE `app_proto`, and the name in configuration.
    pub name: &'static str,
    /// Recognises the protocol by the first bytes of one direction.
    pub probe: fn(Direction, &[u8]) -> Probe,
    /// A parser for a new flow.
    pub parser: fn(&Surroundings) -> Box<dyn Parser>,
}
