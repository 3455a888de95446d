use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use crate::{Clock, Error, ErrorKind, Result};

/// A circuit breaker: after some failures in a row the backend isn't asked, but for one probe an interval.
///
/// While it is open a call pays an atomic load and an error value. (Nygard, "Release It!", 2007.)
#[derive(Debug)]
pub struct Breaker {
    threshold: u32,
    interval: Duration,
    clock: Clock,
    failures: AtomicU32,
    /// The moment of the next probe; 0 while the circuit is closed.
    probe_at: AtomicU64,
}

impl Breaker {
    /// Opens after `threshold` failures in a row, and lets one operation pass in each `interval` then.
    pub fn new(threshold: u32, interval: Duration) -> Self {
        Self {
            threshold: threshold.max(1),
            interval,
            clock: Clock::system(),
            failures: AtomicU32::new(0),
            probe_at: AtomicU64::new(0),
        }
    }

    /// Whether an operation may go to the backend.
    ///
    /// # Errors
    /// [`ErrorKind::CircuitOpen`] if it may not.
    pub fn admit(&self) -> Result<()> {
        let at = self.probe_at.load(Ordering::Acquire);
        if at == 0 {
            return Ok(());
        }
        if self.clock.is_past(at) {
            // One caller wins the probe; the others return the error.
            let next = self.next_probe();
            if self.probe_at.compare_exchange(at, next, Ordering::AcqRel, Ordering::Relaxed).is_ok() {
                return Ok(());
            }
        }
        Err(Self::refusal())
    }

    /// Whether no operation may go to the backend now, not even a probe. Unlike [`admit`](Self::admit) it promises no operation.
    pub fn refuses(&self) -> bool {
        let at = self.probe_at.load(Ordering::Acquire);
        at != 0 && !self.clock.is_past(at)
    }

    /// The error of an operation that may not go to the backend.
    #[cold]
    pub fn refusal() -> Error {
        Error::new(
            ErrorKind::CircuitOpen,
            "the cache's backend failed several times in a row and is left alone until a probe succeeds; \
             see the errors logged before",
        )
    }

    /// Records a success, which closes the circuit.
    pub fn succeeded(&self) {
        if self.failures.load(Ordering::Relaxed) != 0 {
            self.failures.store(0, Ordering::Relaxed);
        }
        if self.probe_at.load(Ordering::Relaxed) != 0 {
            self.probe_at.store(0, Ordering::Release);
            tracing::info!(target: "cachekit", "the cache's backend answers again");
        }
    }

    /// Whether the circuit is open.
    pub fn is_open(&self) -> bool {
        self.probe_at.load(Ordering::Acquire) != 0
    }

    /// Whether an error counts: it is neither a mistake of the caller nor one in a value.
    pub fn counts(error: &Error) -> bool {
        matches!(
            error.kind(),
            ErrorKind::Unavailable
                | ErrorKind::Timeout
                | ErrorKind::Auth
                | ErrorKind::Protocol
                | ErrorKind::Io
                | ErrorKind::Other
        )
    }

    /// Records a failure, if it [counts](Self::counts).
    pub fn failed(&self, error: &Error) {
        if !Self::counts(error) {
            return;
        }
        let failures = self.failures.fetch_add(1, Ordering::Relaxed).saturating_add(1);
        if failures >= self.threshold {
            self.probe_at.store(self.next_probe(), Ordering::Release);
            if failures == self.threshold {
                tracing::warn!(target: "cachekit", failures, "the cache's backend is left alone now: {error}");
            }
        }
    }

    fn next_probe(&self) -> u64 {
        let interval = u64::try_from(self.interval.as_millis()).unwrap_or(u64::MAX / 2);
        self.clock.monotonic().saturating_add(interval).max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn down() -> Error {
        Error::new(ErrorKind::Unavailable, "gone")
    }

    #[test]
    fn opens_after_the_threshold_probes_once_an_interval_and_closes_on_success() {
        let manual = crate::ManualClock::new();
        let mut breaker = Breaker::new(3, Duration::from_millis(100));
        breaker.clock = manual.clock();
        for _ in 0..2 {
            breaker.failed(&down());
            assert!(breaker.admit().is_ok());
        }
        assert!(!breaker.is_open());
        breaker.failed(&down());
        assert_eq!(breaker.admit().unwrap_err().kind(), ErrorKind::CircuitOpen);
        assert!(breaker.is_open() && breaker.refuses());
        manual.advance(Duration::from_millis(100));
        assert!(!breaker.refuses() && breaker.admit().is_ok(), "the probe");
        assert!(breaker.refuses() && breaker.admit().is_err(), "only one");
        breaker.failed(&down());
        manual.advance(Duration::from_millis(100));
        assert!(breaker.admit().is_ok());
        breaker.succeeded();
        assert!(breaker.admit().is_ok() && breaker.admit().is_ok() && !breaker.is_open());
    }

    #[test]
    fn a_bad_value_is_no_outage() {
        let breaker = Breaker::new(1, Duration::from_secs(1));
        breaker.failed(&Error::new(ErrorKind::Codec, "not encodable"));
        breaker.failed(&Error::new(ErrorKind::Full, "too large"));
        assert!(breaker.admit().is_ok());
    }
}
