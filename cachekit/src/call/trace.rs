//! Where the value of a call came from, for `traced!`.
//!
//! A call of `traced!` that takes a value notes its source on the thread, as the last thing before it returns; the macro's
//! function takes the note at once, in the same poll. No note means that the call computed: calls in the body that were traced
//! too have had theirs taken.

use std::cell::Cell;
use std::time::Duration;

use super::times::Times;

/// The value of a traced call, and where it came from; made by [`traced!`](crate::traced).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Outcome<T> {
    /// The value that the call returned.
    pub value: T,
    /// How the call got it.
    pub how: How,
    /// Where the entry of a hit is; none of a value that was not read from the cache.
    pub tier: Option<Tier>,
    /// The time since the entry was stored. None of a value that was not read from the cache, and of entries in this process and in
    /// its near tier, whose expiry is all that is kept.
    pub age: Option<Duration>,
    /// The time until the entry expires; of one in the near tier, until it leaves the tier at the latest. None of a value that was not
    /// read from the cache, and of an entry that never expires.
    pub left: Option<Duration>,
}

/// How a call got its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum How {
    /// From the cache.
    Hit,
    /// From the cache, past its timeout: while one call computes it anew, or because its computation failed.
    Stale,
    /// By running the body.
    Computed,
    /// From another call's computation, which was under way.
    Waited,
    /// By running the body with the cache left alone: `unless` said so, the cache is `null`, the function is switched
    /// off, or two functions have one identity.
    Bypassed,
}

/// A tier of a cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Tier {
    /// The memory of this process.
    Process,
    /// The [near tier](crate::Config::near): the memory of this process, in front of the backend.
    Near,
    /// The backend: a server, or a directory.
    Backend,
}

/// The source of a value.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Trace {
    how: How,
    tier: Option<Tier>,
    times: Times,
}

impl Trace {
    pub(crate) fn of(how: How) -> Self {
        Self { how, tier: None, times: Times::default() }
    }

    pub(super) fn found(how: How, tier: Tier, times: Times) -> Self {
        Self { how, tier: Some(tier), times }
    }
}

thread_local!(static NOTED: Cell<Option<Trace>> = const { Cell::new(None) });

/// Notes the source of the value that this thread is about to return.
pub(crate) fn note(trace: Trace) {
    let _ = NOTED.try_with(|noted| noted.set(Some(trace)));
}

/// Returns the value of a traced call with its source.
pub fn traced<T>(value: T) -> Outcome<T> {
    let noted = NOTED.try_with(Cell::take).ok().flatten();
    let Trace { how, tier, times } = noted.unwrap_or(Trace::of(How::Computed));
    Outcome { value, how, tier, age: times.age, left: times.left }
}
