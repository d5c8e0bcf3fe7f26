//! Where frames come from: capture files, standard input, live interfaces.

mod bpf;
mod inputs;
mod live;
mod primed;
mod records;
mod secrets;
mod stdin;

use std::path::PathBuf;

use backstop_types::{PacketTime, Secret};
pub use inputs::{Inputs, InputsConfig};
pub use live::{Live, LiveConfig, interfaces};
use zeroize::Zeroizing;

use crate::batch::Batch;

/// What a call of [`Source::fill`] brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fill {
    /// Frames; more may follow.
    Frames,
    /// A live interface was quiet: the time now. There may be frames all the same.
    Idle(PacketTime),
    /// The last frames, or none.
    End,
}

/// What the capture layer counted (EVE `stats.capture`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SourceStats {
    /// Frames received.
    pub received: u64,
    /// Frames dropped by the kernel for want of room.
    pub dropped: u64,
    /// Frames dropped by the interface.
    pub if_dropped: u64,
    /// Files or interfaces that ended with an error.
    pub errors: u64,
}

/// How far a replay has come, bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Bytes read.
    pub read: u64,
    /// Bytes in all, where known.
    pub total: Option<u64>,
}

/// The text of an NSS key log; zeroed when it is dropped.
pub type KeyLog = Secret<Zeroizing<Vec<u8>>>;

/// Gives batches of frames.
pub trait Source {
    /// Adds frames to an empty batch.
    ///
    /// # Errors
    /// The source can give nothing more. What is in the batch is good.
    fn fill(&mut self, batch: &mut Batch) -> Result<Fill, SourceError>;

    /// Counters so far.
    fn stats(&self) -> SourceStats;

    /// How far it has come.
    fn progress(&self) -> Progress;

    /// The name of a file of the run, as [`Packet::file`](crate::packet::Packet::file) counts them; the interface, live.
    fn name(&self, file: u32) -> Option<&str>;

    /// Problems met since the last call that did not end the run: a file cut short, a damaged block.
    fn take_problems(&mut self) -> Vec<SourceError>;

    /// TLS secrets (key logs) of pcapng blocks met since the last call; before the first frame, all those of regular files.
    fn take_secrets(&mut self) -> Vec<KeyLog> {
        Vec::new()
    }
}

/// Why a source cannot give frames. Names the file, and the packet where there is one.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SourceError {
    /// The file or folder cannot be read.
    #[error("{}: {error}", file.display())]
    Unreadable {
        /// Which.
        file: PathBuf,
        /// What the system said.
        error: std::io::Error,
    },
    /// A folder without captures.
    #[error("{}: no capture files here (*.pcap, *.pcapng, *.cap)", file.display())]
    EmptyFolder {
        /// Which.
        file: PathBuf,
    },
    /// Neither pcap nor pcapng.
    #[error("{}: not a capture file (neither pcap nor pcapng)", file.display())]
    NotACapture {
        /// Which.
        file: PathBuf,
    },
    /// A capture of a link type that is not decoded.
    #[error("{}: packets of link type {link_type}, which is not known here", file.display())]
    UnknownLink {
        /// Which.
        file: PathBuf,
        /// The number that the file states.
        link_type: i32,
    },
    /// The file ends inside a packet.
    #[error("{}: cut short in packet {packet}; what comes before it was used", file.display())]
    Truncated {
        /// Which.
        file: PathBuf,
        /// The packet that is not whole, from 1.
        packet: u64,
    },
    /// A packet record or block that cannot be.
    #[error("{}: damaged at packet {packet}; what comes before it was used", file.display())]
    Damaged {
        /// Which.
        file: PathBuf,
        /// The packet that was expected there, from 1.
        packet: u64,
    },
    /// The filter expression does not compile.
    #[error("filter \"{expression}\": {message}")]
    Filter {
        /// The expression.
        expression: String,
        /// What libpcap says.
        message: String,
    },
    /// The interface cannot be opened or fails.
    #[error("interface {interface}: {message}")]
    Interface {
        /// Which.
        interface: String,
        /// What libpcap says, and which interfaces there are.
        message: String,
    },
}
