//! The cached functions that take part in a response that is being made, so that the deletion of one of them reaches it.
//!
//! A [`DependencyRecorder`] is active on the thread that makes the response. Each `#[cached]` function that is called
//! meanwhile leaves in it the state that a deletion of all its entries would change: in process the store's sequence, on a
//! backend the function's version, as it was before its entry was looked for. The response is valid as long as both are the
//! same.

use std::cell::{Cell, RefCell};
use std::sync::Arc;

use cachekit_backends::Version;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use crate::engine::Engine;
use crate::engine::remote::{AsyncIo, Budget, GetMany, Io};

/// The state of a function that took part.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Dependency {
    /// In process: its number, and the store's sequence.
    Local { function: u32, at: u64 },
    /// On a backend: the key of its version, and the version.
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

/// Adds the dependencies that are not there yet. Of two states of a function the first counts.
pub(crate) fn add(all: &mut Vec<Dependency>, more: impl IntoIterator<Item = Dependency>) {
    for one in more {
        if !all.iter().any(|known| known.is_of_same(&one)) {
            all.push(one);
        }
    }
}

/// The dependencies of one response, recorded while it is made.
pub(crate) struct DependencyRecorder {
    engine: Arc<Engine>,
    /// The recorder of a response that contains this one.
    outer: Option<Arc<Self>>,
    notes: Mutex<Notes>,
}

#[derive(Default)]
struct Notes {
    seen: Vec<Dependency>,
    /// Functions whose versions are seen when they look for their entries.
    awaited: Vec<u32>,
    /// The backend did not tell a version.
    lost: bool,
}

thread_local! {
    /// Whether a recorder is active: the only cost of a function when none is.
    static ACTIVE: Cell<bool> = const { Cell::new(false) };
    static CURRENT: RefCell<Option<Arc<DependencyRecorder>>> = const { RefCell::new(None) };
}

/// The active recorder of this thread.
pub(crate) fn current() -> Option<Arc<DependencyRecorder>> {
    CURRENT.try_with(|current| current.borrow().clone()).unwrap_or(None)
}

/// Whether a recorder is active on this thread.
#[inline]
pub(crate) fn is_active() -> bool {
    ACTIVE.get()
}

/// Until it is dropped, a recorder is active on this thread.
pub(crate) struct Entered(Option<Arc<DependencyRecorder>>);

impl Drop for Entered {
    fn drop(&mut self) {
        let outer = self.0.take();
        ACTIVE.set(outer.is_some());
        let _ = CURRENT.try_with(|current| current.replace(outer));
    }
}

impl DependencyRecorder {
    /// A recorder for a response that a cache is to keep.
    pub(crate) fn new(engine: &Arc<Engine>) -> Arc<Self> {
        let outer = if is_active() { current() } else { None };
        Arc::new(Self { engine: Arc::clone(engine), outer, notes: Mutex::default() })
    }

    /// Makes it the active one of this thread.
    pub(crate) fn enter(self: &Arc<Self>) -> Entered {
        enter_state(Some(Arc::clone(self)))
    }

    /// Returns the recorded dependencies; none if one of them is unknown.
    pub(crate) fn dependencies(&self) -> Option<Vec<Dependency>> {
        let notes = self.notes.lock();
        (!notes.lost).then(|| notes.seen.clone())
    }
}

/// Makes the recorder that [`current`] returned the active one, or none.
pub(crate) fn enter_state(recorder: Option<Arc<DependencyRecorder>>) -> Entered {
    ACTIVE.set(recorder.is_some());
    Entered(CURRENT.try_with(|current| current.replace(recorder)).unwrap_or(None))
}

/// Calls `note` with the notes of the active recorder and of those around it, as far as they belong to an engine.
fn each(engine: &Engine, mut note: impl FnMut(&mut Notes)) {
    if !is_active() {
        return;
    }
    let current = current();
    let recorders = std::iter::successors(current.as_ref(), |recorder| recorder.outer.as_ref());
    for recorder in recorders.filter(|recorder| std::ptr::eq(Arc::as_ptr(&recorder.engine), engine)) {
        note(&mut recorder.notes.lock());
    }
}

/// Records that a function takes part, which is `local` or not.
#[cold]
pub(crate) fn takes_part(function: u32, local: bool, engine: &Engine) {
    each(engine, |notes| {
        if engine.remote.is_none() {
            add(&mut notes.seen, [Dependency::Local { function, at: engine.local.now() }]);
        } else if !local && !notes.awaited.contains(&function) {
            notes.awaited.push(function);
        }
    });
}

/// Records the version of a function that was seen under a key; none if the backend did not answer.
pub(crate) fn saw(function: u32, engine: &Engine, key: &str, version: Option<Version>) {
    each(engine, |notes| {
        if !notes.awaited.contains(&function) {
            return;
        }
        match version {
            Some(version) => {
                let version = version.to_bytes();
                add(&mut notes.seen, [Dependency::Shared { key: key.to_string(), version }]);
            }
            None => notes.lost = true,
        }
    });
}

/// Records the dependencies of a stored response that becomes a part of another one.
pub(crate) fn inherit(engine: &Engine, all: &[Dependency]) {
    if !all.is_empty() {
        each(engine, |notes| add(&mut notes.seen, all.iter().cloned()));
    }
}

/// Whether nothing was deleted since these were recorded. Asks the backend once, if a dependency is there; while it does not
/// answer, the result is false.
pub(crate) async fn hold(engine: &Engine, budget: &Budget, all: &[Dependency]) -> bool {
    let (mut keys, mut versions) = (Vec::new(), Vec::new());
    for one in all {
        match one {
            Dependency::Local { function, at } if engine.local.is_current(*function, 0, *at) => {}
            Dependency::Local { .. } => return false,
            Dependency::Shared { key, version } => {
                keys.push(key.clone());
                versions.push(version);
            }
        }
    }
    let Some(remote) = engine.remote.as_ref().filter(|_| !keys.is_empty()) else { return true };
    match AsyncIo.call_within(remote, budget, GetMany { keys }).await {
        Ok(found) => found.iter().zip(versions).all(|(found, seen)| found.as_deref() == Some(&seen[..])),
        Err(error) => {
            remote.report("a response is made without the cache", &error);
            false
        }
    }
}
