//! The buckets of a table, in pages that never move, so that readers need no protection from growth.
//!
//! The first pages have 4 buckets, those after them 64, so that a hit finds its bucket with little arithmetic. Further pages
//! are a quarter as large as all buckets up to a power of two: a large table grows by a quarter of that at a time, and little
//! room stands empty.

use std::sync::OnceLock;

use super::super::sync::{AtomicU8, AtomicU32, AtomicU64, Ordering};
use super::Place;
use super::bucket::{Bucket, WAYS};

/// Buckets of the first pages; there are so many of them that the next begin at [`MEDIUM`].
const SMALL: u32 = 4;
/// Buckets of the pages after them, up to the bucket [`NEAR`].
const MEDIUM: u32 = 64;
const NEAR: u32 = 8192;
const SMALL_PAGES: u32 = MEDIUM / SMALL;
const NEAR_PAGES: u32 = SMALL_PAGES + NEAR / MEDIUM - 1;
/// The pages of 2^28 buckets, which are beyond the memory that there is.
const MOST_PAGES: usize = NEAR_PAGES as usize + 4 * (28 - NEAR.ilog2() as usize);

/// The part of a bucket that a hit does not read. Written under the lock of the table's writers.
pub(super) struct Rest {
    /// When each entry expires.
    expiry: [AtomicU64; WAYS],
    /// How many entries found this bucket full and went on to a later one.
    passed: AtomicU32,
    /// A bit for each way whose entry is a newcomer.
    young: AtomicU8,
    /// The way from which the eviction policy goes on here.
    turn: AtomicU8,
}

impl Default for Rest {
    fn default() -> Self {
        Self {
            expiry: std::array::from_fn(|_| AtomicU64::new(0)),
            passed: AtomicU32::new(0),
            young: AtomicU8::new(0),
            turn: AtomicU8::new(0),
        }
    }
}

impl Rest {
    pub(super) fn expiry(&self, way: usize) -> u64 {
        self.expiry[way].load(Ordering::Relaxed)
    }

    pub(super) fn set_expiry(&self, way: usize, expiry: u64) {
        self.expiry[way].store(expiry, Ordering::Relaxed);
    }

    pub(super) fn passed(&self) -> u32 {
        self.passed.load(Ordering::Relaxed)
    }

    pub(super) fn set_passed(&self, passed: u32) {
        self.passed.store(passed, Ordering::Relaxed);
    }

    pub(super) fn turn(&self) -> usize {
        usize::from(self.turn.load(Ordering::Relaxed))
    }

    #[expect(clippy::cast_possible_truncation, reason = "below `WAYS`")]
    pub(super) fn set_turn(&self, way: usize) {
        self.turn.store((way % WAYS) as u8, Ordering::Relaxed);
    }

    pub(super) fn is_young(&self, way: usize) -> bool {
        self.young.load(Ordering::Relaxed) >> way & 1 == 1
    }

    pub(super) fn set_young(&self, way: usize, young: bool) {
        let all = self.young.load(Ordering::Relaxed) & !(1 << way);
        self.young.store(all | u8::from(young) << way, Ordering::Relaxed);
    }
}

/// The instances whose entries a bucket has, in tables of methods.
pub(super) type Instances = [AtomicU32; WAYS];

/// A page with `N` buckets. Of a fixed size, a place in it needs no check.
struct Page<const K: usize, const V: usize, const N: usize> {
    buckets: Box<[Bucket<K, V>; N]>,
    rests: Box<[Rest; N]>,
    instances: Option<Box<[Instances; N]>>,
}

/// A page of any size.
struct LargePage<const K: usize, const V: usize> {
    buckets: Box<[Bucket<K, V>]>,
    rests: Box<[Rest]>,
    instances: Option<Box<[Instances]>>,
}

pub(super) struct Pages<const K: usize, const V: usize> {
    most: usize,
    /// Whether it is a table of methods.
    instances: bool,
    small: [OnceLock<Page<K, V, { SMALL as usize }>>; SMALL_PAGES as usize],
    medium: Box<[OnceLock<Page<K, V, { MEDIUM as usize }>>]>,
    large: Box<[OnceLock<LargePage<K, V>>]>,
}

/// How many buckets so many pages have.
#[expect(clippy::cast_possible_truncation, reason = "at most 2^29, by `MOST_PAGES`")]
pub(super) fn buckets_of(pages: usize) -> u32 {
    let pages = pages as u32;
    if pages <= SMALL_PAGES {
        return pages * SMALL;
    }
    if pages <= NEAR_PAGES {
        return (pages - SMALL_PAGES + 1) * MEDIUM;
    }
    let quarters = pages - NEAR_PAGES;
    (NEAR / 4 * (4 + quarters % 4)) << (quarters / 4)
}

/// The page of a bucket, and its place there.
#[inline]
fn locate(bucket: u32) -> (usize, usize) {
    let (page, at) = if bucket >= NEAR {
        let quarter = bucket.ilog2() - 2;
        let doublings = quarter - (NEAR.ilog2() - 2);
        (NEAR_PAGES + doublings * 4 + (bucket >> quarter) - 4, bucket & ((1 << quarter) - 1))
    } else if bucket >= MEDIUM {
        (SMALL_PAGES - 1 + bucket / MEDIUM, bucket % MEDIUM)
    } else {
        (bucket / SMALL, bucket % SMALL)
    };
    (page as usize, at as usize)
}

/// How many pages have so many buckets at least.
pub(super) fn pages_for(buckets: u32) -> usize {
    buckets.checked_sub(1).map_or(0, |last| locate(last).0 + 1)
}

impl<const K: usize, const V: usize> LargePage<K, V> {
    // Made on the heap: it is more than a small stack has room for.
    fn new(buckets: usize, instances: bool) -> Self {
        let all_of = |_| std::array::from_fn(|_| AtomicU32::new(0));
        Self {
            buckets: (0..buckets).map(|_| Bucket::default()).collect(),
            rests: (0..buckets).map(|_| Rest::default()).collect(),
            instances: instances.then(|| (0..buckets).map(all_of).collect()),
        }
    }

    fn get(&self, index: u32, at: usize) -> Option<Place<'_, K, V>> {
        let instances = self.instances.as_deref().and_then(|all| all.get(at));
        Some(Place { index, bucket: self.buckets.get(at)?, rest: self.rests.get(at)?, instances })
    }

    fn sized<const N: usize>(self) -> Option<Page<K, V, N>> {
        let Self { buckets, rests, instances } = self;
        let instances = instances.map(TryInto::try_into).transpose().ok()?;
        Some(Page { buckets: buckets.try_into().ok()?, rests: rests.try_into().ok()?, instances })
    }
}

impl<const K: usize, const V: usize, const N: usize> Page<K, V, N> {
    #[inline]
    fn get(&self, index: u32) -> Place<'_, K, V> {
        let at = index as usize % N;
        let instances = self.instances.as_ref().map(|all| &all[at]);
        Place { index, bucket: &self.buckets[at], rest: &self.rests[at], instances }
    }
}

/// Makes a page, unless another thread has installed one first.
fn make<const K: usize, const V: usize, const N: usize>(page: &OnceLock<Page<K, V, N>>, instances: bool) {
    if page.get().is_none()
        && let Some(made) = LargePage::new(N, instances).sized()
    {
        let _ = page.set(made);
    }
}

fn unmade<T>(pages: usize) -> Box<[OnceLock<T>]> {
    (0..pages).map(|_| OnceLock::new()).collect()
}

impl<const K: usize, const V: usize> Pages<K, V> {
    /// Room for so many buckets; none is made yet.
    pub(super) fn new(most: Option<u32>, instances: bool) -> Self {
        let most = most.map_or(MOST_PAGES, |most| pages_for(most).min(MOST_PAGES));
        let (small, near) = (SMALL_PAGES as usize, NEAR_PAGES as usize);
        Self {
            most,
            instances,
            small: std::array::from_fn(|_| OnceLock::new()),
            medium: unmade(most.clamp(small, near) - small),
            large: unmade(most.max(near) - near),
        }
    }

    /// A bucket, if its page was made.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "the way of every hit")]
    pub(super) fn bucket(&self, index: u32) -> Option<&Bucket<K, V>> {
        if index < MEDIUM {
            let page = self.small[(index / SMALL) as usize].get()?;
            return Some(&page.buckets[(index % SMALL) as usize]);
        }
        if index < NEAR {
            let page = self.medium.get((index / MEDIUM - 1) as usize)?.get()?;
            return Some(&page.buckets[(index % MEDIUM) as usize]);
        }
        let (page, at) = locate(index);
        let bucket = self.large.get(page - NEAR_PAGES as usize)?.get()?.buckets.get(at)?;
        bucket.load_early();
        Some(bucket)
    }

    /// A bucket with what stands beside it, if its page was made.
    #[inline]
    pub(super) fn get(&self, index: u32) -> Option<Place<'_, K, V>> {
        if index < MEDIUM {
            return Some(self.small[(index / SMALL) as usize].get()?.get(index));
        }
        if index < NEAR {
            return Some(self.medium.get((index / MEDIUM - 1) as usize)?.get()?.get(index));
        }
        let (page, at) = locate(index);
        self.large.get(page - NEAR_PAGES as usize)?.get()?.get(index, at)
    }

    /// A bucket that is known to exist. Short for those of most tables, because a miss asks for four.
    #[inline]
    pub(super) fn at(&self, index: u32) -> Place<'_, K, V> {
        let medium = (index / MEDIUM).checked_sub(1).and_then(|page| self.medium.get(page as usize)?.get());
        medium.map_or_else(|| self.of_any_page(index), |page| page.get(index))
    }

    #[inline(never)]
    fn of_any_page(&self, index: u32) -> Place<'_, K, V> {
        self.get(index).unwrap_or_else(|| unreachable!("a bucket in use has a page"))
    }

    /// As many pages as so many buckets need, or as there can be.
    pub(super) fn pages_for(&self, buckets: u32) -> usize {
        pages_for(buckets).min(self.most)
    }

    /// As many whole pages as there are in so many buckets.
    pub(super) fn pages_within(&self, buckets: u32) -> usize {
        let pages = self.pages_for(buckets);
        pages - usize::from(buckets_of(pages) > buckets)
    }

    /// Makes pages.
    pub(super) fn make(&self, from: usize, to: usize) {
        let (small, near) = (SMALL_PAGES as usize, NEAR_PAGES as usize);
        for page in from..to {
            if page < small {
                make(&self.small[page], self.instances);
            } else if page < near {
                self.medium.get(page - small).into_iter().for_each(|page| make(page, self.instances));
            } else if let Some(large) = self.large.get(page - near) {
                let buckets = buckets_of(page + 1) - buckets_of(page);
                large.get_or_init(|| LargePage::new(buckets as usize, self.instances));
            }
        }
    }

    /// The memory of so many buckets, in bytes.
    pub(super) fn bytes(&self, buckets: u32) -> usize {
        let instances = if self.instances { size_of::<Instances>() } else { 0 };
        let each = size_of::<Bucket<K, V>>() + size_of::<Rest>() + instances;
        each * buckets as usize + size_of_val(&*self.medium) + size_of_val(&*self.large)
    }
}

impl<const K: usize, const V: usize> Place<'_, K, V> {
    /// The instance that an entry is of; 0 in tables without.
    pub(super) fn instance(self, way: usize) -> u32 {
        self.instances.map_or(0, |all| all[way].load(Ordering::Relaxed))
    }

    pub(super) fn set_instance(self, way: usize, instance: u32) {
        if let Some(all) = self.instances {
            all[way].store(instance, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_bucket_has_its_own_place() {
        let mut next = 0;
        for page in 0..NEAR_PAGES as usize + 13 {
            assert_eq!(buckets_of(page), next, "page {page}");
            next = buckets_of(page + 1);
            for (at, bucket) in (buckets_of(page)..next).enumerate() {
                assert_eq!(locate(bucket), (page, at), "bucket {bucket}");
            }
            assert_eq!((pages_for(next), pages_for(next - 1)), (page + 1, page + 1));
        }
        assert_eq!(locate(buckets_of(MOST_PAGES) - 1).0, MOST_PAGES - 1);
        assert_eq!(buckets_of(MOST_PAGES), 1 << 28);
    }
}
