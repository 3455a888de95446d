//! The one way of a call, for every surface: attribute, cache object, fragment and page.
//!
//! ```text
//! Place ── where the entry is                          place, arguments, path
//!   │
//! Round ── look ► snapshot ► join or wait              round, look
//!   │        └► Found, Shared: a value
//!   ▼
//! Duty ─── compute ► store ► end the flight            store
//! ```
//!
//! [`Round`] is the loop, [`Policy`](policy::Policy) the table of operations on a value. A surface asks the round for the next step, takes a
//! value or runs its code, and settles the [`Duty`](store::Duty). [`delete`] is the other direction. [`request`] and [`dependencies`]
//! connect calls with the request under which they are made.

pub(crate) mod arguments;
mod aside;
pub(crate) mod batch;
pub(crate) mod delete;
#[cfg(any(feature = "tower", feature = "minijinja"))]
pub(crate) mod dependencies;
pub(crate) mod failure;
pub(crate) mod faithful;
pub(crate) mod freshness;
mod inputs;
pub(crate) mod judge;
pub(crate) mod kept;
mod lacking;
mod likeness;
mod look;
pub(crate) mod nearest;
pub(crate) mod path;
mod place;
pub(crate) mod policy;
pub(crate) mod request;
pub(crate) mod round;
pub(crate) mod shape;
pub(crate) mod sharing;
mod span;
pub(crate) mod store;
pub(crate) mod tags;
mod times;
pub(crate) mod trace;
mod turn;
pub(crate) mod verdict;
pub(crate) mod view_argument;
pub(crate) mod weight;
mod words;

#[cfg(any(feature = "tower", feature = "minijinja"))]
pub(crate) use dependencies::{Known, takes_part};
pub(crate) use inputs::Call;
pub(crate) use look::{is_near, may_take_near, near_times, open, peek, peek_many, stored_locally};
pub(crate) use place::{
    Identity, Instance, Place, has_instances, instance_digest, object_entry, object_key_in, object_key_of,
    recorded, version_key_of,
};
pub(crate) use round::{Outcome, Round, Source};
pub(crate) use times::Times;

/// There are none, because nothing is made of calls.
#[cfg(not(any(feature = "tower", feature = "minijinja")))]
pub(crate) enum Known {}

#[cfg(not(any(feature = "tower", feature = "minijinja")))]
impl Known {
    fn keys(&self) -> &[String] {
        match *self {}
    }

    fn found(&self, _: Vec<cachekit_backends::Version>) {
        match *self {}
    }
}

/// Whether a response or a fragment that is being made, or a subscriber of spans, is to know of computations.
#[inline]
pub(crate) fn is_observed() -> bool {
    #[cfg(any(feature = "tower", feature = "minijinja"))]
    if dependencies::is_active() {
        return true;
    }
    span::is_wanted()
}

/// Nothing is made of calls.
#[cfg(not(any(feature = "tower", feature = "minijinja")))]
pub(crate) fn takes_part(_: &crate::engine::Engine, _: &Place) {}
