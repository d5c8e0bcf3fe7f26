//! RTS PDUs: how the channels of ncacn_http are set up and kept ([MS-RPCH] 2.2.3.5, 2.2.4). What is told of them is the cookie
//! that both channels of a virtual connection share, so that their records can be joined.

use super::pdu::{Header, Reading};
use crate::cursor::Short;

/// Commands of one that are looked at.
const MAX_COMMANDS: usize = 8;
const COOKIE: u32 = 3;

/// The virtual connection that a channel is set up for: the first cookie of CONN/A1 and CONN/B1 (2.2.4.2, 2.2.4.5), which
/// stands behind the version.
pub fn connection(header: &Header, pdu: &[u8]) -> Option<u128> {
    // 2.2.3.1: numbers are little-endian.
    let mut reading = Reading { little: true, ..Reading::body(header, pdu) };
    reading.u16().ok()?;
    let count = usize::from(reading.u16().ok()?);
    let mut version = false;
    for _ in 0..count.min(MAX_COMMANDS) {
        let command = reading.u32().ok()?;
        if command == COOKIE {
            return reading.uuid().ok().filter(|_| version);
        }
        version |= command == 6;
        skip(&mut reading, command).ok()??;
    }
    None
}

/// Passes over the body of a command (2.2.3.5.1 and following); `None`: it is not known.
fn skip(reading: &mut Reading<'_>, command: u32) -> Result<Option<()>, Short> {
    let len = match command {
        // FlowControlAck.
        1 => 24,
        // ReceiveWindowSize, ConnectionTimeout, ChannelLifetime, ClientKeepalive, Version, Destination, PingTrafficSentNotify.
        0 | 2 | 4 | 5 | 6 | 13 | 14 => 4,
        // Empty, NegativeANCE, ANCE.
        7 | 9 | 10 => 0,
        // AssociationGroupId.
        12 => 16,
        // Padding.
        8 => reading.u32()? as usize,
        // ClientAddress: of IPv4 or IPv6, and twelve bytes.
        11 => {
            if reading.u32()? == 0 {
                16
            } else {
                28
            }
        }
        _ => return Ok(None),
    };
    reading.cursor.take(len)?;
    Ok(Some(()))
}
