//! Classic pcap files: a writer that streams, and a reader for small files.

use std::io::{self, Write};

use backstop_types::PacketTime;

/// Link type of Ethernet frames.
pub const ETHERNET: u32 = 1;
const MAGIC_MICROS: u32 = 0xa1b2_c3d4;
const SNAP_LEN: u32 = 262_144;

/// Writes frames as they come; nothing is kept.
pub struct PcapWriter<W: Write> {
    out: W,
    frames: u64,
    bytes: u64,
}

impl<W: Write> PcapWriter<W> {
    /// Writes the file header.
    ///
    /// # Errors
    /// The output cannot be written.
    pub fn new(mut out: W, link_type: u32) -> io::Result<Self> {
        for word in [MAGIC_MICROS, 4 << 16 | 2, 0, 0, SNAP_LEN, link_type] {
            out.write_all(&word.to_le_bytes())?;
        }
        Ok(Self { out, frames: 0, bytes: 0 })
    }

    /// Adds a frame, captured whole.
    ///
    /// # Errors
    /// The output cannot be written.
    pub fn write(&mut self, time: PacketTime, frame: &[u8]) -> io::Result<()> {
        let micros = time.as_micros();
        let len = u32::try_from(frame.len()).map_err(io::Error::other)?;
        for word in [(micros / 1_000_000) as u32, (micros % 1_000_000) as u32, len, len] {
            self.out.write_all(&word.to_le_bytes())?;
        }
        self.frames += 1;
        self.bytes += u64::from(len);
        self.out.write_all(frame)
    }

    /// Frames written, and their bytes.
    #[must_use]
    pub const fn totals(&self) -> (u64, u64) {
        (self.frames, self.bytes)
    }

    /// Writes what is buffered.
    ///
    /// # Errors
    /// The output cannot be written.
    pub fn finish(mut self) -> io::Result<W> {
        self.out.flush()?;
        Ok(self.out)
    }
}

/// A captured frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Time stamp.
    pub time: PacketTime,
    /// Bytes on the wire.
    pub wire_len: u32,
    /// Bytes captured.
    pub bytes: Vec<u8>,
}

/// Link type and frames of a classic file in this machine's or the little byte order; what is cut off at the end is left out.
///
/// # Errors
/// It is no such file.
pub fn read(file: &[u8]) -> io::Result<(u32, Vec<Record>)> {
    let word = |at: usize| file.get(at..).and_then(<[u8]>::first_chunk::<4>).map(|word| u32::from_le_bytes(*word));
    let bad = || io::Error::other("not a classic little-endian pcap file");
    let nanos = match word(0) {
        Some(MAGIC_MICROS) => false,
        Some(0xa1b2_3c4d) => true,
        _ => return Err(bad()),
    };
    let link_type = word(20).ok_or_else(bad)?;
    let mut records = Vec::new();
    let mut at = 24;
    while let (Some(secs), Some(fraction), Some(len), Some(wire_len)) = (word(at), word(at + 4), word(at + 8), word(at + 12)) {
        let Some(bytes) = file.get(at + 16..at + 16 + len as usize) else { break };
        let fraction = u64::from(fraction) * if nanos { 1 } else { 1_000 };
        let time = PacketTime::from_nanos(u64::from(secs) * 1_000_000_000 + fraction);
        records.push(Record { time, wire_len, bytes: bytes.to_vec() });
        at += 16 + bytes.len();
    }
    Ok((link_type, records))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        let mut writer = PcapWriter::new(Vec::new(), ETHERNET).unwrap();
        let times = [PacketTime::from_micros(1_700_000_000_000_001), PacketTime::from_micros(1_700_000_001_000_002)];
        writer.write(times[0], b"first").unwrap();
        writer.write(times[1], b"").unwrap();
        assert_eq!(writer.totals(), (2, 5));
        let file = writer.finish().unwrap();
        let (link_type, records) = read(&file).unwrap();
        assert_eq!(link_type, ETHERNET);
        assert_eq!(records.iter().map(|record| record.time).collect::<Vec<_>>(), times);
        assert_eq!(records[0].bytes, b"first");
        assert_eq!(read(&file[..file.len() - 17]).unwrap().1.len(), 0);
        assert!(read(b"no").is_err());
    }
}
