//! The dependencies of a response or a fragment: the functions, instances and tags that took part in it, so that a deletion of
//! one of them reaches it.
//!
//! A [`DependencyRecorder`] is active on the thread that makes it. Each memoized function that is called meanwhile leaves in it
//! the state that a deletion would change: in process the store's sequence as it was when the recorder began, on a backend the
//! versions that the call's entry was looked for with. What is made is valid as long as they are the same.

use std::cell::{Cell, RefCell};
use std::sync::Arc;
#[cfg(feature = "minijinja")]
use std::sync::atomic::{AtomicBool, Ordering};

use cachekit_backends::Version;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use super::place::Place;
use crate::engine::Engine;
use crate::engine::remote::{Budget, GetMany, Io};
use crate::engine::stats::suspend;

/// The state of a function that took part, or of an instance or a tag.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Dependency {
    /// In process: its number, the keyed digests of the instance and of the tags, and the store's sequence.
    Local { function: u32, instance: u64, tags: Vec<u64>, at: u64 },
    /// On a backend: the key of its version, and the version.
    Shared { key: String, version: [u8; 16] },
}

impl Dependency {
    fn is_of_same(&self, other: &Self) -> bool {
        match (self, other) {
            (
                Self::Local { function, instance, tags, .. },
                Self::Local { function: other, instance: of, tags: with, .. },
            ) => (function, instance, tags) == (other, of, with),
            (Self::Shared { key, .. }, Self::Shared { key: other, .. }) => key == other,
            _ => false,
        }
    }
}

/// Adds the dependencies that are not there yet. Of two states of one the first counts.
pub(crate) fn add(all: &mut Vec<Dependency>, more: impl IntoIterator<Item = Dependency>) {
    for one in more {
        if !all.iter().any(|known| known.is_of_same(&one)) {
            all.push(one);
        }
    }
}

/// The dependencies of one response or fragment, recorded while it is made.
pub(crate) struct DependencyRecorder {
    engine: Arc<Engine>,
    /// The recorder of what contains this one.
    outer: Option<Arc<Self>>,
    /// The sequence of the in-process store at its beginning.
    at: u64,
    #[cfg(feature = "minijinja")]
    ended: AtomicBool,
    notes: Mutex<Notes>,
}

#[derive(Default)]
struct Notes {
    seen: Vec<Dependency>,
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
        activate(outer.is_some());
        let _ = CURRENT.try_with(|current| current.replace(outer));
    }
}

impl DependencyRecorder {
    /// A recorder for something that a cache is to keep.
    pub(crate) fn new(engine: &Arc<Engine>) -> Arc<Self> {
        let outer = if is_active() { current() } else { None };
        Arc::new(Self {
            engine: Arc::clone(engine),
            outer,
            at: engine.local.now(),
            #[cfg(feature = "minijinja")]
            ended: AtomicBool::new(false),
            notes: Mutex::default(),
        })
    }

    /// Makes it the active one of this thread.
    #[cfg(feature = "tower")]
    pub(crate) fn enter(self: &Arc<Self>) -> Entered {
        enter_state(Some(Arc::clone(self)))
    }

    /// Returns the recorded dependencies; none if one of them is unknown.
    pub(crate) fn dependencies(&self) -> Option<Vec<Dependency>> {
        let notes = self.notes.lock();
        (!notes.lost).then(|| notes.seen.clone())
    }
}

/// A recorder of what is made between two calls with foreign code between them, on one thread.
#[cfg(feature = "minijinja")]
pub(crate) struct Recording(Arc<DependencyRecorder>);

#[cfg(feature = "minijinja")]
impl Recording {
    /// Begins one.
    pub(crate) fn begin(engine: &Arc<Engine>) -> Self {
        let recorder = DependencyRecorder::new(engine);
        activate(true);
        let _ = CURRENT.try_with(|current| current.replace(Some(Arc::clone(&recorder))));
        Self(recorder)
    }

    /// Returns what was recorded; none if a part of it is unknown.
    pub(crate) fn dependencies(&self) -> Option<Vec<Dependency>> {
        self.0.dependencies()
    }
}

#[cfg(feature = "minijinja")]
impl Drop for Recording {
    /// Ends it. Another one that began later may still be under way: then the last one that ends brings back what was before.
    fn drop(&mut self) {
        self.0.ended.store(true, Ordering::Relaxed);
        let _ = CURRENT.try_with(|current| {
            let mut current = current.borrow_mut();
            while let Some(ended) = current.take_if(|recorder| recorder.ended.load(Ordering::Relaxed)) {
                current.clone_from(&ended.outer);
            }
            activate(current.is_some());
        });
    }
}

/// Makes the recorder that [`current`] returned the active one, or none.
pub(crate) fn enter_state(recorder: Option<Arc<DependencyRecorder>>) -> Entered {
    activate(recorder.is_some());
    Entered(CURRENT.try_with(|current| current.replace(recorder)).unwrap_or(None))
}

fn activate(active: bool) {
    ACTIVE.set(active);
    suspend(active);
}

/// Calls `note` with the notes of the active recorder and of those around it, as far as they belong to an engine.
fn each(engine: &Engine, mut note: impl FnMut(&DependencyRecorder, &mut Notes)) {
    if !is_active() {
        return;
    }
    let current = current();
    let recorders = std::iter::successors(current.as_ref(), |recorder| recorder.outer.as_ref());
    for recorder in recorders.filter(|recorder| std::ptr::eq(Arc::as_ptr(&recorder.engine), engine)) {
        note(recorder, &mut recorder.notes.lock());
    }
}

/// Records a call whose entry is at this place, if it is in process. One that is on a backend records what it [`saw`]. What is kept
/// on a backend can't depend on a process.
pub(crate) fn takes_part(engine: &Engine, place: &Place) {
    if !is_active() || engine.remote.is_some() {
        return;
    }
    if let Place::Local { key, instance, tags, .. } = place {
        each(engine, |recorder, notes| {
            let (function, instance, tags) = (key.function, *instance, tags.to_vec());
            add(&mut notes.seen, [Dependency::Local { function, instance, tags, at: recorder.at }]);
        });
    }
}

/// Records the versions that an entry was looked for with; none if the backend did not answer.
pub(crate) fn saw(engine: &Engine, keys: &[String], versions: Option<&[Version]>) {
    if keys.is_empty() {
        return;
    }
    each(engine, |_, notes| {
        let Some(versions) = versions else {
            notes.lost = true;
            return;
        };
        let shared = keys.iter().zip(versions);
        let shared =
            shared.map(|(key, version)| Dependency::Shared { key: key.clone(), version: version.to_bytes() });
        add(&mut notes.seen, shared);
    });
}

/// Records the dependencies of a stored response that becomes a part of another one.
pub(crate) fn inherit(engine: &Engine, all: &[Dependency]) {
    if !all.is_empty() {
        each(engine, |_, notes| add(&mut notes.seen, all.iter().cloned()));
    }
}

/// The versions that an entry depended on when it was last seen. A look reads them together with the entry.
pub(crate) struct Known {
    keys: Arc<[String]>,
    found: Mutex<Vec<Version>>,
}

impl Known {
    /// Those that are remembered of an entry; none if none are.
    pub(crate) fn of(engine: &Engine, place: &Place) -> Option<Arc<Self>> {
        engine.remote.as_ref()?;
        let keys = engine.remembered.get(place.key().digest)?;
        Some(Arc::new(Self { keys, found: Mutex::default() }))
    }

    /// Their keys.
    pub(super) fn keys(&self) -> &[String] {
        &self.keys
    }

    /// Notes the versions that a look found, in the order of their keys; none if it found none.
    pub(super) fn found(&self, versions: Vec<Version>) {
        *self.found.lock() = versions;
    }

    /// Returns a version that the last look found.
    fn get(&self, key: &str) -> Option<[u8; 16]> {
        let at = self.keys.iter().position(|known| known == key)?;
        self.found.lock().get(at).map(|version| version.to_bytes())
    }
}

/// Remembers what an entry depends on, for the looks that follow. `known` is what was remembered.
pub(crate) fn remember<'d>(
    engine: &Engine,
    digest: u64,
    known: Option<&Known>,
    all: impl Iterator<Item = &'d Dependency>,
) {
    if engine.remote.is_none() {
        return;
    }
    let mut keys: Vec<String> = version_keys(all).collect();
    keys.sort_unstable();
    keys.dedup();
    if known.map_or(&[][..], Known::keys) != keys {
        engine.remembered.put(digest, keys);
    }
}

/// Whether nothing was deleted since these were recorded. Asks the backend once for the versions that the look has not brought, if
/// there are any; while it does not answer, the result is false.
pub(crate) async fn hold<D: Io>(
    io: D,
    engine: &Engine,
    budget: &Budget,
    known: Option<&Known>,
    all: &[Dependency],
) -> bool {
    let (mut keys, mut versions) = (Vec::new(), Vec::new());
    for one in all {
        match one {
            Dependency::Local { function, instance, tags, at }
                if engine.local.is_current(*function, *instance, *at) && engine.local.admits(tags, *at) => {}
            Dependency::Local { .. } => return false,
            Dependency::Shared { key, version } => match known.and_then(|known| known.get(key)) {
                Some(found) if found == *version => {}
                Some(_) => return false,
                None => {
                    keys.push(key.clone());
                    versions.push(version);
                }
            },
        }
    }
    let Some(remote) = engine.remote.as_ref().filter(|_| !keys.is_empty()) else { return true };
    match io.call_within(remote, budget, GetMany { keys }).await {
        Ok(found) => found.iter().zip(versions).all(|(found, seen)| found.as_deref() == Some(&seen[..])),
        Err(error) => {
            remote.report("a response or a fragment is made without the cache", &error);
            false
        }
    }
}

/// The keys of the versions among some dependencies.
pub(crate) fn version_keys<'d>(all: impl Iterator<Item = &'d Dependency>) -> impl Iterator<Item = String> {
    all.filter_map(|one| match one {
        Dependency::Shared { key, .. } => Some(key.clone()),
        Dependency::Local { .. } => None,
    })
}
