//! Which cached functions take part in a response that is being made, so that the deletion of one of them reaches it.
//!
//! A [`Witness`] is present on whatever thread makes the response. Each `#[cached]` function that is called meanwhile leaves
//! in it what would change if all its entries were deleted: in process the store's sequence, on a backend the function's
//! version, as it was before its entry was looked for. As long as both are what they were, the response stands.

use std::cell::{Cell, RefCell};
use std::sync::Arc;

use cachekit_backends::Version;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use super::site::Function;
use crate::cache::{Cache, Inner};
use crate::link::{AsyncIo, GetMany, Io};

/// The state of a function that took part.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Dependency {
    /// In process: its number, and the store's sequence.
    Local { function: u32, at: u64 },
    /// On a backend: its version and the key that it stands under.
    Shared { key: String, version: [u8; 16] },
}

impl Dependency {
    fn is_of_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Local { function, .. }, Self::Local { function: other, .. }) => function == other,
            (Self::Shared { key, .. }, Self::Shared { key: other, .. }) => key == other,
            _ => false,
        }
    }
}

/// Adds what isn't there yet; of two states of a function the first counts.
pub(crate) fn add(all: &mut Vec<Dependency>, more: impl IntoIterator<Item = Dependency>) {
    for one in more {
        if !all.iter().any(|known| known.is_of_same(&one)) {
            all.push(one);
        }
    }
}

/// What is noted while a response is made.
pub(crate) struct Witness {
    cache: Arc<Inner>,
    /// Who makes a response that has this one in it.
    outer: Option<Arc<Self>>,
    notes: Mutex<Notes>,
}

#[derive(Default)]
struct Notes {
    seen: Vec<Dependency>,
    /// Functions whose versions are seen when they look for their entries.
    awaited: Vec<u32>,
    /// The backend didn't tell a version.
    lost: bool,
}

thread_local! {
    /// Whether there is a witness: all that a function pays when there is none.
    static PRESENT: Cell<bool> = const { Cell::new(false) };
    static CURRENT: RefCell<Option<Arc<Witness>>> = const { RefCell::new(None) };
}

fn current() -> Option<Arc<Witness>> {
    CURRENT.try_with(|current| current.borrow().clone()).unwrap_or(None)
}

/// Until it is dropped, this thread has a witness.
pub(crate) struct Entered(Option<Arc<Witness>>);

impl Drop for Entered {
    fn drop(&mut self) {
        let outer = self.0.take();
        PRESENT.set(outer.is_some());
        let _ = CURRENT.try_with(|current| current.replace(outer));
    }
}

impl Witness {
    /// One for a response that a cache is to keep.
    pub(crate) fn new(cache: &Arc<Inner>) -> Arc<Self> {
        let outer = if PRESENT.get() { current() } else { None };
        Arc::new(Self { cache: Arc::clone(cache), outer, notes: Mutex::default() })
    }

    /// Makes it the one of this thread.
    pub(crate) fn enter(self: &Arc<Self>) -> Entered {
        PRESENT.set(true);
        Entered(CURRENT.try_with(|current| current.replace(Some(Arc::clone(self)))).unwrap_or(None))
    }

    /// What was noted; none if that isn't known.
    pub(crate) fn dependencies(&self) -> Option<Vec<Dependency>> {
        let notes = self.notes.lock();
        (!notes.lost).then(|| notes.seen.clone())
    }

    /// It, and those around it.
    fn each(self: &Arc<Self>) -> impl Iterator<Item = &Arc<Self>> {
        std::iter::successors(Some(self), |witness| witness.outer.as_ref())
    }
}

/// Tells whoever makes a response that a function takes part in it.
#[inline]
pub(crate) fn takes_part(function: &'static Function, cache: &Cache) {
    if PRESENT.get() {
        note(function, cache);
    }
}

#[cold]
fn note(function: &'static Function, cache: &Cache) {
    let (Some(witness), Some(inner)) = (current(), cache.bound()) else { return };
    for witness in witness.each().filter(|witness| Arc::ptr_eq(&witness.cache, inner)) {
        let mut notes = witness.notes.lock();
        if inner.link.is_none() {
            add(&mut notes.seen, [Dependency::Local { function: function.number, at: inner.local.now() }]);
        } else if !function.local && !notes.awaited.contains(&function.number) {
            notes.awaited.push(function.number);
        }
    }
}

/// Tells which version of a function was seen under a key; none if the backend didn't answer.
pub(crate) fn saw(function: &'static Function, inner: &Arc<Inner>, key: &str, version: Option<Version>) {
    if !PRESENT.get() {
        return;
    }
    let Some(witness) = current() else { return };
    for witness in witness.each().filter(|witness| Arc::ptr_eq(&witness.cache, inner)) {
        let mut notes = witness.notes.lock();
        if !notes.awaited.contains(&function.number) {
            continue;
        }
        match version {
            Some(version) => {
                let version = version.to_bytes();
                add(&mut notes.seen, [Dependency::Shared { key: key.to_string(), version }]);
            }
            None => notes.lost = true,
        }
    }
}

impl Inner {
    /// Whether nothing was deleted that these stand for. Asks the backend once, if any of them is there; while it doesn't
    /// answer, they don't stand.
    pub(crate) async fn stand(&self, all: &[Dependency]) -> bool {
        let (mut keys, mut versions) = (Vec::new(), Vec::new());
        for one in all {
            match one {
                Dependency::Local { function, at } if self.local.is_current(*function, 0, *at) => {}
                Dependency::Local { .. } => return false,
                Dependency::Shared { key, version } => {
                    keys.push(key.clone());
                    versions.push(version);
                }
            }
        }
        let Some(link) = self.link.as_ref().filter(|_| !keys.is_empty()) else { return true };
        match AsyncIo.call(link, GetMany { keys }).await {
            Ok(found) => found.iter().zip(versions).all(|(found, seen)| found.as_deref() == Some(&seen[..])),
            Err(error) => {
                link.report("a response is made", &error);
                false
            }
        }
    }
}

/// Tells those who make a response around this one what it depends on.
pub(crate) fn inherit(inner: &Arc<Inner>, all: &[Dependency]) {
    if all.is_empty() || !PRESENT.get() {
        return;
    }
    let Some(witness) = current() else { return };
    for witness in witness.each().filter(|witness| Arc::ptr_eq(&witness.cache, inner)) {
        add(&mut witness.notes.lock().seen, all.iter().cloned());
    }
}
