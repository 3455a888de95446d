//! Measurements of computations and of the backend, with the feature `metrics`. Without it a timer is empty and the methods
//! do nothing.

#[cfg(feature = "metrics")]
pub(crate) use on::{Meter, Timer, engines, observe, remember};

#[cfg(not(feature = "metrics"))]
pub(crate) use off::Timer;

#[cfg(feature = "metrics")]
mod on {
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::sync::{Arc, Weak};
    use std::time::{Duration, Instant};

    use cachekit_backends::Result;
    use metrics::{counter, histogram};
    use parking_lot::Mutex;

    use crate::engine::Engine;
    use crate::engine::remote::Remote;

    /// The computations of a function in one cache.
    #[derive(Default)]
    pub(crate) struct Meter {
        active: AtomicU64,
        ended: AtomicU64,
        nanos: AtomicU64,
    }

    /// A computation under way.
    pub(crate) struct Timer(Instant);

    impl Meter {
        /// How many computations are under way.
        pub(crate) fn active(&self) -> u64 {
            self.active.load(Ordering::Relaxed)
        }

        /// How many bodies have returned, and how long they took together.
        pub(crate) fn computed(&self) -> (u64, Duration) {
            (self.ended.load(Ordering::Relaxed), Duration::from_nanos(self.nanos.load(Ordering::Relaxed)))
        }
    }

    impl Engine {
        /// Begins a computation of a function, which [`computation_ends`](Self::computation_ends).
        pub(crate) fn computation_begins(&self, function: u32) -> Timer {
            #[cfg(feature = "testing")]
            self.computed.fetch_add(1, Ordering::SeqCst);
            self.meter_of(function).active.fetch_add(1, Ordering::Relaxed);
            Timer(Instant::now())
        }

        /// Notes that the body of a function has returned.
        pub(crate) fn body_returned(&self, function: u32, timer: &Timer) {
            let (took, meter) = (timer.0.elapsed(), self.meter_of(function));
            meter.ended.fetch_add(1, Ordering::Relaxed);
            meter.nanos.fetch_add(u64::try_from(took.as_nanos()).unwrap_or(u64::MAX), Ordering::Relaxed);
            let (cache, function) = (self.label().to_owned(), self.name_of(function));
            histogram!("cache.computation.duration", "cache" => cache, "function" => function)
                .record(took.as_secs_f64());
        }

        /// Ends a computation, whether its body has returned or not.
        pub(crate) fn computation_ends(&self, function: u32) {
            self.meter_of(function).active.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// Records an operation of a backend.
    pub(crate) fn observe<T>(remote: &Remote, operation: &'static str, took: Duration, result: &Result<T>) {
        let (cache, backend) = (remote.label().to_owned(), remote.name().clone());
        let outcome = if result.is_ok() { "ok" } else { "error" };
        histogram!(
            "cache.operation.duration",
            "cache" => cache.clone(), "backend" => backend.clone(), "operation" => operation, "outcome" => outcome
        )
        .record(took.as_secs_f64());
        if let Err(error) = result {
            let kind = format!("{:?}", error.kind());
            counter!("cache.operation.errors", "cache" => cache, "backend" => backend, "operation" => operation, "kind" => kind)
                .increment(1);
        }
    }

    static ENGINES: Mutex<Vec<Weak<Engine>>> = Mutex::new(Vec::new());

    /// Remembers a bound cache, for [`engines`].
    pub(crate) fn remember(engine: &Arc<Engine>) {
        let mut engines = ENGINES.lock();
        engines.retain(|engine| engine.strong_count() > 0);
        engines.push(Arc::downgrade(engine));
    }

    /// All caches that are bound.
    pub(crate) fn engines() -> Vec<Arc<Engine>> {
        ENGINES.lock().iter().filter_map(Weak::upgrade).collect()
    }
}

#[cfg(not(feature = "metrics"))]
mod off {
    use crate::engine::Engine;

    pub(crate) struct Timer;

    #[expect(clippy::unused_self, reason = "as those that measure")]
    impl Engine {
        #[inline]
        pub(crate) fn computation_begins(&self, _: u32) -> Timer {
            #[cfg(feature = "testing")]
            self.computed.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
            Timer
        }

        #[inline]
        pub(crate) fn body_returned(&self, _: u32, _: &Timer) {}

        #[inline]
        pub(crate) fn computation_ends(&self, _: u32) {}
    }
}
