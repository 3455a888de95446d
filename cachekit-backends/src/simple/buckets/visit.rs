use super::{Contents, Spot, Table};

/// The buckets of one part.
const PART: u32 = 64;

impl<C: Contents<K, V>, const K: usize, const V: usize> Table<C, K, V> {
    /// Calls `visit` with the key and the value of each live entry in a part of the table, under the lock, and removes those that
    /// it returns true for. Returns the next part; the first is 0. All parts together have every entry that is there all the time
    /// at least once: a table that has grown in between is visited anew.
    pub(in crate::simple) fn visit(
        &self,
        part: u64,
        mut visit: impl FnMut(&[u64; K], &[u64; V]) -> bool,
        left: &mut C::Left,
    ) -> Option<u64> {
        let mut writer = self.writer.0.lock();
        while !self.move_some(&mut writer, left) {}
        let buckets = writer.growth.buckets();
        let (size, from) = (part >> 32, part & u64::from(u32::MAX));
        let from = if size == u64::from(buckets) { u32::try_from(from).unwrap_or(0) } else { 0 };
        let end = buckets.min(from.saturating_add(PART));
        for index in from..end {
            let place = self.pages.at(index);
            self.tend(&mut writer, place, left);
            for way in place.bucket.taken() {
                if visit(&place.bucket.key(way), &place.bucket.value(way)) {
                    self.erase(&mut writer, Spot { place, way }, left);
                }
            }
        }
        (end < buckets).then(|| u64::from(buckets) << 32 | u64::from(end))
    }

    /// How many entries passed buckets, as the buckets have it, and as it follows from where the entries are.
    #[cfg(test)]
    pub(in crate::simple) fn passed(&self) -> (u32, u32) {
        let writer = self.writer.0.lock();
        let (mut recorded, mut counted) = (0, 0);
        for index in 0..writer.growth.buckets() {
            let place = self.pages.at(index);
            recorded += place.rest.passed();
            for way in place.bucket.taken() {
                let path = writer.growth.path(self.hash_at(Spot { place, way }));
                counted +=
                    u32::try_from(path.take_while(|&passed| passed != index).count()).unwrap_or(u32::MAX);
            }
        }
        (recorded, counted)
    }
}
