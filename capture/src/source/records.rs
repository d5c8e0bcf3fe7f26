//! One open capture file: its blocks, one after the other, as frames.

use std::fs::File;
use std::io::{Read, stdin};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use backstop_types::PacketTime;
use pcap_parser::traits::PcapReaderIterator;
use pcap_parser::{Block, PcapBlockOwned, PcapError, SecretsType, create_reader};

use zeroize::Zeroizing;

use super::primed::Primed;
use super::stdin::{Interruptible, Readiness};
use super::{KeyLog, SourceError};
use crate::batch::Frame;
use crate::decode::is_known_link;

/// Read buffer; a record must fit, so it grows up to [`MAX_BUFFER`].
const BUFFER: usize = 1024 * 1024;
/// The longest record that is read, bytes.
const MAX_BUFFER: usize = 64 * 1024 * 1024;
/// Interfaces of one section that are remembered.
const MAX_INTERFACES: usize = 65_536;

/// Counts what is read, for the progress bar.
struct Counting<R> {
    inner: R,
    read: Arc<AtomicU64>,
}

impl<R: Read> Read for Counting<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let len = self.inner.read(buffer)?;
        self.read.fetch_add(len as u64, Ordering::Relaxed);
        Ok(len)
    }
}

/// Ticks of a second of one interface.
#[derive(Clone, Copy)]
struct Interface {
    link_type: i32,
    /// Units of the time stamp in a second.
    resolution: u64,
    /// Seconds to add.
    offset_secs: i64,
    snaplen: u32,
}

impl Interface {
    fn time(self, ticks: u64) -> PacketTime {
        let resolution = u128::from(self.resolution.max(1));
        let nanos = u128::from(ticks) * 1_000_000_000 / resolution;
        let offset = i128::from(self.offset_secs) * 1_000_000_000;
        let nanos = i128::try_from(nanos).unwrap_or(i128::MAX).saturating_add(offset);
        PacketTime::from_nanos(u64::try_from(nanos.max(0)).unwrap_or(u64::MAX))
    }
}

/// What a step through the file met.
pub enum Step<'a> {
    /// A frame: its facts (offset, run number not set) and its bytes.
    Frame(Frame, &'a [u8]),
    /// Standard input is silent for now.
    Silent,
    /// The end of the file, whole or not.
    End(Option<SourceError>),
}

/// An open capture file.
pub struct Records {
    path: PathBuf,
    reader: Box<dyn PcapReaderIterator + Send>,
    interfaces: Vec<Interface>,
    nanoseconds: bool,
    legacy: Option<i32>,
    packets: u64,
    /// Standard input: whether more is there.
    readiness: Option<Readiness>,
    stop: Arc<AtomicBool>,
    /// Bytes of the block that the last step lent out.
    lent: usize,
    buffer: usize,
    /// TLS secrets found so far and not taken yet.
    pub secrets: Vec<KeyLog>,
}

impl Records {
    /// Opens a file, or standard input for `-`, which ends when `stop` is set.
    pub fn open(path: &Path, read: &Arc<AtomicU64>, stop: &Arc<AtomicBool>) -> Result<Self, SourceError> {
        if path.as_os_str() == "-" {
            let input = Interruptible::new(stdin(), Arc::clone(stop));
            let readiness = input.readiness();
            return Ok(Self { readiness: Some(readiness), stop: Arc::clone(stop), ..Self::new(path, input, read)? });
        }
        let file = File::open(path).map_err(|error| SourceError::Unreadable { file: path.into(), error })?;
        Self::new(path, file, read)
    }

    /// Reads a capture from anything.
    pub fn new(path: &Path, from: impl Read + Send + 'static, read: &Arc<AtomicU64>) -> Result<Self, SourceError> {
        let counting = Primed::new(Counting { inner: from, read: Arc::clone(read) })
            .map_err(|error| SourceError::Unreadable { file: path.into(), error })?;
        let reader = create_reader(BUFFER, counting).map_err(|error| match error {
            PcapError::ReadError => SourceError::Unreadable { file: path.into(), error: std::io::Error::other("cannot be read") },
            _ => SourceError::NotACapture { file: path.into() },
        })?;
        Ok(Self {
            path: path.into(),
            reader,
            interfaces: Vec::new(),
            nanoseconds: false,
            legacy: None,
            packets: 0,
            readiness: None,
            stop: Arc::default(),
            lent: 0,
            buffer: BUFFER,
            secrets: Vec::new(),
        })
    }

    /// The next frame. Its bytes are lent until the next call.
    pub fn step(&mut self) -> Step<'_> {
        let lent = std::mem::take(&mut self.lent);
        if lent > 0 {
            self.reader.consume_noshift(lent);
        }
        loop {
            // The borrow checker cannot see that a returned frame ends the loop, so the block is looked at twice:
            // once for what to do, once to lend it.
            let next = match self.reader.next() {
                Ok((len, block)) => match block {
                    PcapBlockOwned::Legacy(_) => Found::Packet,
                    PcapBlockOwned::LegacyHeader(header) => {
                        self.nanoseconds = header.is_nanosecond_precision();
                        // The upper bits of the field are flags (FCS length), not link type.
                        let link_type = header.network.0 & 0x0fff_ffff;
                        self.legacy = Some(link_type);
                        if is_known_link(link_type) { Found::Other(len) } else { Found::UnknownLink(link_type) }
                    }
                    PcapBlockOwned::NG(block) => match block {
                        Block::EnhancedPacket(_) | Block::SimplePacket(_) => Found::Packet,
                        Block::SectionHeader(_) => {
                            self.interfaces.clear();
                            Found::Other(len)
                        }
                        Block::InterfaceDescription(interface) => {
                            if self.interfaces.len() < MAX_INTERFACES {
                                self.interfaces.push(Interface {
                                    link_type: interface.linktype.0,
                                    resolution: interface.ts_resolution().unwrap_or(1_000_000),
                                    offset_secs: interface.if_tsoffset,
                                    snaplen: interface.snaplen,
                                });
                            }
                            Found::Other(len)
                        }
                        Block::DecryptionSecrets(secrets) => {
                            let end = usize::try_from(secrets.secrets_len).unwrap_or(usize::MAX);
                            if secrets.secrets_type == SecretsType::TlsKeyLog {
                                let text = secrets.data.get(..end).unwrap_or(secrets.data);
                                self.secrets.push(KeyLog::new(Zeroizing::new(text.to_vec())));
                            }
                            Found::Other(len)
                        }
                        _ => Found::Other(len),
                    },
                },
                Err(PcapError::Eof) => Found::End(false),
                Err(PcapError::Incomplete(_)) => Found::More,
                Err(PcapError::BufferTooSmall) => Found::Larger,
                Err(PcapError::UnexpectedEof) => Found::Cut,
                Err(_) => Found::End(true),
            };
            match next {
                Found::Packet => return self.lend(),
                Found::Other(len) => self.reader.consume_noshift(len),
                Found::UnknownLink(link_type) => {
                    return Step::End(Some(SourceError::UnknownLink { file: self.path.clone(), link_type }));
                }
                Found::More => {
                    if self.readiness.as_ref().is_some_and(|readiness| !readiness.is_ready())
                        && !self.stop.load(Ordering::Relaxed)
                    {
                        return Step::Silent;
                    }
                    if self.reader.refill().is_err() {
                        return Step::End(Some(self.damaged()));
                    }
                }
                Found::Larger => {
                    self.buffer *= 2;
                    if self.buffer > MAX_BUFFER || !self.reader.grow(self.buffer) || self.reader.refill().is_err() {
                        return Step::End(Some(self.damaged()));
                    }
                }
                Found::Cut => {
                    return Step::End(Some(SourceError::Truncated { file: self.path.clone(), packet: self.packets + 1 }));
                }
                Found::End(damaged) => return Step::End(damaged.then(|| self.damaged())),
            }
        }
    }

    fn damaged(&self) -> SourceError {
        SourceError::Damaged { file: self.path.clone(), packet: self.packets + 1 }
    }

    /// Lends the packet at the reader's place.
    fn lend(&mut self) -> Step<'_> {
        self.packets += 1;
        let mut frame = Frame {
            offset: 0,
            captured_len: 0,
            wire_len: 0,
            time: PacketTime::ZERO,
            link_type: 0,
            file: 0,
            file_number: self.packets,
            number: 0,
            from_block: false,
        };
        let Ok((len, block)) = self.reader.next() else { return Step::End(None) };
        self.lent = len;
        let bytes = match block {
            PcapBlockOwned::Legacy(packet) => {
                let unit = if self.nanoseconds { 1 } else { 1_000 };
                frame.time = PacketTime::from_nanos(u64::from(packet.ts_sec) * 1_000_000_000 + u64::from(packet.ts_usec) * unit);
                frame.wire_len = packet.origlen;
                frame.link_type = self.legacy.unwrap_or(-1);
                packet.data
            }
            PcapBlockOwned::NG(Block::EnhancedPacket(packet)) => {
                frame.from_block = true;
                frame.wire_len = packet.origlen;
                let interface = usize::try_from(packet.if_id).ok().and_then(|id| self.interfaces.get(id));
                frame.link_type = interface.map_or(-1, |known| known.link_type);
                if let Some(known) = interface {
                    frame.time = known.time(u64::from(packet.ts_high) << 32 | u64::from(packet.ts_low));
                }
                let captured = usize::try_from(packet.caplen).unwrap_or(usize::MAX);
                packet.data.get(..captured).unwrap_or(packet.data)
            }
            PcapBlockOwned::NG(Block::SimplePacket(packet)) => {
                frame.from_block = true;
                frame.wire_len = packet.origlen;
                let interface = self.interfaces.first();
                frame.link_type = interface.map_or(-1, |known| known.link_type);
                let snaplen = interface.map_or(0, |known| known.snaplen);
                let captured = if snaplen == 0 { packet.origlen } else { packet.origlen.min(snaplen) };
                let captured = usize::try_from(captured).unwrap_or(usize::MAX);
                packet.data.get(..captured).unwrap_or(packet.data)
            }
            PcapBlockOwned::NG(_) | PcapBlockOwned::LegacyHeader(_) => &[],
        };
        let captured = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        frame.wire_len = frame.wire_len.max(captured);
        Step::Frame(frame, bytes)
    }
}

enum Found {
    Packet,
    Other(usize),
    UnknownLink(i32),
    More,
    Larger,
    Cut,
    End(bool),
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives one byte a read, as the slowest pipe does.
    struct Slow(std::io::Cursor<Vec<u8>>);

    impl Read for Slow {
        fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
            self.0.read(&mut buffer[..1])
        }
    }

    fn pcap() -> Vec<u8> {
        let mut file = Vec::new();
        for word in [0xa1b2_c3d4_u32, 0x0004_0002, 0, 0, 65_535, 1, 7, 8, 3, 9] {
            file.extend(word.to_le_bytes());
        }
        file.extend(*b"abc");
        file
    }

    fn pcapng() -> Vec<u8> {
        let mut file = Vec::new();
        // Section header with 8 bytes of options, interface, packet.
        for word in [0x0a0d_0d0a_u32, 36, 0x1a2b_3c4d, 1, u32::MAX, u32::MAX, 0x0004_0001, 0x6162_6364, 36] {
            file.extend(word.to_le_bytes());
        }
        for word in [1_u32, 20, 1, 65_535, 20, 6, 36, 0, 0, 5, 3, 9] {
            file.extend(word.to_le_bytes());
        }
        file.extend(*b"abc\0");
        file.extend(36_u32.to_le_bytes());
        file
    }

    #[test]
    fn a_head_in_single_bytes_is_a_head() {
        for file in [pcap(), pcapng()] {
            let mut records = Records::new(Path::new("x"), Slow(std::io::Cursor::new(file)), &Arc::default()).unwrap();
            let Step::Frame(frame, bytes) = records.step() else { panic!("a frame") };
            assert_eq!((bytes, frame.wire_len, frame.link_type), (b"abc".as_slice(), 9, 1));
            assert!(matches!(records.step(), Step::End(None)));
        }
    }

    #[test]
    fn a_cut_head_is_no_capture() {
        for file in [pcap(), pcapng()] {
            for len in [0, 3, 11, 20] {
                let cut = std::io::Cursor::new(file[..len].to_vec());
                let error = Records::new(Path::new("x"), cut, &Arc::default()).err();
                assert!(matches!(error, Some(SourceError::NotACapture { .. })), "{len}");
            }
        }
    }
}
