//! The near tier: typed values in this process, in front of a backend that other processes share.
//!
//! The keys of the backend by which processes keep in step:
//!
//! - The **mark** is a version that each deletion and overwrite replaces while a tier is registered. A tier reads it several times
//!   in `near_staleness`, and is emptied when it has changed. It serves only while the last good read was sent less than
//!   `near_staleness` ago.
//! - A **registration** is an entry with a random text and a TTL, one for each class of `near_staleness`. It is made by `add` and
//!   prolonged by `put_if`, so that the same text says: it was there all the time.
//! - The **registry** has no TTL. It says which classes were registered, and when it was made. A process that deletes sees by it that
//!   a registration was lost, and waits until the tiers know.
//!
//! A process that deletes knows for [`TRUSTED`] that no tier was registered, and a tier serves nothing before it has been
//! registered for longer than that. So a fleet without tiers pays one more read in that time, and no wait.
//!
//! A backend that has lost everything looks like a new one. Then only the configuration can tell that there are tiers: a process that
//! has one, or another `near_staleness` than the default, waits for that time where the registry is missing or young.
//!
//! Where the backend tells a mark at once ([`Backend::mark`](cachekit_backends::Backend::mark)), each call reads it, and none of the
//! above is needed: see [`Step`].
//!
//! Durations are measured by a clock that counts the time while a process or the machine is stopped.

mod beat;
mod change;
mod protocol;
mod registry;
mod step;
mod tier;

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

pub(crate) use change::{Change, Known, announce, learn, restore};
#[cfg(feature = "cli")]
pub(crate) use protocol::NAME;
use protocol::{APPROACH, CLASSES, Classes, DISBELIEVE_AFTER, Keys, PROLONG_AFTER, REGISTERED, TRUSTED};
use step::Step;
pub(crate) use tier::{Birth, Near, NearPlace};

/// The time since some moment, with that in which the process or the machine was stopped.
fn now() -> Duration {
    cachekit_backends::uptime()
}
