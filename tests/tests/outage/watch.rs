//! Events beside a test: delays of the machine, and panics.

use std::sync::Once;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

static LATE: AtomicU64 = AtomicU64::new(0);
static PANICS: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// Starts to watch. Panics count on threads that are not a test's own.
pub(crate) fn start() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        std::thread::spawn(|| {
            const TICK: Duration = Duration::from_millis(5);
            loop {
                let begin = Instant::now();
                std::thread::sleep(TICK);
                let late = begin.elapsed().saturating_sub(TICK);
                LATE.fetch_add(u64::try_from(late.as_micros()).unwrap(), Ordering::Relaxed);
            }
        });
        let usual = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            let thread = std::thread::current();
            let name = thread.name().unwrap_or_default();
            if ["cachekit", "tokio"].iter().any(|start| name.starts_with(start)) {
                PANICS.lock().push(format!("{name}: {info}"));
            }
            usual(info);
        }));
    });
}

/// The panics up to now.
pub(crate) fn panics() -> Vec<String> {
    PANICS.lock().clone()
}

/// Measures how long something takes, less what the machine was late meanwhile.
pub(crate) fn time<R>(work: impl FnOnce() -> R) -> (R, Duration) {
    let (late, begin) = (LATE.load(Ordering::Relaxed), Instant::now());
    let result = work();
    let (took, late) = (begin.elapsed(), LATE.load(Ordering::Relaxed) - late);
    (result, took.saturating_sub(Duration::from_micros(late)))
}
