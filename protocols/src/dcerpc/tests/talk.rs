//! PDUs, built after C706 12.6.4 and [MS-RPCE] 2.2.2, in either order of bytes.

use super::{DOWN, Script, UP};

pub const SVCCTL: u128 = 0x367a_bb81_9844_35f1_ad32_98f0_3800_1003;
pub const NDR: (u128, u32) = (0x8a88_5d04_1ceb_11c9_9fe8_0800_2b10_4860, 2);
pub const NDR64: (u128, u32) = (0x7171_0533_beba_4937_8319_b5db_ef9c_cc36, 1);
/// Features by their bits ([MS-RPCE] 2.2.2.14): keep alive and multiplexing.
pub const FEATURES: (u128, u32) = (0x6cb7_1c2c_9812_4540_0300_0000_0000_0000, 1);

pub const FIRST: u8 = 1;
pub const LAST: u8 = 2;
pub const WHOLE: u8 = FIRST | LAST;
pub const OBJECT: u8 = 0x80;

/// Writes PDUs.
#[derive(Clone, Copy)]
pub struct Talk {
    pub little: bool,
}

/// A verifier: type, level, security context, token.
pub type Auth<'a> = (u8, u8, u32, &'a [u8]);

/// A context: id, interface and version, transfer syntaxes.
pub type Offer<'a> = (u16, u128, (u16, u16), &'a [(u128, u32)]);

impl Talk {
    pub fn u16(self, number: u16) -> [u8; 2] {
        if self.little { number.to_le_bytes() } else { number.to_be_bytes() }
    }

    pub fn u32(self, number: u32) -> [u8; 4] {
        if self.little { number.to_le_bytes() } else { number.to_be_bytes() }
    }

    pub fn uuid(self, uuid: u128) -> Vec<u8> {
        let bytes = uuid.to_be_bytes();
        let (head, tail) = bytes.split_at(8);
        let part = |from: usize, to: usize| {
            let mut part = head[from..to].to_vec();
            if self.little {
                part.reverse();
            }
            part
        };
        [part(0, 4), part(4, 6), part(6, 8), tail.to_vec()].concat()
    }

    pub fn pdu(self, kind: u8, flags: u8, call_id: u32, body: &[u8], auth: Option<Auth<'_>>) -> Vec<u8> {
        let mut body = body.to_vec();
        let mut auth_len = 0;
        if let Some((kind, level, context, token)) = auth {
            // [MS-RPCE] 2.2.2.11: the trailer begins at a multiple of four.
            let pad = (4 - body.len() % 4) % 4;
            body.resize(body.len() + pad, 0xbb);
            body.extend([kind, level, u8::try_from(pad).unwrap(), 0]);
            body.extend(self.u32(context));
            body.extend_from_slice(token);
            auth_len = u16::try_from(token.len()).unwrap();
        }
        let mut out = vec![5, 0, kind, flags, if self.little { 0x10 } else { 0 }, 0, 0, 0];
        out.extend(self.u16(u16::try_from(body.len() + 16).unwrap()));
        out.extend(self.u16(auth_len));
        out.extend(self.u32(call_id));
        out.extend(body);
        out
    }

    /// Contexts: id, interface and version, transfer syntaxes.
    pub fn contexts(self, contexts: &[Offer<'_>]) -> Vec<u8> {
        let mut out = [&self.u16(4280)[..], &self.u16(4280), &self.u32(0)].concat();
        out.extend([u8::try_from(contexts.len()).unwrap(), 0, 0, 0]);
        for (id, interface, (major, minor), syntaxes) in contexts {
            out.extend(self.u16(*id));
            out.extend([u8::try_from(syntaxes.len()).unwrap(), 0]);
            out.extend(self.uuid(*interface));
            out.extend(self.u32(u32::from(*minor) << 16 | u32::from(*major)));
            for (uuid, version) in *syntaxes {
                out.extend(self.uuid(*uuid));
                out.extend(self.u32(*version));
            }
        }
        out
    }

    /// The answer: result, reason and syntax of each context.
    pub fn results(self, address: &str, results: &[(u16, u16, (u128, u32))]) -> Vec<u8> {
        let mut out = [&self.u16(4280)[..], &self.u16(4280), &self.u32(7)].concat();
        out.extend(self.u16(u16::try_from(address.len() + 1).unwrap()));
        out.extend_from_slice(address.as_bytes());
        out.push(0);
        out.resize(out.len().next_multiple_of(4), 0);
        out.extend([u8::try_from(results.len()).unwrap(), 0, 0, 0]);
        for (result, reason, (uuid, version)) in results {
            out.extend(self.u16(*result));
            out.extend(self.u16(*reason));
            out.extend(self.uuid(*uuid));
            out.extend(self.u32(*version));
        }
        out
    }

    /// A fragment of a call.
    pub fn request(self, flags: u8, call_id: u32, (context, opnum): (u16, u16), stub: &[u8], auth: Option<Auth<'_>>) -> Vec<u8> {
        let mut body = [&self.u32(0)[..], &self.u16(context), &self.u16(opnum)].concat();
        if flags & OBJECT != 0 {
            body.extend(self.uuid(0x11));
        }
        body.extend_from_slice(stub);
        self.pdu(0, flags, call_id, &body, auth)
    }

    /// A fragment of its answer.
    pub fn response(self, flags: u8, call_id: u32, context: u16, stub: &[u8]) -> Vec<u8> {
        let body = [&self.u32(0)[..], &self.u16(context), &[0, 0], stub].concat();
        self.pdu(2, flags, call_id, &body, None)
    }

    pub fn fault(self, call_id: u32, status: u32) -> Vec<u8> {
        let body = [&self.u32(0)[..], &self.u16(0), &[0, 0], &self.u32(status), &[0; 4]].concat();
        self.pdu(3, WHOLE, call_id, &body, None)
    }

    /// A bind to svcctl by NDR that is accepted.
    pub fn bound(self) -> Script {
        let bind = self.contexts(&[(0, SVCCTL, (2, 0), &[NDR])]);
        let ack = self.results("135", &[(0, 0, NDR)]);
        vec![(UP, self.pdu(11, WHOLE, 1, &bind, None)), (DOWN, self.pdu(12, WHOLE, 1, &ack, None))]
    }
}

pub const LITTLE: Talk = Talk { little: true };
pub const BIG: Talk = Talk { little: false };
