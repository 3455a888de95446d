//! How a tier knows that it has missed no change.

use std::sync::Arc;
use std::time::Duration;

use cachekit_backends::Backend;

use super::{AtomicU64, Ordering, now};

/// The knowledge by which the values of a tier are believed.
pub(super) enum Step {
    /// A thread reads the mark now and then: the values are believed before this moment, in nanoseconds of [`now`].
    Timed(AtomicU64),
    /// Each call reads the mark of the backend: the values are those of this mark.
    ///
    /// A deletion renews the mark after its write, and a mark never comes again. A look takes its birth, then reads the mark, then
    /// looks. So a value from before the deletion was looked for under an older mark, with an older birth. The first call that
    /// reads the new one empties the tier, which refuses that birth from then on, before any call finds the new mark here.
    Exact { backend: Arc<dyn Backend>, mark: AtomicU64 },
}

impl Step {
    /// The step of a tier that has no values yet.
    pub(super) fn new(backend: &Arc<dyn Backend>) -> Self {
        let zero = AtomicU64::new(0);
        if backend.capabilities().marks {
            Self::Exact { backend: Arc::clone(backend), mark: zero }
        } else {
            Self::Timed(zero)
        }
    }

    /// Whether values may be taken now, by a call that began before. `empty` removes all values, also those of looks under way.
    pub(super) fn holds(&self, empty: impl FnOnce()) -> bool {
        match self {
            Self::Timed(until) => {
                let until = Duration::from_nanos(until.load(Ordering::Acquire));
                // The clock after the limit: a process that is stopped in between finds the limit over.
                now() < until
            }
            Self::Exact { backend, mark } => {
                let Ok(Some(found)) = backend.mark() else { return false };
                if mark.load(Ordering::SeqCst) != found {
                    empty();
                    mark.store(found, Ordering::SeqCst);
                }
                true
            }
        }
    }

    /// Whether a thread keeps it.
    pub(super) fn is_timed(&self) -> bool {
        matches!(self, Self::Timed(_))
    }

    /// Lets the values be believed before a moment of [`now`].
    pub(super) fn serve_until(&self, moment: Duration) {
        if let Self::Timed(until) = self {
            until.store(u64::try_from(moment.as_nanos()).unwrap_or(0), Ordering::Release);
        }
    }
}
