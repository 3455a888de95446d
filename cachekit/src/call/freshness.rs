//! Whether an entry is fresh, due ahead of its end, or stale: a function of its times and of the options of a call.

use std::sync::Arc;
use std::time::Duration;

use cachekit_backends::simple::{Entry, Form};
use cachekit_backends::{KeyBytes, Timeout, Ttl, ttl_millis};

/// The pause after a computation that failed, where no option says another.
pub(crate) const RETRY_AFTER: Duration = Duration::from_secs(1);

/// The options of a call about values that are served while they are computed anew.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Windows {
    /// How long past its freshness an entry is served while one call computes it anew.
    pub while_revalidate: Duration,
    /// How long past its freshness an entry is served where a computation fails.
    pub if_error: Duration,
    /// The part of its freshness after which one call computes it anew.
    pub refresh_ahead: Option<f64>,
    /// The time from a computation that failed to the next one, while there is a value to be served.
    pub retry_after: Duration,
    /// Whether no call waits for such a computation.
    pub background: bool,
    /// With a value at hand that isn't fresh: how long a call waits for the new one all the same.
    pub soft_timeout: Duration,
}

/// The state of an entry at a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Freshness {
    Fresh,
    /// Fresh, and to be computed anew.
    Due,
    /// Past its freshness, to be served only while it is computed anew.
    Stale,
    /// Past that too, to be served only where the computation of a new one fails.
    Fallback,
}

/// The times of an entry, in milliseconds of one clock.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Times {
    pub(crate) created: u64,
    /// The end of freshness; none for an entry that never expires.
    pub(crate) fresh: Option<u64>,
}

impl Windows {
    /// Those of a call that serves fresh values only.
    pub const NONE: Self = Self {
        while_revalidate: Duration::ZERO,
        if_error: Duration::ZERO,
        refresh_ahead: None,
        retry_after: Duration::ZERO,
        background: false,
        soft_timeout: Duration::ZERO,
    };

    /// Whether values are served fresh only, and never computed ahead.
    pub(crate) fn is_none(&self) -> bool {
        self.past().is_zero() && self.refresh_ahead.is_none()
    }

    /// Whether a value is served where a computation fails.
    pub(crate) fn fall_back(&self) -> bool {
        !self.if_error.is_zero()
    }

    /// How long an entry is kept past its freshness.
    pub(crate) fn past(&self) -> Duration {
        self.while_revalidate.max(self.if_error)
    }

    /// How long a store keeps an entry that is fresh for so long.
    pub(crate) fn kept(&self, fresh: Ttl) -> Ttl {
        fresh.map(|fresh| fresh.saturating_add(self.past()))
    }
}

/// Returns the length of a window. One that never ends, or is the default, is none.
pub(crate) fn window(time: Timeout) -> Duration {
    match time {
        Timeout::After(time) => time,
        Timeout::Never | Timeout::Default => Duration::ZERO,
    }
}

impl Times {
    /// The state at a moment; none if the entry serves no more.
    pub(crate) fn at(&self, now: u64, windows: &Windows) -> Option<Freshness> {
        let Some(fresh) = self.fresh else { return Some(Freshness::Fresh) };
        if now < fresh {
            return Some(if now < self.due(windows) { Freshness::Fresh } else { Freshness::Due });
        }
        let within = |window: Duration| !window.is_zero() && now < fresh.saturating_add(ttl_millis(window));
        if within(windows.while_revalidate) {
            return Some(Freshness::Stale);
        }
        within(windows.if_error).then_some(Freshness::Fallback)
    }

    /// The time until the entry is to be computed anew; none for one that never expires.
    pub(crate) fn due_in(&self, now: u64, windows: &Windows) -> Ttl {
        self.fresh.map(|_| Duration::from_millis(self.due(windows).saturating_sub(now).max(1)))
    }

    /// The first moment at which the entry is more than fresh.
    fn due(&self, windows: &Windows) -> u64 {
        let Some(fresh) = self.fresh else { return u64::MAX };
        let Some(part) = windows.refresh_ahead else { return fresh };
        let whole = Duration::from_millis(fresh.saturating_sub(self.created));
        // A product that isn't a duration, of a part that isn't one, is no refresh ahead.
        let ahead = Duration::try_from_secs_f64(whole.as_secs_f64() * part).unwrap_or(whole).min(whole);
        self.created.saturating_add(u64::try_from(ahead.as_millis()).unwrap_or(u64::MAX)).min(fresh)
    }
}

/// A stored part in process with its times.
pub(crate) struct Stamped {
    times: Times,
    /// Until then a look need not ask for more than the moment.
    due: u64,
    pub(crate) entry: Arc<Entry>,
}

impl Stamped {
    /// Puts an entry with its times into an entry.
    pub(crate) fn entry(key: KeyBytes, entry: Arc<Entry>, times: Times, windows: &Windows) -> Arc<Entry> {
        let due = times.due(windows);
        let inner = Arc::clone(&entry);
        Entry::around(key, &inner, size_of::<Self>() as u64, Self { times, due, entry })
    }

    /// When the entry was stored, and the end of its freshness if it has one.
    pub(crate) fn moments(&self) -> (u64, Option<u64>) {
        (self.times.created, self.times.fresh)
    }

    /// The entry and the end of its freshness; none past it.
    pub(crate) fn fresh_at(&self, now: u64) -> Option<(&Arc<Entry>, u64)> {
        let end = self.times.fresh.unwrap_or(u64::MAX);
        (now < end).then_some((&self.entry, end))
    }

    /// The state at a moment; none if the entry serves no more.
    pub(super) fn at(&self, now: u64, windows: &Windows) -> Option<Freshness> {
        self.times.at(now, windows)
    }
}

/// Entries carry their times: the one inside serves until it is due. One without was stored without windows, as those of a policy
/// may be, and serves until it expires.
pub(crate) struct WithTimes;

impl Form for WithTimes {
    const TIMED: bool = true;

    fn served(stored: &Arc<Entry>) -> (&Arc<Entry>, u64) {
        match stored.value::<Stamped>() {
            Some(Stamped { entry, due, .. }) => (entry, *due),
            None => (stored, u64::MAX),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WINDOWS: Windows = Windows {
        while_revalidate: Duration::from_millis(50),
        if_error: Duration::ZERO,
        refresh_ahead: Some(0.8),
        retry_after: Duration::ZERO,
        background: false,
        soft_timeout: Duration::ZERO,
    };

    #[test]
    fn an_entry_is_fresh_then_due_then_stale_then_gone() {
        let times = Times { created: 1000, fresh: Some(1100) };
        let cases = [
            // A clock that was moved back makes nothing stale.
            (0, Some(Freshness::Fresh)),
            (1079, Some(Freshness::Fresh)),
            (1080, Some(Freshness::Due)),
            (1099, Some(Freshness::Due)),
            (1100, Some(Freshness::Stale)),
            (1149, Some(Freshness::Stale)),
            (1150, None),
            (u64::MAX, None),
        ];
        for (now, state) in cases {
            assert_eq!(times.at(now, &WINDOWS), state, "at {now}");
        }
        for (now, state) in [(1099, Some(Freshness::Fresh)), (1100, None)] {
            assert_eq!(times.at(now, &Windows::NONE), state, "at {now} without windows");
        }
        let windows = Windows { if_error: Duration::from_millis(80), ..WINDOWS };
        for (now, state) in [
            (1149, Some(Freshness::Stale)),
            (1150, Some(Freshness::Fallback)),
            (1179, Some(Freshness::Fallback)),
            (1180, None),
        ] {
            assert_eq!(times.at(now, &windows), state, "at {now} with a fallback");
        }
        assert_eq!(windows.kept(Some(Duration::from_millis(100))), Some(Duration::from_millis(180)));
        let forever = Times { created: 1000, fresh: None };
        assert_eq!(forever.at(u64::MAX, &WINDOWS), Some(Freshness::Fresh));
    }

    #[test]
    fn a_part_that_is_none_refreshes_at_the_end() {
        let times = Times { created: 1000, fresh: Some(1100) };
        for part in [f64::NAN, f64::INFINITY, -1.0, 1.0, 7.0] {
            let windows = Windows { refresh_ahead: Some(part), ..Windows::NONE };
            assert_eq!(times.at(1099, &windows), Some(Freshness::Fresh), "{part}");
        }
    }
}
