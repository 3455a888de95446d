use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;

use crate::{
    Backend, Capabilities, Cursor, Error, ErrorKind, Fetched, KeyPage, ManualClock, Result, Token, Ttl,
    Usage, Version,
};

/// A backend with faults, for tests: each operation draws by a seed whether it goes wrong, and how.
///
/// Every fault is one that a real store and its network may have, so cachekit keeps its promises over it: calls return the right
/// values, deletions that returned `Ok` are final. With one thread the faults of a seed are the same in each run.
///
/// Without settings no operation goes wrong. A probability is from 0 to 1.
///
/// ```
/// use cachekit_backends::layers::Chaos;
/// use cachekit_backends::simple::SimpleBackend;
/// use cachekit_backends::{Backend, Clock};
///
/// let store = SimpleBackend::new(0, Clock::system());
/// let chaos = Chaos::new(store, 42).errors(0.5);
/// let failed = (0..100).filter(|_| chaos.get("key").is_err()).count();
/// assert!((20..80).contains(&failed));
/// ```
pub struct Chaos<B> {
    inner: B,
    seed: u64,
    drawn: AtomicU64,
    faults: Faults,
    /// Made after the next operation.
    late: Mutex<Vec<Late>>,
}

/// How often each fault happens.
#[derive(Clone, Default)]
struct Faults {
    errors: f64,
    lost_answers: f64,
    drops: f64,
    truncation: f64,
    partial_writes: f64,
    reordering: f64,
    delays: Option<(f64, ManualClock, Duration)>,
}

/// A conditional write whose caller was told that it failed.
struct Late {
    key: String,
    value: Vec<u8>,
    life: Ttl,
    token: Token,
}

macro_rules! setters {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[must_use]
        pub fn $name(mut self, probability: f64) -> Self {
            self.faults.$name = probability;
            self
        }
    )*};
}

impl<B: Backend> Chaos<B> {
    /// Puts faults that a seed decides in front of a backend.
    pub fn new(inner: B, seed: u64) -> Self {
        Self { inner, seed, drawn: AtomicU64::new(0), faults: Faults::default(), late: Mutex::default() }
    }

    setters! {
        /// Operations fail and are not made.
        errors;
        /// Operations are made, and their callers are told that they failed.
        lost_answers;
        /// Values are evicted as soon as they are stored, versions too.
        drops;
        /// Reads return a part of the value.
        truncation;
        /// Writes store a part of the value, as those that a crash interrupted.
        partial_writes;
        /// Conditional writes are made after the operation that follows, and their callers are told that they failed.
        reordering;
    }

    /// Operations take so long by a clock that is moved by hand.
    #[must_use]
    pub fn delays(mut self, probability: f64, clock: &ManualClock, time: Duration) -> Self {
        self.faults.delays = Some((probability, clock.clone(), time));
        self
    }

    /// The backend behind the faults.
    pub fn inner(&self) -> &B {
        &self.inner
    }

    /// The next number of the seed (`SplitMix64`, Steele, Lea and Flood 2014).
    fn draw(&self) -> u64 {
        let step = self.drawn.fetch_add(1, Ordering::Relaxed).wrapping_add(1);
        let mut z = self.seed.wrapping_add(step.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    #[expect(clippy::cast_precision_loss, reason = "53 bits of it are drawn")]
    fn happens(&self, probability: f64) -> bool {
        probability > 0.0 && ((self.draw() >> 11) as f64) < probability * (1u64 << 53) as f64
    }

    /// Runs an operation, unless it fails before or its answer is lost.
    fn run<R>(&self, operation: impl FnOnce(&B) -> Result<R>) -> Result<R> {
        let late = std::mem::take(&mut *self.late.lock());
        if let Some((probability, clock, time)) = &self.faults.delays
            && self.happens(*probability)
        {
            clock.advance(*time);
        }
        let result = if self.happens(self.faults.errors) {
            Err(failed("the operation failed"))
        } else {
            operation(&self.inner)
        };
        for Late { key, value, life, token } in late {
            let _ = self.inner.put_if(&key, &value, life, token);
        }
        if result.is_ok() && self.happens(self.faults.lost_answers) {
            return Err(failed("the answer was lost"));
        }
        result
    }

    /// The bytes that a write of these stores.
    fn written<'v>(&self, value: &'v [u8]) -> &'v [u8] {
        if self.happens(self.faults.partial_writes) { self.part(value) } else { value }
    }

    fn part<'v>(&self, value: &'v [u8]) -> &'v [u8] {
        let most = u64::try_from(value.len()).unwrap_or(u64::MAX).max(1);
        let len = usize::try_from(self.draw() % most).unwrap_or_default();
        &value[..len.min(value.len())]
    }

    fn read(&self, value: Vec<u8>) -> Vec<u8> {
        if self.happens(self.faults.truncation) { self.part(&value).to_vec() } else { value }
    }

    /// Evicts what was stored, perhaps.
    fn stored(&self, key: &str) -> Result<()> {
        if self.happens(self.faults.drops) { self.inner.delete(key).map(drop) } else { Ok(()) }
    }
}

#[cold]
fn failed(what: &'static str) -> Error {
    Error::new(ErrorKind::Unavailable, format!("chaos: {what}"))
}

impl<B: Backend> Backend for Chaos<B> {
    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }

    fn get(&self, key: &str) -> Result<Option<Vec<u8>>> {
        let found = self.run(|inner| inner.get(key))?;
        Ok(found.map(|value| self.read(value)))
    }

    fn get_many(&self, keys: &[&str]) -> Result<Vec<Option<Vec<u8>>>> {
        let found = self.run(|inner| inner.get_many(keys))?;
        Ok(found.into_iter().map(|value| value.map(|value| self.read(value))).collect())
    }

    fn fetch(&self, entry: &str, versions: &[&str]) -> Result<Fetched> {
        let mut fetched = self.run(|inner| inner.fetch(entry, versions))?;
        fetched.entry = fetched.entry.map(|value| self.read(value));
        Ok(fetched)
    }

    fn set(&self, key: &str, value: &[u8], life: Ttl) -> Result<()> {
        self.run(|inner| inner.set(key, self.written(value), life).and_then(|()| self.stored(key)))
    }

    fn add(&self, key: &str, value: &[u8], life: Ttl) -> Result<bool> {
        self.run(|inner| {
            let added = inner.add(key, self.written(value), life)?;
            if added {
                self.stored(key)?;
            }
            Ok(added)
        })
    }

    fn put_if(&self, key: &str, value: &[u8], life: Ttl, token: Token) -> Result<bool> {
        if self.happens(self.faults.reordering) {
            let late = Late { key: key.to_owned(), value: value.to_vec(), life, token };
            self.late.lock().push(late);
            return Err(failed("the write comes late"));
        }
        self.run(|inner| {
            let stored = inner.put_if(key, self.written(value), life, token)?;
            if stored {
                self.stored(key)?;
            }
            Ok(stored)
        })
    }

    fn token(&self, key: &str) -> Result<Token> {
        self.run(|inner| inner.token(key))
    }

    fn delete_if(&self, key: &str, token: Token) -> Result<bool> {
        self.run(|inner| inner.delete_if(key, token))
    }

    fn delete(&self, key: &str) -> Result<bool> {
        self.run(|inner| inner.delete(key))
    }

    fn clear(&self, prefix: &str) -> Result<()> {
        self.run(|inner| inner.clear(prefix))
    }

    fn keys(&self, prefix: &str, at: Option<&Cursor>) -> Result<KeyPage> {
        self.run(|inner| inner.keys(prefix, at))
    }

    fn usage(&self) -> Usage {
        self.inner.usage()
    }

    fn mark(&self) -> Result<Option<u64>> {
        self.inner.mark()
    }

    fn renew_mark(&self) -> Result<()> {
        self.run(B::renew_mark)
    }

    fn make_version(&self, key: &str, replace: bool) -> Result<Version> {
        self.run(|inner| inner.make_version(key, replace))
    }

    fn set_operation_timeout(&self, limit: Duration) {
        self.inner.set_operation_timeout(limit);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Clock;
    use crate::simple::SimpleBackend;

    fn chaos(seed: u64) -> Chaos<SimpleBackend> {
        Chaos::new(SimpleBackend::new(0, Clock::system()), seed)
    }

    #[test]
    fn a_seed_decides_the_faults() {
        let faults = |seed| -> Vec<bool> {
            let chaos = chaos(seed).errors(0.5);
            (0..64).map(|_| chaos.get("k").is_err()).collect()
        };
        assert_eq!(faults(1), faults(1));
        assert_ne!(faults(1), faults(2));
    }

    #[test]
    fn without_settings_nothing_goes_wrong() {
        let chaos = chaos(1);
        for n in 0..100u8 {
            chaos.set("k", &[n], None).unwrap();
            assert_eq!(chaos.get("k").unwrap(), Some(vec![n]));
        }
    }

    #[test]
    fn each_fault_does_what_it_says() {
        let failing = chaos(1).errors(1.0);
        assert!(failing.set("k", b"value", None).is_err());
        assert_eq!(failing.inner().get("k").unwrap(), None, "not made");

        let lost = chaos(1).lost_answers(1.0);
        assert!(lost.set("k", b"value", None).is_err());
        assert_eq!(lost.inner().get("k").unwrap().as_deref(), Some(&b"value"[..]), "made");

        let dropping = chaos(1).drops(1.0);
        dropping.set("k", b"value", None).unwrap();
        assert_eq!(dropping.get("k").unwrap(), None);

        let short = chaos(1).truncation(1.0);
        short.set("k", b"value", None).unwrap();
        assert!(short.get("k").unwrap().unwrap().len() < 5);
        assert_eq!(short.inner().get("k").unwrap().unwrap().len(), 5);

        let partial = chaos(1).partial_writes(1.0);
        partial.set("k", b"value", None).unwrap();
        assert!(partial.inner().get("k").unwrap().unwrap().len() < 5);

        let clock = ManualClock::new();
        let before = clock.clock().now();
        chaos(1).delays(1.0, &clock, Duration::from_millis(7)).get("k").unwrap();
        assert_eq!(clock.clock().now(), before + 7);
    }

    #[test]
    fn a_late_write_comes_after_the_next_operation_and_after_a_deletion_not_at_all() {
        let late = chaos(1).reordering(1.0);
        for (delete, stored) in [(false, true), (true, false)] {
            late.inner().delete("k").unwrap();
            let token = late.token("k").unwrap();
            assert!(late.put_if("k", b"value", None, token).is_err());
            if delete {
                late.delete("k").unwrap();
            }
            assert_eq!(late.get("k").unwrap(), None);
            assert_eq!(late.get("k").unwrap().is_some(), stored);
        }
    }
}
