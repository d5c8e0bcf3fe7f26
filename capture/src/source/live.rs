//! A live interface through libpcap.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use backstop_types::PacketTime;
use pcap::{Active, Capture, Device};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::bpf::with_vlan;
use super::{Fill, Progress, Source, SourceError, SourceStats};
use crate::batch::{Batch, Frame};

/// How an interface is opened.
#[derive(Clone, Debug)]
pub struct LiveConfig {
    /// Interface name.
    pub interface: String,
    /// Bytes captured of each frame.
    pub snaplen: u32,
    /// Kernel ring, bytes.
    pub ring_bytes: u32,
    /// Promiscuous mode.
    pub promiscuous: bool,
    /// A BPF expression; it also looks behind VLAN tags.
    pub filter: Option<String>,
}

impl Default for LiveConfig {
    fn default() -> Self {
        Self { interface: String::new(), snaplen: 262_144, ring_bytes: 64 * 1024 * 1024, promiscuous: true, filter: None }
    }
}

/// How long libpcap may hold frames back, milliseconds: it goes straight into the latency of an alert.
const TIMEOUT_MS: i32 = 10;

/// How long an idle wire is waited for. Not left to libpcap: with TPACKET_V3 it waits for a block with frames in it, and on a silent
/// wire neither time passes nor does a signal end the wait.
const IDLE: Timespec = Timespec { tv_sec: 0, tv_nsec: 10_000_000 };

/// How long the first frame of a batch waits for the last one.
const MAX_WAIT: Duration = Duration::from_millis(10);

/// An open interface.
pub struct Live {
    interface: String,
    capture: Capture<Active>,
    link_type: i32,
    frames: u64,
    stats: SourceStats,
    /// The last 32-bit counters of libpcap, which wrap.
    last: (u32, u32, u32),
    since_stats: u32,
}

impl Live {
    /// Opens an interface.
    ///
    /// # Errors
    /// It does not exist, may not be opened, or the filter does not compile.
    pub fn open(config: &LiveConfig) -> Result<Self, SourceError> {
        let failed = |error: pcap::Error| {
            let known = interfaces();
            let message = if known.is_empty() || known.contains(&config.interface) {
                error.to_string()
            } else {
                format!("{error} (interfaces here: {})", known.join(", "))
            };
            SourceError::Interface { interface: config.interface.clone(), message }
        };
        let mut capture = Capture::from_device(config.interface.as_str())
            .map_err(failed)?
            .snaplen(i32::try_from(config.snaplen).unwrap_or(i32::MAX))
            .buffer_size(i32::try_from(config.ring_bytes).unwrap_or(i32::MAX))
            .promisc(config.promiscuous)
            .timeout(TIMEOUT_MS)
            .open()
            .and_then(Capture::setnonblock)
            .map_err(failed)?;
        if let Some(expression) = &config.filter {
            let tried = with_vlan(expression).iter().any(|form| capture.filter(form, true).is_ok());
            if !tried {
                let message = capture.filter(expression, true).err().map(|error| error.to_string()).unwrap_or_default();
                return Err(SourceError::Filter { expression: expression.clone(), message });
            }
        }
        let link_type = capture.get_datalink().0;
        Ok(Self {
            interface: config.interface.clone(),
            capture,
            link_type,
            frames: 0,
            stats: SourceStats::default(),
            last: (0, 0, 0),
            since_stats: 0,
        })
    }

    /// Waits for frames; false where none came, or a signal did.
    fn wait(&self) -> bool {
        let mut of = [PollFd::new(&self.capture, PollFlags::IN)];
        poll(&mut of, Some(&IDLE)).is_ok_and(|ready| ready > 0)
    }

    /// Reads the kernel's counters. Often enough that 32 bits cannot wrap twice in between.
    fn update_stats(&mut self) {
        let Ok(now) = self.capture.stats() else { return };
        let (received, dropped, if_dropped) = self.last;
        self.stats.received += u64::from(now.received.wrapping_sub(received));
        self.stats.dropped += u64::from(now.dropped.wrapping_sub(dropped));
        self.stats.if_dropped += u64::from(now.if_dropped.wrapping_sub(if_dropped));
        self.last = (now.received, now.dropped, now.if_dropped);
    }
}

impl Source for Live {
    fn fill(&mut self, batch: &mut Batch) -> Result<Fill, SourceError> {
        let mut quiet = false;
        let mut waited = false;
        while !batch.is_full() {
            match self.capture.next_packet() {
                Ok(packet) => {
                    self.frames += 1;
                    let seconds = u64::try_from(packet.header.ts.tv_sec).unwrap_or(0);
                    let micros = u64::try_from(packet.header.ts.tv_usec).unwrap_or(0);
                    let frame = Frame {
                        offset: 0,
                        captured_len: 0,
                        wire_len: packet.header.len,
                        time: PacketTime::from_micros(seconds.saturating_mul(1_000_000).saturating_add(micros)),
                        link_type: self.link_type,
                        file: 0,
                        file_number: self.frames,
                        number: self.frames,
                        from_block: false,
                    };
                    batch.push_frame(frame, packet.data);
                    // On a wire that is never quiet a batch must not wait until it is full.
                    if batch.frames.first().is_some_and(|first| frame.time.since(first.time) > MAX_WAIT) {
                        break;
                    }
                }
                Err(pcap::Error::TimeoutExpired) => {
                    quiet = waited || !batch.frames.is_empty() || !self.wait();
                    if quiet {
                        break;
                    }
                    waited = true;
                }
                Err(error) => {
                    self.stats.errors += 1;
                    self.update_stats();
                    return Err(SourceError::Interface { interface: self.interface.clone(), message: error.to_string() });
                }
            }
        }
        self.since_stats += 1;
        if self.since_stats >= 100 || quiet {
            self.since_stats = 0;
            self.update_stats();
        }
        Ok(if quiet { Fill::Idle(now()) } else { Fill::Frames })
    }

    fn stats(&self) -> SourceStats {
        self.stats
    }

    fn progress(&self) -> Progress {
        Progress::default()
    }

    fn name(&self, _: u32) -> Option<&str> {
        Some(&self.interface)
    }

    fn take_problems(&mut self) -> Vec<SourceError> {
        Vec::new()
    }
}

/// The interfaces that libpcap knows, for messages.
#[must_use]
pub fn interfaces() -> Vec<String> {
    Device::list().map(|devices| devices.into_iter().map(|device| device.name).collect()).unwrap_or_default()
}

fn now() -> PacketTime {
    let nanos = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos());
    PacketTime::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}
