//! The thread that renews the locks of a cache's computations, and removes them afterwards.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
// The standard library's: a thread that waits in one of `parking_lot` is on a list of the whole process, and a forked process
// has the list without the thread.
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use cachekit_backends::{PerProcess, Result, Token};

use super::claim::{Claim, Lock};
use crate::engine::remote::{BlockingIo, Budget, Delete, Io, PutIf, Remote, ready, with_token};

/// How long the thread stays without a lock.
const IDLE: Duration = Duration::from_secs(5);
/// How often a lock is renewed in `fleet_wait`.
const BEATS: u32 = 4;

/// How long a lock lives that isn't renewed. Longer than calls wait for a renewal: one of them takes it over.
pub(super) fn lifetime(wait: Duration) -> Duration {
    wait.saturating_mul(2)
}

/// The locks that a cache holds. Costs nothing before the first one.
#[derive(Default)]
pub(crate) struct Keeper {
    locks: PerProcess<Arc<Shared>>,
    /// Whether it was said that the backend can't have locks.
    said: AtomicBool,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    locks: BTreeMap<u64, Kept>,
    count: u64,
    running: bool,
}

/// A lock that was taken.
#[derive(Clone)]
pub(super) struct Locked {
    pub(super) key: String,
    pub(super) claim: Claim,
    pub(super) wait: Duration,
}

/// A lock that the thread has to care for.
#[derive(Clone)]
struct Kept {
    remote: Arc<Remote>,
    lock: Locked,
    /// When it is renewed or removed.
    due: Instant,
    end: Option<End>,
}

/// How a computation has ended.
#[derive(Clone, Copy)]
enum End {
    /// With a value, or without an end: the next call looks, or takes the lock.
    Free,
    /// With nothing to share: the calls that wait compute.
    Open,
}

/// A lock, renewed until this is dropped.
#[must_use]
pub(crate) struct Held {
    shared: Arc<Shared>,
    number: u64,
    end: End,
}

impl Held {
    /// The computation has nothing to share: the calls that wait compute, side by side.
    pub(crate) fn open(&mut self) {
        self.end = End::Open;
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        if let Some(kept) = state.locks.get_mut(&self.number) {
            (kept.end, kept.due) = (Some(self.end), Instant::now());
            self.shared.changed.notify_one();
        }
    }
}

impl Keeper {
    /// Renews a lock until the result is dropped, and removes it then.
    pub(super) fn hold(remote: &Arc<Remote>, lock: Locked) -> Held {
        let shared = Arc::clone(remote.keeper().locks.get(Arc::default));
        let due = Instant::now() + lock.wait / BEATS;
        let mut state = shared.lock();
        state.count += 1;
        let number = state.count;
        state.locks.insert(number, Kept { remote: Arc::clone(remote), lock, due, end: None });
        if state.running {
            shared.changed.notify_one();
        } else {
            let work = Arc::clone(&shared);
            // Without a thread the lock ends by its TTL, and another process computes too.
            let run = move || work.run();
            state.running = std::thread::Builder::new().name("cachekit-fleet".into()).spawn(run).is_ok();
        }
        drop(state);
        Held { shared, number, end: End::Free }
    }

    /// Logs, once, that the backend can't have locks.
    #[cold]
    pub(super) fn say_unable(&self, backend: &str) {
        if !self.said.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                target: "cachekit",
                backend,
                "`single_flight = \"fleet\"` is kept in this process only: the backend's `capabilities()` claim no \
                 `conditional` and `atomic_add`, which a lock among processes needs",
            );
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run(&self) {
        let mut state = self.lock();
        loop {
            let first = state.locks.iter().min_by_key(|(_, kept)| kept.due);
            let Some((&number, kept)) = first else {
                let waited = self.changed.wait_timeout(state, IDLE);
                let (guard, wait) = waited.unwrap_or_else(PoisonError::into_inner);
                state = guard;
                if wait.timed_out() && state.locks.is_empty() {
                    state.running = false;
                    return;
                }
                continue;
            };
            let left = kept.due.saturating_duration_since(Instant::now());
            if !left.is_zero() {
                let waited = self.changed.wait_timeout(state, left);
                state = waited.unwrap_or_else(PoisonError::into_inner).0;
                continue;
            }
            let kept = kept.clone();
            drop(state);
            let next = kept.care();
            state = self.lock();
            let gone = state.note(number, next);
            drop(state);
            // It may hold the last share of the backend, whose destructor may run any code.
            drop((gone, kept));
            state = self.lock();
        }
    }
}

impl State {
    /// Notes what has become of a lock: its claim and when it is due again, or that there is no more to do. Returns what is no
    /// longer kept.
    fn note(&mut self, number: u64, next: Option<(Claim, Instant)>) -> Option<Kept> {
        let Some((claim, due)) = next else { return self.locks.remove(&number) };
        if let Some(kept) = self.locks.get_mut(&number) {
            kept.lock.claim = claim;
            // If the computation has ended meanwhile, it is due at once.
            if kept.end.is_none() {
                kept.due = due;
            }
        }
        None
    }
}

impl Kept {
    /// Renews or removes the lock. Returns its claim and when it is due again; none if there is no more to do.
    fn care(&self) -> Option<(Claim, Instant)> {
        let (now, claim) = (Instant::now(), self.lock.claim);
        // A backend that panics must not end the thread: the lock ends by its TTL.
        let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| match self.end {
            None => self.renew(),
            Some(end) => self.remove(end).map(|()| None),
        }));
        match result {
            Ok(Ok(renewed)) => Some((renewed?, now + self.lock.wait / BEATS)),
            // Tried again while the lock lives. One that is to go ends by its TTL.
            Ok(Err(_)) if self.end.is_none() => Some((claim, now + self.lock.wait / BEATS)),
            Ok(Err(_)) | Err(_) => None,
        }
    }

    /// Renews the lock; none if it has another owner now.
    fn renew(&self) -> Result<Option<Claim>> {
        let next = self.lock.claim.next();
        Ok(self.put(&next.to_bytes(), lifetime(self.lock.wait))?.then_some(next))
    }

    fn remove(&self, end: End) -> Result<()> {
        match end {
            End::Open => self.put(&Lock::open(), self.lock.wait).map(drop),
            End::Free => {
                let key = self.lock.key.clone();
                if self.is_ours()?.is_some() {
                    // Without telling the near tiers, which have no locks.
                    ready(BlockingIo.carry_out(&self.remote, &Budget::default(), Delete { key }))?;
                }
                Ok(())
            }
        }
    }

    /// Returns the token of the lock, if it is still this owner's.
    fn is_ours(&self) -> Result<Option<Token>> {
        let own = Budget::default();
        let (fetched, token) = ready(with_token(BlockingIo, &self.remote, &own, &self.lock.key, &[]))?;
        let lock = fetched.entry.as_deref().map(Lock::read);
        Ok(matches!(lock, Some(Lock::Held(claim)) if claim.is_of_owner(&self.lock.claim)).then_some(token))
    }

    /// Replaces the lock, if it is still this owner's.
    fn put(&self, value: &[u8], life: Duration) -> Result<bool> {
        // A store may refuse without a reason.
        for _ in 0..3 {
            let Some(token) = self.is_ours()? else { return Ok(false) };
            let (key, value) = (self.lock.key.clone(), value.to_vec());
            let put = PutIf { key, value, life: Some(life), token, versions: Vec::new(), replaces: false };
            if ready(BlockingIo.carry_out(&self.remote, &Budget::default(), put))? {
                return Ok(true);
            }
        }
        Ok(false)
    }
}
