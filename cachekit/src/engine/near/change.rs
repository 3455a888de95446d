//! The side of a process that deletes or overwrites, with a tier of its own or without.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use cachekit_backends::{Result, Version};
use parking_lot::Mutex;

use super::{CLASSES, Keys, TRUSTED, now};
use crate::engine::remote::{Budget, GetMany, Io, Remote, Set};

/// Whether a cache of this process has a tier over a backend that no other process shares.
static TIER_HERE: AtomicBool = AtomicBool::new(false);

/// The change of an entry that an operation makes, as tiers see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// Nothing that was there before: a read, or a value where there was none.
    None,
    /// Another value.
    Overwrite,
    /// A deletion, after which no process serves the old value.
    Deletion,
}

/// The knowledge about the tiers of the fleet.
pub(crate) struct Known {
    keys: Keys,
    /// Whether deletions wait.
    is_final: bool,
    tiers: Mutex<Tiers>,
}

#[derive(Clone, Copy, Default)]
struct Tiers {
    /// When the registrations were asked for.
    asked: Option<Duration>,
    /// The longest staleness among them; none without a registration.
    longest: Option<Duration>,
}

impl Known {
    pub(crate) fn new(prefix: &str, is_final: bool) -> Self {
        Self { keys: Keys::new(prefix), is_final, tiers: Mutex::default() }
    }

    /// Notes that a tier is about to be registered from this process.
    pub(super) fn note_tier() {
        TIER_HERE.store(true, Ordering::SeqCst);
    }
}

/// Learns which tiers there are, before a change that removes their registrations.
///
/// # Errors
/// The backend's.
pub(crate) async fn learn<D: Io>(io: D, remote: &Arc<Remote>, budget: &Budget) -> Result<()> {
    if is_watched(remote) { longest(io, remote, budget, remote.known()).await.map(drop) } else { Ok(()) }
}

/// Whether there may be a tier in another cache.
fn is_watched(remote: &Remote) -> bool {
    // A backend of the user's own has no location: its tiers are those of this process.
    let among_processes = remote.capabilities().shared && remote.location().is_some();
    !remote.capabilities().discards && (among_processes || TIER_HERE.load(Ordering::SeqCst))
}

/// Tells the tiers of a change that has been made, and waits until none serves what was there before a deletion.
///
/// # Errors
/// The backend's. The change was made, but a tier may not know of it.
pub(crate) async fn announce<D: Io>(
    io: D,
    remote: &Arc<Remote>,
    budget: &Budget,
    change: Change,
) -> Result<()> {
    if change == Change::None {
        return Ok(());
    }
    // This process sees its own changes at once.
    if let Some(near) = remote.near() {
        near.empty();
    }
    if !is_watched(remote) {
        return Ok(());
    }
    let known = remote.known();
    let Some(longest) = longest(io, remote, budget, known).await? else { return Ok(()) };
    let mark = Set { key: known.keys.mark.clone(), value: Version::fresh().to_bytes().to_vec(), life: None };
    io.carry_out(remote, budget, mark).await?;
    if known.is_final && change == Change::Deletion {
        // A percent for clocks that run apart, and a tick.
        io.pause(longest + longest / 100 + Duration::from_millis(2)).await;
    }
    Ok(())
}

/// Returns the longest staleness of the registered tiers.
async fn longest<D: Io>(
    io: D,
    remote: &Arc<Remote>,
    budget: &Budget,
    known: &Known,
) -> Result<Option<Duration>> {
    let before = *known.tiers.lock();
    let asks = now();
    if before.asked.is_some_and(|asked| asks < asked + TRUSTED) {
        return Ok(before.longest);
    }
    let keys = known.keys.registrations.to_vec();
    let found = io.carry_out(remote, budget, GetMany { keys }).await?;
    let classes = CLASSES.into_iter().zip(found);
    let longest = classes.filter_map(|(class, found)| found.map(|_| class)).max();
    let mut tiers = known.tiers.lock();
    if tiers.asked.is_none_or(|asked| asked < asks) {
        *tiers = Tiers { asked: Some(asks), longest };
    }
    drop(tiers);
    // A registration that is gone may have been lost, and its tier not know it yet: it is waited for once.
    Ok(longest.max(before.longest))
}
