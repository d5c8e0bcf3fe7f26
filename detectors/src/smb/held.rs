//! What a flow holds of a file to look at it: its beginning, put together from reads or writes at any offsets.

/// One direction of a file.
#[derive(Debug, Default)]
pub struct Held {
    bytes: Vec<u8>,
    /// Bytes that were moved.
    pub total: u64,
    /// There is more than is held.
    pub cut: bool,
    /// Bytes came since they were looked at.
    dirty: bool,
    /// How many there were.
    looked_at: usize,
}

impl Held {
    /// Takes a piece, as far as it lies below `max`; a hole is zeros. What is held grows by no more than `room`: by how much.
    pub fn put(&mut self, offset: u64, bytes: &[u8], max: usize, room: usize) -> usize {
        self.total = self.total.saturating_add(bytes.len() as u64);
        let max = max.min(self.bytes.len().saturating_add(room));
        let start = usize::try_from(offset).unwrap_or(usize::MAX).min(max);
        let end = start.saturating_add(bytes.len()).min(max);
        self.cut |= end - start < bytes.len();
        let before = self.bytes.len();
        if end > before {
            self.bytes.resize(end, 0);
        }
        if let (Some(into), Some(from)) = (self.bytes.get_mut(start..end), bytes.get(..end - start)) {
            into.copy_from_slice(from);
            self.dirty |= !from.is_empty();
        }
        self.bytes.len() - before
    }

    /// What is held.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Whether it is time to look: first, then whenever there is twice as much. So the work is linear, however small the pieces.
    pub const fn is_due(&self) -> bool {
        self.dirty && (self.looked_at == 0 || self.bytes.len() >= self.looked_at.saturating_mul(2))
    }

    /// Whether anything came since.
    pub const fn is_dirty(&self) -> bool {
        self.dirty
    }

    /// It was looked at.
    pub const fn looked_at(&mut self) {
        self.dirty = false;
        self.looked_at = self.bytes.len();
    }

    /// Lets go of the bytes: how many.
    pub fn free(&mut self) -> usize {
        self.dirty = false;
        std::mem::take(&mut self.bytes).len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_land_where_they_belong_and_nothing_passes_the_caps() {
        let mut held = Held::default();
        assert_eq!(held.put(4, b"efgh", 6, 100), 6);
        assert_eq!(held.put(0, b"abcd", 6, 100), 0);
        assert_eq!((held.bytes(), held.cut, held.total), (b"abcdef".as_slice(), true, 8));
        let mut held = Held::default();
        assert_eq!(held.put(u64::MAX, b"x", 1 << 20, 1 << 20), 1 << 20);
        assert_eq!(held.free(), 1 << 20);
        assert_eq!(held.put(0, b"abcdef", 100, 3), 3);
        assert_eq!(held.bytes(), b"abc");
    }

    #[test]
    fn what_grows_is_looked_at_as_often_as_it_doubles() {
        let mut held = Held::default();
        let mut looks = 0;
        for offset in 0..1_024 {
            held.put(offset, b"x", 4_096, 4_096);
            if held.is_due() {
                held.looked_at();
                looks += 1;
            }
        }
        assert_eq!(looks, 11);
    }
}
