//! What several benches share.
#![allow(dead_code, reason = "each bench is a crate of its own and uses a part")]

use backstop_capture::batch::{Batch, Frame};
use backstop_capture::handler::{Cause, EndReason, FlowView, Interest, StreamEnd, StreamHandler};
use backstop_types::{Direction, Endpoint, PacketTime};

/// Reads everything and does nothing: the cost is that of the layer below.
#[derive(Default)]
pub struct Null {
    /// Bytes delivered; also keeps the deliveries from being optimised away.
    pub bytes: u64,
}

impl StreamHandler for Null {
    type App = ();

    fn data(&mut self, _: &FlowView, (): &mut (), _: Direction, _: u64, bytes: &[u8], _: &Cause) -> Interest {
        self.bytes += bytes.len() as u64;
        Interest::Continue
    }
    fn gap(&mut self, _: &FlowView, (): &mut (), _: Direction, _: u64, _: u64, _: &Cause) -> Interest {
        Interest::Continue
    }
    fn conflict(&mut self, _: &FlowView, (): &mut (), _: Direction, _: u64, _: &[u8], _: &[u8], _: &Cause) {}
    fn end_of_stream(&mut self, _: &FlowView, (): &mut (), _: Direction, _: StreamEnd, _: &Cause) {}
    fn flow_end(&mut self, _: &FlowView, (): (), _: EndReason, _: &Cause) {}
    fn wants_tick(&self, (): &()) -> bool {
        false
    }
    fn tick(&mut self, _: &FlowView, (): &mut (), _: &Cause) -> bool {
        false
    }
    fn is_precious(&self, (): &()) -> bool {
        false
    }
}

/// A batch of Ethernet frames, ten microseconds apart.
pub fn batch<'a>(frames: impl IntoIterator<Item = &'a Vec<u8>>) -> Batch {
    let mut batch = Batch::default();
    for (number, bytes) in (1..).zip(frames) {
        let frame = Frame {
            offset: 0,
            captured_len: 0,
            wire_len: bytes.len() as u32,
            time: PacketTime::from_micros(1_000_000 + number * 10),
            link_type: 1,
            file: 0,
            file_number: number,
            number,
            from_block: false,
        };
        batch.push_frame(frame, bytes);
    }
    batch
}

/// 10.0.`net`.`host`.
pub fn host(net: u8, host: u8, port: u16) -> Endpoint {
    Endpoint::new(core::net::Ipv4Addr::new(10, 0, net, host).into(), port)
}
