//! The side of a process that deletes or overwrites, with a tier of its own or without.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use cachekit_backends::{Clock, Config, NearDeletion, Result, Version};
use parking_lot::Mutex;

use super::registry::{Answer, Registry, Tiers, Wait};
use super::{CLASSES, Classes, Keys, now};
use crate::engine::remote::{Add, Budget, GetMany, Io, PutIf, Remote, Set, with_token};

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
    pub(super) keys: Keys,
    clock: Clock,
    /// Whether deletions wait.
    is_final: bool,
    tiers: Mutex<Tiers>,
}

impl Known {
    pub(crate) fn new(prefix: &str, config: &Config, clock: &Clock) -> Self {
        let is_configured = config.near > 0 || config.near_staleness != Config::default().near_staleness;
        let unknown = if is_configured { config.near_staleness } else { Duration::ZERO };
        Self {
            keys: Keys::new(prefix),
            clock: clock.clone(),
            is_final: config.near_deletion == NearDeletion::Final,
            tiers: Mutex::new(Tiers::new(unknown)),
        }
    }

    /// Notes that a tier is about to be registered from this process.
    pub(super) fn note_tier() {
        TIER_HERE.store(true, Ordering::SeqCst);
    }

    /// Returns what the registry says after the registration of a class, if it doesn't say so.
    pub(super) fn registered(&self, found: Option<&[u8]>, class: usize, is_new: bool) -> Option<Vec<u8>> {
        let registry = found.and_then(Registry::from_bytes);
        if !is_new && registry.is_some_and(|registry| registry.has(class)) {
            return None;
        }
        Some(registry.unwrap_or_else(|| Registry::new(self.clock.now())).with(class).to_bytes())
    }
}

/// Learns which tiers there are, before a change that removes their registrations.
///
/// # Errors
/// The backend's.
pub(crate) async fn learn<D: Io>(io: D, remote: &Arc<Remote>, budget: &Budget) -> Result<()> {
    if is_watched(remote) { ask(io, remote, budget, remote.known()).await.map(drop) } else { Ok(()) }
}

/// Tells other processes of the tiers whose registrations were removed.
///
/// # Errors
/// The backend's.
pub(crate) async fn restore<D: Io>(io: D, remote: &Arc<Remote>, budget: &Budget) -> Result<()> {
    let known = remote.known();
    let Some(registry) = known.tiers.lock().restored(known.clock.now()) else { return Ok(()) };
    make(io, remote, budget, registry).await
}

/// Makes the registry, unless another process has.
async fn make<D: Io>(io: D, remote: &Arc<Remote>, budget: &Budget, registry: Registry) -> Result<()> {
    let known = remote.known();
    let add = Add { key: known.keys.registry.clone(), value: registry.to_bytes(), life: None };
    if io.carry_out(remote, budget, add).await? {
        known.tiers.lock().made(registry);
    }
    Ok(())
}

/// Whether there may be a tier in another cache that a thread keeps in step.
fn is_watched(remote: &Remote) -> bool {
    if remote.capabilities().marks {
        return false;
    }
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
    if let Some(renewed) = remote.renew_mark() {
        // No tier serves what was there before.
        return renewed;
    }
    if !is_watched(remote) {
        return Ok(());
    }
    let known = remote.known();
    let Some(wait) = ask(io, remote, budget, known).await? else { return Ok(()) };
    let mark = Set { key: known.keys.mark.clone(), value: Version::fresh().to_bytes().to_vec(), life: None };
    io.carry_out(remote, budget, mark).await?;
    if known.is_final && change == Change::Deletion {
        io.pause(wait.from(now())).await;
    }
    Ok(())
}

/// Returns what a deletion has to wait for.
async fn ask<D: Io>(io: D, remote: &Arc<Remote>, budget: &Budget, known: &Known) -> Result<Option<Wait>> {
    let asked = now();
    let before = *known.tiers.lock();
    if before.is_trusted(asked) {
        return Ok(before.wait(asked));
    }
    let keys = known.keys.registrations.iter().chain([&known.keys.registry]).cloned().collect();
    let mut found = io.carry_out(remote, budget, GetMany { keys }).await?.into_iter();
    let mut registered = Classes::default();
    registered.iter_mut().zip(found.by_ref()).for_each(|(is, found)| *is = found.is_some());
    let registry = found.next().flatten().as_deref().and_then(Registry::from_bytes);
    let answer = Answer { registered, registry, asked, answered: now(), wall: known.clock.now() };
    let tiers = {
        let mut tiers = known.tiers.lock();
        tiers.learn(answer);
        *tiers
    };
    // Later processes wait less if it succeeds; no deletion depends on it.
    let _ = tend(io, remote, budget, known, &tiers).await;
    Ok(tiers.wait(now()))
}

/// Makes the registry where it is missing, and takes those out of it that serve no more.
async fn tend<D: Io>(
    io: D,
    remote: &Arc<Remote>,
    budget: &Budget,
    known: &Known,
    tiers: &Tiers,
) -> Result<()> {
    if tiers.makes_registry() {
        make(io, remote, budget, Registry::new(known.clock.now())).await?;
    }
    let Some((old, new)) = tiers.outdated(now()) else { return Ok(()) };
    // A tier registers first and then writes the registry: one that is registered after the second read makes the token void.
    let (found, token) = with_token(io, remote, budget, &known.keys.registry, &[]).await?;
    let keys = known.keys.registrations.to_vec();
    let registered = io.carry_out(remote, budget, GetMany { keys }).await?;
    let is_needed = |class: usize| registered[class].is_some() && !new.has(class);
    let is_same = found.entry.as_deref().and_then(Registry::from_bytes) == Some(old);
    if is_same && registered.len() == CLASSES.len() && !(0..CLASSES.len()).any(is_needed) {
        let (key, value) = (known.keys.registry.clone(), new.to_bytes());
        let put = PutIf { key, value, life: None, token, replaces: false, versions: Vec::new() };
        io.carry_out(remote, budget, put).await?;
    }
    Ok(())
}
