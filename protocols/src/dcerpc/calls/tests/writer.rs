//! Writes stubs.

use crate::dcerpc::calls::Marshalling;

/// The ways in which stubs are marshalled.
pub const HOW: [Marshalling; 4] = [
    Marshalling { little: true, ndr64: false },
    Marshalling { little: false, ndr64: false },
    Marshalling { little: true, ndr64: true },
    Marshalling { little: false, ndr64: true },
];

/// A stub that grows.
pub struct Writer {
    pub bytes: Vec<u8>,
    pub how: Marshalling,
    referent: u64,
}

impl Writer {
    pub const fn new(how: Marshalling) -> Self {
        Self { bytes: Vec::new(), how, referent: 0x0002_0000 }
    }

    pub fn align(&mut self, to: usize) -> &mut Self {
        while !self.bytes.len().is_multiple_of(to) {
            self.bytes.push(0xbf);
        }
        self
    }

    pub fn pad(&mut self) -> &mut Self {
        self.align(if self.how.ndr64 { 8 } else { 4 })
    }

    pub fn raw(&mut self, bytes: &[u8]) -> &mut Self {
        self.bytes.extend_from_slice(bytes);
        self
    }

    fn number<const N: usize>(&mut self, mut little: [u8; N]) -> &mut Self {
        self.align(N);
        if !self.how.little {
            little.reverse();
        }
        self.raw(&little)
    }

    pub fn u8(&mut self, value: u8) -> &mut Self {
        self.raw(&[value])
    }

    pub fn u16(&mut self, value: u16) -> &mut Self {
        self.number(value.to_le_bytes())
    }

    pub fn u32(&mut self, value: u32) -> &mut Self {
        self.number(value.to_le_bytes())
    }

    pub fn u64(&mut self, value: u64) -> &mut Self {
        self.number(value.to_le_bytes())
    }

    pub fn count(&mut self, value: usize) -> &mut Self {
        if self.how.ndr64 { self.u64(value as u64) } else { self.u32(u32::try_from(value).unwrap()) }
    }

    pub fn null(&mut self) -> &mut Self {
        self.count(0)
    }

    pub fn pointer(&mut self) -> &mut Self {
        self.referent += 4;
        let referent = usize::try_from(self.referent).unwrap();
        self.count(referent)
    }

    pub fn uuid(&mut self, uuid: u128) -> &mut Self {
        let [a, b, c, d, e, f, g, h, rest @ ..] = uuid.to_be_bytes();
        self.u32(u32::from_be_bytes([a, b, c, d])).u16(u16::from_be_bytes([e, f])).u16(u16::from_be_bytes([g, h])).raw(&rest)
    }

    pub fn handle(&mut self, id: u8) -> &mut Self {
        self.align(4).raw(&[0; 4]).raw(&[id; 16])
    }

    pub fn units(&mut self, text: &str) -> &mut Self {
        for unit in text.encode_utf16() {
            self.u16(unit);
        }
        self
    }

    pub fn wide(&mut self, text: &str) -> &mut Self {
        let len = text.encode_utf16().count() + 1;
        self.count(len).count(0).count(len).units(text).u16(0)
    }

    pub fn narrow(&mut self, text: &str) -> &mut Self {
        let len = text.len() + 1;
        self.count(len).count(0).count(len).raw(text.as_bytes()).u8(0)
    }

    pub fn unique_wide(&mut self, text: &str) -> &mut Self {
        self.pointer().wide(text)
    }

    pub fn byte_array(&mut self, bytes: &[u8]) -> &mut Self {
        self.count(bytes.len()).raw(bytes)
    }
}
