//! zstd (RFC 8878): frames one after the other, each block as soon as it is whole.

use std::io::Read;

use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};

use super::{Emit, PIECE, Stop};

/// The largest window in HTTP (RFC 9659 §3).
const MAX_WINDOW: u64 = 8 * 1024 * 1024;

/// Frames one after the other.
#[derive(Default)]
pub struct Zstd {
    decoder: Option<FrameDecoder>,
    /// Input of what is not complete yet: a frame header, or a block.
    input: Vec<u8>,
    /// Bytes of a skippable frame to pass over.
    skip: u64,
}

impl Zstd {
    /// Decodes the next bytes.
    ///
    /// # Errors
    /// They are not of this coding, or no more output is wanted.
    pub fn push(&mut self, mut input: &[u8], emit: Emit<'_>) -> Result<(), Stop> {
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
        decoder.set_max_window_size(MAX_WINDOW);
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
