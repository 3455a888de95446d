//! The tools of a case: a store, keys of its own, and time.

use std::fmt::Display;
use std::sync::{Arc, Barrier};
use std::time::Duration;

use parking_lot::Mutex;

use super::asynchronous::Blocking;
use super::handle::Handle;
use super::outcome::{Outcome, panic_text};
use super::{Make, Suite};
use crate::{Backend, Capabilities, Clock, ManualClock, Token, Ttl, Version, base32, ttl_millis};

/// The number of tries of a conditional write, which may fail without a reason.
const TRIES: usize = 32;

/// One case under way: a store, keys of its own, and time.
pub(super) struct Case<'a> {
    pub(super) suite: &'a Suite,
    pub(super) caps: Capabilities,
    pub(super) store: Handle,
    pub(super) manual: ManualClock,
    name: &'static str,
    prefix: String,
    keys: Mutex<Vec<String>>,
}

impl<'a> Case<'a> {
    pub(super) fn new(suite: &'a Suite, name: &'static str) -> Outcome<Self> {
        let manual = ManualClock::new();
        let store = open(suite, &suite.make, &manual)?;
        let prefix = format!("conformance:{}:", base32(&Version::fresh().to_bytes()));
        let caps = suite.claims.unwrap_or_else(|| store.0.capabilities());
        Ok(Self { suite, caps, store, manual, name, prefix, keys: Mutex::default() })
    }

    /// Passes a case that doesn't apply.
    #[expect(clippy::unnecessary_wraps, reason = "it ends a case")]
    pub(super) fn skip(&self, why: &str) -> Outcome {
        eprintln!("conformance case `{}` does not apply: {why}", self.name);
        Ok(())
    }

    /// A key that only this case uses.
    pub(super) fn key(&self, name: impl Display) -> String {
        let key = format!("{}{name}", self.prefix);
        self.keys.lock().push(key.clone());
        key
    }

    /// Several of them.
    pub(super) fn keys(&self, name: &str, count: usize) -> Vec<String> {
        (0..count).map(|i| self.key(format_args!("{name}{i}"))).collect()
    }

    /// Deletes all keys that were used. An error here was seen by the case, or is not its subject.
    pub(super) fn clean_up(&self) {
        let keys = std::mem::take(&mut *self.keys.lock());
        let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
        let _ = self.store.0.delete_many(&keys);
    }

    /// A second handle of the same store; the same handle if the store isn't shared.
    pub(super) fn another(&self) -> Outcome<Handle> {
        if self.caps.shared { self.open(&self.suite.make) } else { Ok(self.store.clone()) }
    }

    /// Opens a store on the clock of this case.
    pub(super) fn open(&self, make: &Make) -> Outcome<Handle> {
        open(self.suite, make, &self.manual)
    }

    /// The size in bytes, or the most that a value may have.
    pub(super) fn size(&self, wanted: usize) -> usize {
        self.caps.max_value_len.map_or(wanted, |most| most.min(wanted))
    }

    /// Whether time stands still unless the case moves it.
    pub(super) fn is_manual(&self) -> bool {
        self.suite.wait.is_none()
    }

    /// A TTL that a case may wait for.
    pub(super) fn short(&self) -> Duration {
        if self.is_manual() {
            self.suite.granularity.max(Duration::from_secs(10))
        } else {
            self.suite.granularity.max(Duration::from_millis(20))
        }
    }

    /// Lets time pass until an entry that was written with this TTL is gone.
    pub(super) fn outlive(&self, life: Duration) {
        let step = self.suite.granularity;
        if let Some(wait) = &self.suite.wait {
            // The first moment may lie within a step, and the answer of the store within the next.
            return wait(life + 2 * step);
        }
        let (life, step) = (ttl_millis(life), ttl_millis(step));
        let slack = if step == 1 { 0 } else { step };
        self.manual.advance(Duration::from_millis(life.next_multiple_of(step) + slack));
    }

    /// A conditional write with a token of just now, which must succeed before long.
    pub(super) fn put_now(&self, key: &str, value: &[u8], life: Ttl) -> Outcome {
        for _ in 0..TRIES {
            let token = self.store.token(key)?;
            if self.store.put_if(key, value, life, token)? {
                return Ok(());
            }
        }
        Err(format!(
            "a `put_if` with a fresh token, expected true once in {TRIES} tries, got false each time"
        ))
    }

    /// Two looks at a key's state without anything between them, which must agree before long.
    pub(super) fn still(&self, key: &str, between: impl Fn(&Handle) -> Outcome) -> Outcome<Token> {
        for _ in 0..TRIES {
            let token = self.store.token(key)?;
            between(&self.store)?;
            if self.store.token(key)? == token {
                return Ok(token);
            }
        }
        Err(format!(
            "two tokens of a key without a change between them, expected the same once in {TRIES} tries, got others"
        ))
    }
}

fn open(suite: &Suite, make: &Make, manual: &ManualClock) -> Outcome<Handle> {
    let clock = if suite.wait.is_some() { Clock::system() } else { manual.clock() };
    let backend = make(&clock);
    let Some(block_on) = &suite.block_on else { return Ok(Handle(backend)) };
    if backend.asynchronous().is_none() {
        return Err("`asynchronous`, expected asynchronous methods, got none".into());
    }
    Ok(Handle(Arc::new(Blocking::new(backend, Arc::clone(block_on)))))
}

/// Runs a part on each of several threads, which start together.
pub(super) fn race<T: Send>(threads: usize, part: impl Fn(usize) -> Outcome<T> + Sync) -> Outcome<Vec<T>> {
    let barrier = Barrier::new(threads);
    let (barrier, part) = (&barrier, &part);
    std::thread::scope(|scope| {
        let run = move |i| {
            barrier.wait();
            part(i)
        };
        let all: Vec<_> = (0..threads).map(|i| scope.spawn(move || run(i))).collect();
        all.into_iter()
            .map(|thread| {
                thread.join().unwrap_or_else(|panic| {
                    Err(format!("expected no panic in a thread, got the panic {:?}", panic_text(&*panic)))
                })
            })
            .collect()
    })
}
