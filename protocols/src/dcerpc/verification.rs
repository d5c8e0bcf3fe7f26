//! The verification trailer behind the arguments of a request ([MS-RPCE] 2.2.2.13): the client says once more, under the signature,
//! what it binds to. Of use where the bind was not seen. Arguments are not cut there: a server reads them from the front, and who
//! sends may write what looks like a trailer.

use super::bind::Syntax;
use super::pdu::Reading;
use crate::cursor::Cursor;

const SIGNATURE: &[u8] = &[0x8a, 0xe3, 0x13, 0x71, 0x02, 0xf4, 0x36, 0x71];
/// A trailer is not longer: a bit mask, a context, a header.
const MAX_LEN: usize = 128;
/// Commands of one.
const MAX_COMMANDS: usize = 8;
/// SEC_VT_COMMAND_PCONTEXT, and the bit of the last command.
const CONTEXT: u16 = 2;
const END: u16 = 0x4000;

/// The interface and syntax of a call as its trailer says them.
pub fn context(stub: &[u8]) -> Option<(u128, (u16, u16), Syntax)> {
    // It begins at a multiple of four.
    let from = stub.len().saturating_sub(MAX_LEN).next_multiple_of(4);
    let tail = stub.get(from..)?;
    let at = tail.chunks(4).enumerate().map(|(number, _)| number * 4).rev();
    let at = at.into_iter().find(|at| tail.get(*at..).is_some_and(|rest| rest.starts_with(SIGNATURE)))?;
    // All of it is little-endian, whatever the header says.
    let mut reading = Reading { cursor: Cursor::new(tail.get(at + SIGNATURE.len()..)?), little: true };
    for _ in 0..MAX_COMMANDS {
        let (command, len) = (reading.u16().ok()?, reading.u16().ok()?);
        let data = reading.cursor.take(usize::from(len)).ok()?;
        if command & 0x3fff == CONTEXT {
            let mut reading = Reading { cursor: Cursor::new(data), little: true };
            let (interface, version) = (reading.uuid().ok()?, reading.version().ok()?);
            return Some((interface, version, Syntax::read(&mut reading).ok()?));
        }
        if command & END != 0 {
            return None;
        }
    }
    None
}
