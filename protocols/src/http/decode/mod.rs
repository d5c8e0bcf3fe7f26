//! Codings of bodies, undone piece by piece (RFC 9110 §8.4.1): gzip (RFC 1952), deflate (RFC 1950, or 1951 alone as many
//! send it), br (RFC 7932), zstd (RFC 8878).
//!
//! A decoder gives its output in pieces of [`PIECE`] bytes and asks after each whether to go on: what a bomb costs is up to the
//! caller. It keeps its own window (32 KiB; br no more than 4 MiB, zstd 8 MiB) and one block of input (zstd, 128 KiB).

mod gzip;
mod zstd;

use brotli_decompressor::{BrotliDecompressStream, BrotliResult, BrotliState, StandardAlloc};
use flate2::{Decompress, FlushDecompress, Status};

use gzip::Gzip;
use zstd::Zstd;

/// Bytes of output at once.
const PIECE: usize = 16 * 1024;
/// The largest window of br that is allocated, as its exponent.
const MAX_BR_WINDOW: u8 = 22;
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
