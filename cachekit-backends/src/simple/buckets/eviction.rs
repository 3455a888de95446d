//! Which entry goes when there is no room: S3-FIFO (Yang et al., SOSP 2023), its main queue as a clock over the buckets.
//!
//! A newcomer stands in a short queue. At its end it leaves, unless it was used meanwhile: then it is one of the others,
//! around which a hand goes that evicts the first entry without uses and takes one use from each that it passes. A key
//! that comes back soon after its eviction skips the queue. A use is a mark beside the entry, so that a hit takes no lock
//! and moves nothing; scans pass through the short queue and leave the others alone.

use std::collections::VecDeque;

use super::super::ghosts::Ghosts;
use super::bucket::tag;
use super::{Contents, Place, Spot, Table, Writer};

/// The share of a table that newcomers have: one in so many. `quick_cache` gives them as much.
const YOUNG_SHARE: usize = 33;
/// The most newcomers, so that their queue stays small.
const MOST_YOUNG: usize = 512;
/// The most entries that the hand passes for one eviction, so that a store has a bound.
const MOST_STEPS: usize = 64;
/// One victim in so many may be an idle entry of another table.
const GLANCE: u8 = 8;
/// The hand takes at most one entry in so many of a bucket at a visit, the oldest first. If it took all, the buckets before it would be
/// twice as full as the average while those behind it are empty, and entries would stand far from their home.
const SHARE_OF_A_VISIT: usize = 3;
/// The most that it passes in search of an idle one.
const IDLE_STEPS: usize = 16;

#[derive(Default)]
pub(super) struct Eviction {
    /// The newcomers, the oldest first, and some that have left since.
    young: VecDeque<Newcomer>,
    hand: Hand,
    ghosts: Ghosts,
    pub(super) evictions: u64,
    /// How many entries were taken out after their time.
    pub(super) expirations: u64,
    since_glance: u8,
}

/// An entry that came in: its hash, and the place that it was put at. Growth may have moved it.
#[derive(Clone, Copy)]
struct Newcomer {
    hash: u64,
    bucket: u32,
    way: u8,
}

impl Newcomer {
    #[expect(clippy::cast_possible_truncation, reason = "below `WAYS`")]
    fn at<const K: usize, const V: usize>(hash: u64, spot: Spot<'_, K, V>) -> Self {
        Self { hash, bucket: spot.place.index, way: spot.way as u8 }
    }
}

/// The result of a search for a victim among the newcomers.
enum Young<'t, const K: usize, const V: usize> {
    /// With its hash.
    Victim(Spot<'t, K, V>, u64),
    /// None; the search met what was over, and took that out.
    Tended,
    None,
}

impl Eviction {
    /// Whether the next victim is to be looked for in all tables of the cache, so that none keeps for good what it doesn't
    /// use.
    pub(super) fn is_time_to_glance(&mut self) -> bool {
        self.since_glance = (self.since_glance + 1) % GLANCE;
        self.since_glance == 0
    }
}

fn most_young(entries: usize) -> usize {
    (entries / YOUNG_SHARE).clamp(1, MOST_YOUNG)
}

impl<C: Contents<K, V>, const K: usize, const V: usize> Table<C, K, V> {
    /// An entry has come into a table of at least one.
    #[inline]
    pub(super) fn entered(&self, writer: &mut Writer<C::Exact, K>, hash: u64, spot: Spot<'_, K, V>) {
        spot.set_uses(0);
        if writer.eviction.ghosts.take(hash) {
            spot.set_young(false);
            return;
        }
        let most = most_young(writer.len);
        // A table that is not full yet keeps its newcomers.
        while writer.eviction.young.len() > most
            && let Some(oldest) = writer.eviction.young.pop_front()
        {
            self.grow_up(writer, oldest);
        }
        spot.set_young(true);
        writer.eviction.young.push_back(Newcomer::at(hash, spot));
    }

    /// The entry that is to go, with its hash. None also if the search met what was over, and took that out.
    #[inline]
    pub(super) fn victim(
        &self,
        writer: &mut Writer<C::Exact, K>,
        left: &mut C::Left,
    ) -> Option<(Spot<'_, K, V>, u64)> {
        let (spot, hash) = match self.victim_of_young(writer, left) {
            Young::Victim(spot, hash) => (spot, hash),
            Young::Tended => return None,
            Young::None => {
                let spot = self.victim_of_hand(writer, MOST_STEPS, left)?;
                (spot, self.hash_at(spot))
            }
        };
        Some(Self::evicted(writer, spot, hash))
    }

    #[inline]
    fn evicted<'t>(
        writer: &mut Writer<C::Exact, K>,
        spot: Spot<'t, K, V>,
        hash: u64,
    ) -> (Spot<'t, K, V>, u64) {
        writer.eviction.ghosts.put(hash, writer.len);
        writer.eviction.evictions += 1;
        (spot, hash)
    }

    /// An entry that is not in use, if the hand meets one soon. None also if it met what was over, and took that out.
    pub(super) fn idle(
        &self,
        writer: &mut Writer<C::Exact, K>,
        left: &mut C::Left,
    ) -> Option<(Spot<'_, K, V>, u64)> {
        let spot = self.victim_of_hand(writer, IDLE_STEPS, left)?;
        (spot.uses() == 0).then(|| Self::evicted(writer, spot, self.hash_at(spot)))
    }

    #[inline]
    fn victim_of_young(&self, writer: &mut Writer<C::Exact, K>, left: &mut C::Left) -> Young<'_, K, V> {
        let most = most_young(writer.len);
        // Where all are newcomers, the hand would find nothing.
        while writer.eviction.young.len() > most || writer.eviction.young.len() >= writer.len {
            let Some(oldest) = writer.eviction.young.pop_front() else { break };
            let Some(spot) = self.find_young(writer, oldest) else { continue };
            if self.tend_after_deletions(writer, spot.place, left) {
                // It may have stayed.
                writer.eviction.young.push_front(oldest);
                return Young::Tended;
            }
            if spot.uses() == 0 {
                return Young::Victim(spot, oldest.hash);
            }
            spot.set_young(false);
            spot.set_uses(0);
        }
        Young::None
    }

    fn grow_up(&self, writer: &Writer<C::Exact, K>, newcomer: Newcomer) {
        if let Some(spot) = self.find_young(writer, newcomer) {
            spot.set_young(false);
            spot.set_uses(0);
        }
    }

    /// The entry of a newcomer, if it is still there. It is looked for only if it isn't where it was put.
    #[inline]
    fn find_young(
        &self,
        writer: &Writer<C::Exact, K>,
        Newcomer { hash, bucket, way }: Newcomer,
    ) -> Option<Spot<'_, K, V>> {
        let spot = Spot { place: self.pages.at(bucket), way: usize::from(way) };
        if spot.has_tag(tag(hash)) && self.is_young_of(hash, spot) {
            return Some(spot);
        }
        self.find_where(writer, hash, |spot| self.is_young_of(hash, spot))
    }

    #[inline]
    fn is_young_of(&self, hash: u64, spot: Spot<'_, K, V>) -> bool {
        spot.is_young() && self.hash_at(spot) == hash
    }

    /// Returns the entry that the hand stops at: the first entry without uses of so many, else the one of the fewest. None also if it met
    /// what was over, and took that out.
    fn victim_of_hand(
        &self,
        writer: &mut Writer<C::Exact, K>,
        most: usize,
        left: &mut C::Left,
    ) -> Option<Spot<'_, K, V>> {
        let mut least: Option<(u8, Spot<'_, K, V>)> = None;
        let mut steps = 0;
        let buckets = writer.growth.buckets();
        // Twice around meets every entry, whichever of them are newcomers.
        for _ in 0..2 * u64::from(buckets) {
            let mut hand = writer.eviction.hand.within(buckets);
            let place @ Place { bucket, rest, .. } = self.pages.at(hand.bucket);
            if self.tend_after_deletions(writer, place, left) {
                return None;
            }
            if hand.victims == 0 {
                if self.tend(writer, place, left) {
                    return None;
                }
                hand.victims = bucket.taken().count().div_ceil(SHARE_OF_A_VISIT);
            }
            for way in bucket.taken_from(rest.turn()) {
                let spot = Spot { place, way };
                if spot.is_young() {
                    continue;
                }
                rest.set_turn(way + 1);
                let uses = bucket.uses(way);
                if least.is_none_or(|(fewest, _)| uses < fewest) {
                    least = Some((uses, spot));
                }
                steps += 1;
                if uses == 0 || steps == most {
                    writer.eviction.hand = hand.after_victim();
                    return least.map(|(_, spot)| spot);
                }
                bucket.set_uses(way, uses - 1);
            }
            writer.eviction.hand = hand.next();
        }
        least.map(|(_, spot)| spot)
    }
}

/// Where the search for a victim goes on.
#[derive(Clone, Copy, Default)]
struct Hand {
    bucket: u32,
    /// How many more victims this bucket gives before the hand moves on; 0 if the visit has not begun.
    victims: usize,
}

impl Hand {
    fn within(self, buckets: u32) -> Self {
        if self.bucket < buckets { self } else { Self::default() }
    }

    fn next(self) -> Self {
        Self { bucket: self.bucket + 1, victims: 0 }
    }

    fn after_victim(self) -> Self {
        if self.victims > 1 { Self { victims: self.victims - 1, ..self } } else { self.next() }
    }
}
