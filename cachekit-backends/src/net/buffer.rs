/// The room of the first read.
const STEP: usize = 16 << 10;
/// The room that an idle connection keeps, and the most that a read has beside what has arrived.
const KEEP: usize = 64 << 10;

/// Bytes that arrived and are not decoded yet. Grows with the bytes that arrive, never by an announced length.
#[derive(Debug, Default)]
pub(crate) struct Buffer {
    /// All of it is initialised; `start..end` has arrived.
    data: Vec<u8>,
    start: usize,
    end: usize,
    /// The least room of the next read: twice that of one that was filled, because each read is a system call.
    step: usize,
}

impl Buffer {
    pub(crate) fn unread(&self) -> &[u8] {
        &self.data[self.start..self.end]
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.start == self.end
    }

    /// Removes the first `n` unread bytes.
    pub(crate) fn consume(&mut self, n: usize) {
        self.start = (self.start + n).min(self.end);
        if self.is_empty() {
            (self.start, self.end) = (0, 0);
        }
    }

    /// Room for more bytes: a step at least, as many as there are already at most beside it.
    pub(crate) fn room(&mut self) -> &mut [u8] {
        let step = self.step.max(STEP);
        if self.data.len() - self.end < step {
            self.data.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
            if self.data.len() - self.end < step {
                // The allocator has zeros, which `resize` would write.
                let mut grown = vec![0; self.end + self.end.max(step)];
                grown[..self.end].copy_from_slice(&self.data[..self.end]);
                self.data = grown;
            }
        }
        &mut self.data[self.end..]
    }

    /// Takes `n` bytes that were written into the [room](Self::room).
    pub(crate) fn filled(&mut self, n: usize) {
        self.end = (self.end + n).min(self.data.len());
        if self.end == self.data.len() {
            self.step = (2 * self.step.max(STEP)).min(KEEP);
        }
    }

    /// Frees the room of a large value.
    pub(crate) fn shrink(&mut self) {
        if self.is_empty() && self.data.len() > KEEP {
            self.data = Vec::new();
        }
    }

    #[cfg(test)]
    pub(crate) fn push(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let room = self.room();
            let n = room.len().min(bytes.len());
            room[..n].copy_from_slice(&bytes[..n]);
            self.filled(n);
            bytes = &bytes[n..];
        }
    }

    #[cfg(test)]
    pub(crate) fn allocated(&self) -> usize {
        self.data.len()
    }
}
