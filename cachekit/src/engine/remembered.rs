//! The versions that entries depended on when they were last seen, so that one look brings an entry and those.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;

/// The most keys of versions that are remembered, of all entries together. Beyond, entries cost a second look again.
const MOST: usize = 1 << 16;
/// The most of one entry. One with more costs a second look.
const MOST_OF_ONE: usize = 256;

/// By the digest of an entry's key, the keys of versions. Two entries of one digest only cost each other the second look.
#[derive(Default)]
pub(crate) struct Remembered(Mutex<Lists>);

#[derive(Default)]
struct Lists {
    all: HashMap<u64, Arc<[String]>>,
    keys: usize,
}

impl Remembered {
    pub(crate) fn get(&self, digest: u64) -> Option<Arc<[String]>> {
        self.0.lock().all.get(&digest).cloned()
    }

    /// Remembers the keys of an entry, in place of those before; none are forgotten.
    pub(crate) fn put(&self, digest: u64, keys: Vec<String>) {
        let mut lists = self.0.lock();
        let before = lists.all.remove(&digest).map_or(0, |keys| keys.len());
        lists.keys -= before;
        if keys.is_empty() || keys.len() > MOST_OF_ONE {
            return;
        }
        if lists.keys + keys.len() > MOST {
            *lists = Lists::default();
        }
        lists.keys += keys.len();
        lists.all.insert(digest, keys.into());
    }
}

#[cfg(test)]
mod tests {
    use super::{MOST, MOST_OF_ONE, Remembered};

    fn keys(count: usize) -> Vec<String> {
        (0..count).map(|n| n.to_string()).collect()
    }

    #[test]
    fn the_last_list_of_an_entry_is_remembered_and_their_number_is_bounded() {
        let remembered = Remembered::default();
        remembered.put(1, keys(2));
        remembered.put(1, keys(3));
        assert_eq!(remembered.get(1).unwrap().len(), 3);
        assert_eq!(remembered.get(2), None);
        for nothing in [0, MOST_OF_ONE + 1] {
            remembered.put(1, keys(3));
            remembered.put(1, keys(nothing));
            assert_eq!(remembered.get(1), None, "{nothing}");
        }
        for digest in 0..MOST as u64 {
            remembered.put(digest, keys(MOST_OF_ONE));
            assert!(remembered.get(digest).is_some());
            let lists = remembered.0.lock();
            let held: usize = lists.all.values().map(|keys| keys.len()).sum();
            assert!(held <= MOST && held == lists.keys);
            if digest > 600 {
                break;
            }
        }
    }
}
