//! Events of `tracing` for the operations of a cache with a backend. Hits in process are counted, and nothing more.

use tracing::level_filters::LevelFilter;
use tracing::{debug, trace};

use super::Engine;
use super::stats::Event;

impl Engine {
    /// Tells of an event of a function whose entries are on the backend. Costs a look at a number where no subscriber wants any of
    /// this level.
    #[inline]
    pub(super) fn tell(&self, function: u32, event: Event) {
        if LevelFilter::current() >= LevelFilter::TRACE && self.remote.is_some() {
            self.tell_now(function, event);
        }
    }

    #[cold]
    fn tell_now(&self, function: u32, event: Event) {
        let (cache, function) = (self.prefix.trim_end_matches(['|', ':']), self.name_of(function));
        match event {
            Event::Hit => trace!(target: "cachekit", cache, function, "hit"),
            Event::Stale => trace!(target: "cachekit", cache, function, "stale"),
            Event::Miss => trace!(target: "cachekit", cache, function, "miss"),
            Event::Store => trace!(target: "cachekit", cache, function, "store"),
            // Hits of the near tier are in process. The others have warnings, spans, or an event with more to say.
            Event::Near
            | Event::Error
            | Event::Coalesced
            | Event::Deletion
            | Event::GivenUp
            | Event::Abandoned => {}
        }
    }

    /// Counts a deletion, and tells of it. `of` is a function, or the kind of what is deleted; never a key.
    pub(crate) fn count_deletion(&self, of: &str) {
        self.count(Event::Deletion);
        if LevelFilter::current() >= LevelFilter::DEBUG && self.remote.is_some() {
            debug!(target: "cachekit", cache = self.prefix.trim_end_matches(['|', ':']), of, "deletion");
        }
    }
}
