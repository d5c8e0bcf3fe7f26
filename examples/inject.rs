//! Sends the frames of a capture on an interface: for `scripts/live-test.sh`.
//!
//!   inject CAPTURE IFACE
//!
//! About 1,000 frames a second, so that nothing is lost on the way and the sensor is what is measured.

use std::process::ExitCode;
use std::time::Duration;

use pcap::{Capture, Linktype};

const PAUSE: Duration = Duration::from_millis(1);

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let (Some(capture), Some(interface), None) = (arguments.next(), arguments.next(), arguments.next()) else {
        eprintln!("usage: inject CAPTURE IFACE");
        return ExitCode::from(2);
    };
    match inject(&capture, &interface) {
        Ok((sent, 0)) => {
            println!("{sent} frames sent");
            ExitCode::SUCCESS
        }
        Ok((sent, cut)) => {
            eprintln!("{sent} frames sent, {cut} left out: the capture holds only their beginning");
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("{capture} on {interface}: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Frames sent, and frames that were not captured whole.
fn inject(capture: &str, interface: &str) -> Result<(u64, u64), pcap::Error> {
    let mut source = Capture::from_file(capture)?;
    if source.get_datalink() != Linktype::ETHERNET {
        return Err(pcap::Error::PcapError("not a capture of Ethernet frames".to_owned()));
    }
    let mut wire = Capture::from_device(interface)?.open()?;
    let (mut sent, mut cut) = (0, 0);
    loop {
        let frame = match source.next_packet() {
            Ok(frame) => frame,
            Err(pcap::Error::NoMorePackets) => return Ok((sent, cut)),
            Err(error) => return Err(error),
        };
        if frame.header.caplen < frame.header.len {
            cut += 1;
            continue;
        }
        wire.sendpacket(frame.data)?;
        sent += 1;
        std::thread::sleep(PAUSE);
    }
}
