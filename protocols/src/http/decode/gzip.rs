//! gzip (RFC 1952): members one after the other.

use super::{Deflate, Emit, Stop};

/// Where in a member (RFC 1952 §2.3).
#[derive(Default)]
enum Member {
    /// In the ten bytes of the fixed header.
    #[default]
    Fixed,
    /// In the length of the extra field.
    ExtraLength,
    /// In the extra field.
    Extra(usize),
    /// In a text that ends with NUL.
    Text,
    /// In the checksum of the header.
    HeaderSum,
    Data(Box<Deflate>),
    Trailer,
    /// What follows is no member: padding, which is let pass.
    Behind,
}

/// Members one after the other.
#[derive(Default)]
pub struct Gzip {
    at: Member,
    flags: u8,
    head: Vec<u8>,
    members: u64,
}

impl Gzip {
    /// Decodes the next bytes.
    ///
    /// # Errors
    /// They are not of this coding, or no more output is wanted.
    pub fn push(&mut self, mut input: &[u8], emit: Emit<'_>) -> Result<(), Stop> {
        while !input.is_empty() {
            let used = match &mut self.at {
                Member::Fixed => self.fixed(input)?,
                Member::ExtraLength => {
                    let (used, full) = self.collect(input, 2);
                    if full {
                        let len = self.head.first_chunk().map_or(0, |len| usize::from(u16::from_le_bytes(*len)));
                        self.at = Member::Extra(len);
                        self.head.clear();
                        self.settle();
                    }
                    used
                }
                Member::Extra(left) => {
                    let used = input.len().min(*left);
                    *left -= used;
                    self.settle();
                    used
                }
                Member::Text => match memchr::memchr(0, input) {
                    Some(end) => {
                        self.next_part();
                        end + 1
                    }
                    None => input.len(),
                },
                Member::HeaderSum => {
                    let (used, full) = self.collect(input, 2);
                    if full {
                        self.next_part();
                    }
                    used
                }
                Member::Data(deflate) => {
                    let used = deflate.push(input, emit)?;
                    if deflate.over {
                        self.at = Member::Trailer;
                    }
                    used
                }
                Member::Trailer => {
                    let (used, full) = self.collect(input, 8);
                    if full {
                        self.head.clear();
                        self.members += 1;
                        self.at = Member::Fixed;
                    }
                    used
                }
                Member::Behind => input.len(),
            };
            input = input.get(used..).unwrap_or_default();
        }
        Ok(())
    }

    fn fixed(&mut self, input: &[u8]) -> Result<usize, Stop> {
        let (used, full) = self.collect(input, 10);
        let magic = [0x1f, 0x8b, 8];
        let seen = self.head.len().min(magic.len());
        if self.head.get(..seen) != magic.get(..seen) {
            if self.members == 0 {
                return Err(Stop::Bad);
            }
            self.at = Member::Behind;
        } else if full {
            self.flags = self.head.get(3).copied().unwrap_or(0);
            self.head.clear();
            self.next_part();
        }
        Ok(used)
    }

    /// The extra field may be empty.
    fn settle(&mut self) {
        if matches!(self.at, Member::Extra(0)) {
            self.next_part();
        }
    }

    /// The parts of the header that its flags name, in their order.
    fn next_part(&mut self) {
        self.head.clear();
        let parts = [(4, Member::ExtraLength), (8, Member::Text), (16, Member::Text), (2, Member::HeaderSum)];
        for (flag, part) in parts {
            if self.flags & flag != 0 {
                self.flags &= !flag;
                self.at = part;
                return;
            }
        }
        self.at = Member::Data(Box::new(Deflate::new(false)));
    }

    fn collect(&mut self, input: &[u8], want: usize) -> (usize, bool) {
        let used = (want - self.head.len().min(want)).min(input.len());
        self.head.extend_from_slice(input.get(..used).unwrap_or_default());
        (used, self.head.len() >= want)
    }
}
