//! A store of bytes in memory that fails, hangs, panics and lies on command, and two backends over it.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use cachekit::{Backend, Capabilities, Clock, Error, ErrorKind, Fetched, Result, Token, Ttl};
use parking_lot::{Condvar, Mutex, RwLock};

/// Whether a key is that of a version, not of an entry.
pub fn is_version(key: &str) -> bool {
    key.contains("#version")
}

/// An operation of a backend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    /// `get`, and whatever else reads.
    Get,
    /// `set`, `put_if` and `add`.
    Set,
    /// `delete`.
    Delete,
    /// `clear`.
    Clear,
}

/// The fault of an operation, instead of its work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Returns an error of a kind.
    Fail(ErrorKind),
    /// Does not return before [`Mem::heal`].
    Hang,
    /// Panics.
    Panic,
    /// Does its work after so long.
    Slow(Duration),
}

struct Slot {
    bytes: Vec<u8>,
    expiry: Option<u64>,
}

#[derive(Default)]
struct State {
    entries: BTreeMap<String, Slot>,
    /// Counts the writes and deletions of each key.
    stamps: HashMap<String, u128>,
    faults: Vec<(Op, Fault)>,
    log: Vec<(Op, String)>,
}

/// The store. Shared by any number of backends over it, as a server is by processes.
#[derive(Default)]
pub struct Mem {
    state: Mutex<State>,
    healed: Condvar,
    clock: RwLock<Option<Clock>>,
    keeps_clock: AtomicBool,
}

impl Mem {
    /// An empty one.
    pub fn new() -> Arc<Self> {
        Arc::default()
    }

    /// Takes the time from a clock; the system's, without.
    pub fn use_clock(&self, clock: Clock) {
        if !self.keeps_clock.load(Ordering::SeqCst) {
            // A near tier may have asked for the time before.
            *self.clock.write() = Some(clock);
        }
    }

    /// Takes the time from a clock for good.
    pub fn keep_clock(&self, clock: Clock) {
        self.use_clock(clock);
        self.keeps_clock.store(true, Ordering::SeqCst);
    }

    /// Makes all operations do this from now on.
    pub fn break_all(&self, fault: Fault) {
        self.state.lock().faults =
            [Op::Get, Op::Set, Op::Delete, Op::Clear].into_iter().map(|op| (op, fault)).collect();
    }

    /// Makes one operation do this from now on.
    pub fn break_op(&self, op: Op, fault: Fault) {
        self.state.lock().faults.push((op, fault));
    }

    /// Ends all faults.
    pub fn heal(&self) {
        self.state.lock().faults.clear();
        self.healed.notify_all();
    }

    /// How many operations came here since the last time.
    pub fn take_ops(&self) -> usize {
        self.take_log().len()
    }

    /// The operations that came here since the last time, with their first keys; without those that keep near tiers in step.
    pub fn take_log(&self) -> Vec<(Op, String)> {
        let log = std::mem::take(&mut self.state.lock().log);
        log.into_iter().filter(|(_, key)| !key.contains("cachekit::near")).collect()
    }

    /// The keys that are there, expired ones included.
    pub fn keys(&self) -> Vec<String> {
        self.state.lock().entries.keys().cloned().collect()
    }

    /// The bytes under a key.
    pub fn bytes(&self, key: &str) -> Option<Vec<u8>> {
        self.state.lock().entries.get(key).map(|slot| slot.bytes.clone())
    }

    /// Changes stored bytes behind the back of the cache.
    pub fn tamper(&self, mut change: impl FnMut(&str, &mut Vec<u8>)) {
        for (key, slot) in &mut self.state.lock().entries {
            change(key, &mut slot.bytes);
        }
    }

    /// Loses a key, as a server that evicts.
    pub fn evict(&self, mut which: impl FnMut(&str) -> bool) {
        self.state.lock().entries.retain(|key, _| !which(key));
    }

    fn now(&self) -> u64 {
        self.clock.read().clone().unwrap_or_else(Clock::system).now()
    }

    /// The work of an operation, or its fault.
    fn run<R>(&self, op: Op, key: &str, work: impl FnOnce(&mut State, u64) -> R) -> Result<R> {
        let now = self.now();
        let mut state = self.state.lock();
        state.log.push((op, key.to_owned()));
        if let Some(&(_, Fault::Slow(time))) = state.faults.iter().find(|(which, _)| *which == op) {
            drop(state);
            // Time limits are in real time, so a slow operation takes it.
            std::thread::sleep(time);
            return Ok(work(&mut self.state.lock(), now));
        }
        loop {
            match state.faults.iter().find(|(which, _)| *which == op).map(|(_, fault)| *fault) {
                None => return Ok(work(&mut state, now)),
                Some(Fault::Fail(kind)) => return Err(Error::new(kind, "broken on command")),
                Some(Fault::Panic) => {
                    drop(state);
                    panic!("broken on command");
                }
                Some(Fault::Hang | Fault::Slow(_)) => self.healed.wait(&mut state),
            }
        }
    }

    fn get(&self, key: &str) -> Result<Option<Vec<u8>>> {
        self.run(Op::Get, key, |state, now| state.live(key, now))
    }

    fn set(&self, key: &str, value: &[u8], life: Ttl) -> Result<()> {
        self.run(Op::Set, key, |state, now| state.put(key, value, life, now))
    }

    fn delete(&self, key: &str) -> Result<bool> {
        self.run(Op::Delete, key, |state, now| {
            let was = state.live(key, now).is_some();
            state.entries.remove(key);
            state.stamp(key);
            was
        })
    }

    fn clear(&self, prefix: &str) -> Result<()> {
        self.run(Op::Clear, prefix, |state, _| {
            let keys: Vec<String> =
                state.entries.keys().filter(|key| key.starts_with(prefix)).cloned().collect();
            for key in keys {
                state.entries.remove(&key);
            }
            for (_, stamp) in state.stamps.iter_mut().filter(|(key, _)| key.starts_with(prefix)) {
                *stamp += 1;
            }
        })
    }
}

impl State {
    fn live(&self, key: &str, now: u64) -> Option<Vec<u8>> {
        let slot = self.entries.get(key)?;
        slot.expiry.is_none_or(|expiry| now < expiry).then(|| slot.bytes.clone())
    }

    fn put(&mut self, key: &str, value: &[u8], life: Ttl, now: u64) {
        let expiry = life.map(|life| {
            now.saturating_add(u64::try_from(life.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX))
        });
        self.entries.insert(key.to_owned(), Slot { bytes: value.to_vec(), expiry });
        self.stamp(key);
    }

    fn stamp(&mut self, key: &str) {
        *self.stamps.entry(key.to_owned()).or_insert(1) += 1;
    }
}

/// The least backend there is: the required methods, no capability.
pub struct Plain(pub Arc<Mem>);

impl Backend for Plain {
    fn get(&self, key: &str) -> Result<Option<Vec<u8>>> {
        self.0.get(key)
    }

    fn set(&self, key: &str, value: &[u8], life: Ttl) -> Result<()> {
        self.0.set(key, value, life)
    }

    fn delete(&self, key: &str) -> Result<bool> {
        self.0.delete(key)
    }

    fn clear(&self, prefix: &str) -> Result<()> {
        self.0.clear(prefix)
    }
}

/// A backend with conditional writes; two over one [`Mem`] are two processes at one server.
///
/// Says that it keeps time limits by itself, so that its calls run on the caller's thread.
pub struct Full(pub Arc<Mem>);

impl Backend for Full {
    fn capabilities(&self) -> Capabilities {
        Capabilities::none()
            .shared(true)
            .atomic_add(true)
            .conditional(true)
            .clear_by_prefix(true)
            .bounded(true)
    }

    fn get(&self, key: &str) -> Result<Option<Vec<u8>>> {
        self.0.get(key)
    }

    fn set(&self, key: &str, value: &[u8], life: Ttl) -> Result<()> {
        self.0.set(key, value, life)
    }

    fn delete(&self, key: &str) -> Result<bool> {
        self.0.delete(key)
    }

    fn clear(&self, prefix: &str) -> Result<()> {
        self.0.clear(prefix)
    }

    fn add(&self, key: &str, value: &[u8], life: Ttl) -> Result<bool> {
        self.0.run(Op::Set, key, |state, now| {
            let absent = state.live(key, now).is_none();
            if absent {
                state.put(key, value, life, now);
            }
            absent
        })
    }

    fn token(&self, key: &str) -> Result<Token> {
        self.0.run(Op::Get, key, |state, _| Token(*state.stamps.entry(key.to_owned()).or_insert(1)))
    }

    fn put_if(&self, key: &str, value: &[u8], life: Ttl, token: Token) -> Result<bool> {
        self.0.run(Op::Set, key, |state, now| {
            let same = state.stamps.get(key) == Some(&token.0);
            if same {
                state.put(key, value, life, now);
            }
            same
        })
    }

    fn fetch(&self, entry: &str, versions: &[&str]) -> Result<Fetched> {
        let token = self.token(entry)?;
        let bytes = self.get(entry)?;
        let versions = versions.iter().map(|key| self.make_or_read(key)).collect::<Result<_>>()?;
        Ok(Fetched::new(bytes, versions, Some(token)))
    }

    fn set_operation_timeout(&self, _limit: Duration) {}
}

impl Full {
    fn make_or_read(&self, key: &str) -> Result<cachekit::Version> {
        let fresh = cachekit::Version::fresh();
        if self.add(key, &fresh.to_bytes(), None)? {
            return Ok(fresh);
        }
        let bytes = self.get(key)?.unwrap_or_default();
        match cachekit::Version::from_bytes(&bytes) {
            Some(version) => Ok(version),
            None => self.set(key, &fresh.to_bytes(), None).map(|()| fresh),
        }
    }
}
