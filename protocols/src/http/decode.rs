//! Codings of bodies, undone piece by piece (RFC 9110 §8.4.1): gzip (RFC 1952), deflate (RFC 1950, or 1951 alone as many
//! send it), br (RFC 7932), zstd (RFC 8878).
//!
//! A decoder gives its output in pieces of [`PIECE`] bytes and asks after each whether to go on: what a bomb costs is up to the
//! caller. It keeps its own window (32 KiB; br no more than 4 MiB, zstd 8 MiB) and one block of input (zstd, 128 KiB).

use std::io::Read;

use brotli_decompressor::{BrotliDecompressStream, BrotliResult, BrotliState, StandardAlloc};
use flate2::{Decompress, FlushDecompress, Status};
use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};

/// Bytes of output at once.
const PIECE: usize = 16 * 1024;
/// The largest window of br that is allocated, as its exponent.
const MAX_BR_WINDOW: u8 = 22;
/// The largest window of zstd in HTTP (RFC 9659 §3).
const MAX_ZSTD_WINDOW: u64 = 8 * 1024 * 1024;
/// Codings of one body that are undone.
pub const MAX_CODINGS: usize = 3;

/// Takes output; false: no more of it.
pub type Emit<'a> = &'a mut dyn FnMut(&[u8]) -> bool;

/// Why decoding ended before its input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// The input is not of this coding.
    Bad,
    /// A cap, of the caller or of memory.
    Limit,
}

type Brotli = BrotliState<StandardAlloc, StandardAlloc, StandardAlloc>;

/// One coding.
pub struct Decoder(Kind);

enum Kind {
    Gzip(Gzip),
    Deflate(Option<Deflate>),
    Br { state: Option<Box<Brotli>>, over: bool },
    Zstd(Box<Zstd>),
}

/// RFC 1951, and whether its stream is over.
struct Deflate {
    state: Decompress,
    over: bool,
}

impl Decoder {
    /// By the name of the coding in lower case.
    pub fn new(name: &str) -> Option<(Self, &'static str)> {
        Some(match name {
            "gzip" | "x-gzip" => (Self(Kind::Gzip(Gzip::default())), "gzip"),
            "deflate" => (Self(Kind::Deflate(None)), "deflate"),
            "br" => (Self(Kind::Br { state: None, over: false }), "br"),
            "zstd" => (Self(Kind::Zstd(Box::default())), "zstd"),
            _ => return None,
        })
    }

    /// Decodes the next bytes.
    ///
    /// # Errors
    /// It cannot go on.
    pub fn push(&mut self, input: &[u8], emit: Emit<'_>) -> Result<(), Stop> {
        match &mut self.0 {
            Kind::Gzip(gzip) => gzip.push(input, emit),
            Kind::Deflate(state) => {
                let Some(&first) = input.first() else { return Ok(()) };
                // RFC 1950 §2.2: method 8 and a window of no more than 32 KiB; else it is RFC 1951 alone.
                let zlib = first & 0x0f == 8 && first >> 4 <= 7;
                state.get_or_insert_with(|| Deflate::new(zlib)).push(input, emit).map(|_| ())
            }
            Kind::Br { state, over } => brotli(state, over, input, emit),
            Kind::Zstd(zstd) => zstd.push(input, emit),
        }
    }
}

/// Decodes through several codings, the first of them outermost.
///
/// # Errors
/// One of them cannot go on.
pub fn push_all(decoders: &mut [Decoder], input: &[u8], emit: Emit<'_>) -> Result<(), Stop> {
    let Some((outer, inner)) = decoders.split_first_mut() else {
        return if emit(input) { Ok(()) } else { Err(Stop::Limit) };
    };
    let mut result = Ok(());
    let outcome = outer.push(input, &mut |bytes| {
        result = push_all(inner, bytes, emit);
        result.is_ok()
    });
    result.and(outcome)
}

impl Deflate {
    fn new(zlib: bool) -> Self {
        Self { state: Decompress::new(zlib), over: false }
    }

    /// Returns how much of the input was used; less than all when the stream is over.
    fn push(&mut self, input: &[u8], emit: Emit<'_>) -> Result<usize, Stop> {
        let mut used = 0;
        let mut piece = vec![0; PIECE.min(input.len().saturating_mul(8).max(512))];
        while !self.over {
            let (before_in, before_out) = (self.state.total_in(), self.state.total_out());
            let rest = input.get(used..).unwrap_or_default();
            let status = self.state.decompress(rest, &mut piece, FlushDecompress::None).map_err(|_| Stop::Bad)?;
            let read = usize::try_from(self.state.total_in() - before_in).unwrap_or(0);
            let written = usize::try_from(self.state.total_out() - before_out).unwrap_or(0);
            used += read;
            self.over = status == Status::StreamEnd;
            if written > 0 && !emit(piece.get(..written).unwrap_or_default()) {
                return Err(Stop::Limit);
            }
            if !self.over && (read, written) == (0, 0) || (used == input.len() && written < piece.len()) {
                break;
            }
        }
        Ok(used)
    }
}

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
struct Gzip {
    at: Member,
    flags: u8,
    head: Vec<u8>,
    members: u64,
}

impl Gzip {
    fn push(&mut self, mut input: &[u8], emit: Emit<'_>) -> Result<(), Stop> {
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

/// The window that a stream of br asks for, as its exponent (RFC 7932 §9.1); 0: not a valid one.
const fn br_window(first: u8) -> u8 {
    if first & 1 == 0 {
        return 16;
    }
    match first >> 1 & 7 {
        0 => match first >> 4 & 7 {
            0 => 17,
            1 => 0,
            bits => 8 + bits,
        },
        bits => 17 + bits,
    }
}

fn brotli(state: &mut Option<Box<Brotli>>, over: &mut bool, input: &[u8], emit: Emit<'_>) -> Result<(), Stop> {
    let Some(&first) = input.first() else { return Ok(()) };
    if *over {
        return Ok(());
    }
    if state.is_none() && br_window(first) > MAX_BR_WINDOW {
        return Err(Stop::Limit);
    }
    let state = state.get_or_insert_with(|| {
        let alloc = StandardAlloc::default;
        Box::new(BrotliState::<_, _, StandardAlloc>::new_strict(alloc(), alloc(), alloc()))
    });
    let mut piece = vec![0; PIECE];
    let (mut left, mut at, mut total) = (input.len(), 0, 0);
    loop {
        let (mut room, mut written) = (piece.len(), 0);
        let result =
            BrotliDecompressStream(&mut left, &mut at, input, &mut room, &mut written, &mut piece, &mut total, &mut **state);
        if written > 0 && !emit(piece.get(..written).unwrap_or_default()) {
            return Err(Stop::Limit);
        }
        match result {
            BrotliResult::NeedsMoreOutput if written > 0 => {}
            BrotliResult::NeedsMoreInput => return Ok(()),
            BrotliResult::ResultSuccess => {
                *over = true;
                return Ok(());
            }
            BrotliResult::NeedsMoreOutput | BrotliResult::ResultFailure => return Err(Stop::Bad),
        }
    }
}

/// Frames one after the other.
#[derive(Default)]
struct Zstd {
    decoder: Option<FrameDecoder>,
    /// Input of what is not complete yet: a frame header, or a block.
    input: Vec<u8>,
    /// Bytes of a skippable frame to pass over.
    skip: u64,
}

impl Zstd {
    fn push(&mut self, mut input: &[u8], emit: Emit<'_>) -> Result<(), Stop> {
        loop {
            let skipped = usize::try_from(self.skip).unwrap_or(usize::MAX).min(input.len());
            self.skip -= skipped as u64;
            input = input.get(skipped..).unwrap_or_default();
            if self.skip > 0 {
                return Ok(());
            }
            let need = if self.decoder.is_some() { self.block_len() } else { self.header_len()? };
            let missing = need.saturating_sub(self.input.len());
            let here = missing.min(input.len());
            self.input.extend_from_slice(input.get(..here).unwrap_or_default());
            input = input.get(here..).unwrap_or_default();
            if here < missing {
                return Ok(());
            }
            // The length itself may have become known just now.
            let known = if self.decoder.is_some() { self.block_len() } else { self.header_len()? };
            if known > self.input.len() {
                continue;
            }
            if self.decoder.is_some() { self.block(emit)? } else { self.header()? }
        }
    }

    /// RFC 8878 §3.1.1, as far as it is known.
    fn header_len(&self) -> Result<usize, Stop> {
        let Some(magic) = self.input.first_chunk().map(|magic| u32::from_le_bytes(*magic)) else { return Ok(4) };
        if magic & 0xffff_fff0 == 0x184d_2a50 {
            return Ok(8);
        }
        if magic != 0xfd2f_b528 {
            return Err(Stop::Bad);
        }
        let Some(&descriptor) = self.input.get(4) else { return Ok(5) };
        let single = descriptor & 0x20 != 0;
        let dictionary = [0, 1, 2, 4].get(usize::from(descriptor & 3)).copied().unwrap_or(0);
        let size = match descriptor >> 6 {
            0 => usize::from(single),
            bits => 1 << bits,
        };
        Ok(5 + usize::from(!single) + dictionary + size)
    }

    fn header(&mut self) -> Result<(), Stop> {
        let header = std::mem::take(&mut self.input);
        if let (8, Some(&[_, 0x2a, 0x4d, 0x18, a, b, c, d])) = (header.len(), header.first_chunk::<8>()) {
            self.skip = u64::from(u32::from_le_bytes([a, b, c, d]));
            return Ok(());
        }
        let mut decoder = FrameDecoder::new();
        decoder.set_max_window_size(MAX_ZSTD_WINDOW);
        decoder.init(header.as_slice()).map_err(|_| Stop::Bad)?;
        self.decoder = Some(decoder);
        Ok(())
    }

    /// RFC 8878 §3.1.1.2. The last block is taken with the checksum behind it, if the frame has one.
    fn block_len(&self) -> usize {
        let Some(&[a, b, c]) = self.input.first_chunk::<3>() else { return 3 };
        let header = u32::from_le_bytes([a, b, c, 0]);
        let len = if header >> 1 & 3 == 1 { 1 } else { (header >> 3) as usize };
        3 + len.min(128 * 1024)
    }

    fn block(&mut self, emit: Emit<'_>) -> Result<(), Stop> {
        let block = std::mem::take(&mut self.input);
        let Some(decoder) = &mut self.decoder else { return Ok(()) };
        let last = block.first().is_some_and(|first| first & 1 != 0);
        // A checksum is not waited for: whether it is right is of no interest, so four bytes stand in for it.
        decoder
            .decode_blocks(block.as_slice().chain([0; 4].as_slice()), BlockDecodingStrategy::UptoBlocks(1))
            .map_err(|_| Stop::Bad)?;
        let mut piece = vec![0; PIECE];
        while decoder.can_collect() > 0 {
            let written = decoder.read(&mut piece).map_err(|_| Stop::Bad)?;
            if written == 0 {
                break;
            }
            if !emit(piece.get(..written).unwrap_or_default()) {
                return Err(Stop::Limit);
            }
        }
        if last {
            self.finish();
        }
        Ok(())
    }

    /// The frame is over; its checksum is passed over.
    fn finish(&mut self) {
        let summed = self.decoder.take().is_some_and(|decoder| decoder.get_checksum_from_data().is_some());
        self.skip = if summed { 4 } else { 0 };
    }
}
