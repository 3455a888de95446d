use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::Thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::process::PerProcess;

/// How often the ticker advances the coarse time, in milliseconds.
const TICK: u64 = 4;
/// How long the ticker goes on after it was last woken. A process that uses no cache for this long has no ticking
/// thread; the first reader afterwards wakes it.
const AWAKE: Duration = Duration::from_secs(1);
/// How far the coarse time may be behind: a tick, and one more for a ticker that is late.
const LAG: u64 = 2 * TICK;
/// [`AHEAD`] while the ticker sleeps, and in a process that was forked, which has no ticker yet.
const ASLEEP: u64 = u64::MAX;

/// A source of time, in milliseconds since the Unix epoch. Cheap to clone; the real one or one that a test moves by hand.
///
/// The source is the ticking clock of Linux' `CLOCK_MONOTONIC_COARSE` and Caffeine's `Ticker`, in user space: a read of
/// the system's clock costs 45 to 70 ns on a virtual machine, a read of an atomic that a thread advances 1 ns.
#[derive(Clone, Debug)]
pub struct Clock {
    /// Moments from this on are certainly not over. One number for every kind of clock, so that the way of a hit asks no
    /// more than this.
    ahead: &'static AtomicU64,
    source: Source,
}

#[derive(Clone, Copy, Debug)]
enum Source {
    /// [`AHEAD`] is its number.
    System,
    /// The number is one more than the time.
    #[cfg_attr(not(any(test, feature = "testing")), allow(dead_code))]
    Manual,
}

impl Default for Clock {
    fn default() -> Self {
        Self::system()
    }
}

impl Clock {
    /// The system's clock.
    pub const fn system() -> Self {
        Self { ahead: &AHEAD, source: Source::System }
    }

    /// The wall-clock time now. For what leaves the process; costs a read of the system's clock.
    pub fn now(&self) -> u64 {
        match self.source {
            Source::System => wall_millis(),
            Source::Manual => self.by_hand(),
        }
    }

    /// A time that never goes back while the process lives, for what stays in it; costs a read of the system's clock.
    pub fn monotonic(&self) -> u64 {
        match self.source {
            Source::System => anchor().millis(),
            Source::Manual => self.by_hand(),
        }
    }

    /// The time of a clock that is moved by hand.
    fn by_hand(&self) -> u64 {
        self.ahead.load(Ordering::SeqCst) - 1
    }

    /// The [`monotonic`](Self::monotonic) time as of the last tick: behind it by 4 ms, and more if the ticker is late. Costs
    /// one load; a read of the system's clock where the ticker sleeps, which wakes it.
    pub(crate) fn coarse(&self) -> u64 {
        match self.source {
            Source::System => match self.ahead.load(Ordering::Relaxed) {
                ASLEEP => {
                    ticker().unpark();
                    self.monotonic()
                }
                ahead => ahead - LAG - 1,
            },
            Source::Manual => self.monotonic(),
        }
    }

    /// Whether the [`monotonic`](Self::monotonic) moment `expiry` is over; `u64::MAX` never is. Costs one load, and reads the
    /// system's clock only within two ticks (8 ms) of the moment; so the answer is exact to the millisecond while the ticker is
    /// on time.
    #[inline(always)]
    // Three instructions of the hottest path there is.
    #[expect(clippy::inline_always, reason = "on the way of every hit, across crates")]
    pub fn is_past(&self, expiry: u64) -> bool {
        !self.is_certainly_ahead(expiry) && self.is_surely_past(expiry)
    }

    /// Whether the [`monotonic`](Self::monotonic) moment `expiry` is certainly not over; `u64::MAX` never is. Costs one load and
    /// calls nothing; false within two ticks (8 ms) of the moment and while the ticker sleeps, when only
    /// [`is_past`](Self::is_past) knows.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "a few instructions of the hottest path there is")]
    pub(crate) fn is_certainly_ahead(&self, expiry: u64) -> bool {
        expiry >= self.ahead.load(Ordering::Relaxed)
    }

    /// Whether a moment is over that may be so.
    #[cold]
    fn is_surely_past(&self, expiry: u64) -> bool {
        if let Source::Manual = self.source {
            return self.by_hand() >= expiry;
        }
        if self.ahead.load(Ordering::Relaxed) == ASLEEP {
            ticker().unpark();
        }
        anchor().millis() >= expiry
    }
}

/// The earliest moment that is certainly not over by the system's clock: the coarse time, [`LAG`] and one.
static AHEAD: AtomicU64 = AtomicU64::new(ASLEEP);

/// Wall-clock time at one moment, from which monotonic time is counted: the numbers read as dates, but never step back.
struct Anchor {
    wall: u64,
    at: Instant,
}

impl Anchor {
    fn millis(&self) -> u64 {
        self.wall + u64::try_from(self.at.elapsed().as_millis()).unwrap_or(u64::MAX / 2)
    }
}

fn anchor() -> &'static Anchor {
    static ANCHOR: OnceLock<Anchor> = OnceLock::new();
    ANCHOR.get_or_init(|| Anchor { wall: wall_millis().max(1), at: Instant::now() })
}

fn wall_millis() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// The thread that advances the coarse time, started at the first need and parked while the time isn't read.
fn ticker() -> &'static Thread {
    static TICKER: PerProcess<Thread> = PerProcess::new();
    TICKER.get(|| {
        if !sleeps_in_children() {
            return std::thread::current();
        }
        let spawned = std::thread::Builder::new().name("cachekit-clock".into()).spawn(tick);
        match spawned {
            Ok(handle) => handle.thread().clone(),
            // No thread to be had: the coarse time stays asleep and every check is a precise one.
            Err(_) => std::thread::current(),
        }
    })
}

/// Has the coarse time fall asleep in each process forked from now on; false if the system has no memory for that. Without
/// it the time would stand still there.
fn sleeps_in_children() -> bool {
    static ASKED: AtomicBool = AtomicBool::new(false);
    extern "C" fn sleep() {
        AHEAD.store(ASLEEP, Ordering::Relaxed);
    }
    // Asked for twice by two threads, it does no harm.
    if !ASKED.load(Ordering::Acquire) {
        if crate::fork::in_each_child(sleep).is_err() {
            return false;
        }
        ASKED.store(true, Ordering::Release);
    }
    true
}

fn tick() {
    loop {
        let until = Instant::now() + AWAKE;
        while Instant::now() < until {
            AHEAD.store(anchor().millis() + LAG + 1, Ordering::Relaxed);
            // The pace of the clock itself.
            std::thread::sleep(Duration::from_millis(TICK));
        }
        AHEAD.store(ASLEEP, Ordering::Relaxed);
        std::thread::park();
    }
}

/// A clock that stands still until a test moves it.
#[cfg(any(test, feature = "testing"))]
#[derive(Clone, Debug)]
pub struct ManualClock(Clock);

#[cfg(any(test, feature = "testing"))]
impl Default for ManualClock {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(any(test, feature = "testing"))]
impl ManualClock {
    /// A clock at a moment in the year 2020. Takes eight bytes for as long as the process lives.
    pub fn new() -> Self {
        let ahead = Box::leak(Box::new(AtomicU64::new(1_577_836_800_001)));
        Self(Clock { ahead, source: Source::Manual })
    }

    /// Moves the time on.
    pub fn advance(&self, by: Duration) {
        self.0.ahead.fetch_add(u64::try_from(by.as_millis()).unwrap_or(u64::MAX / 2), Ordering::SeqCst);
    }

    /// Moves the time back, as the clock of a machine that is set; what stays in the process never sees that happen.
    pub fn turn_back(&self, by: Duration) {
        self.0.ahead.fetch_sub(u64::try_from(by.as_millis()).unwrap_or(u64::MAX / 2), Ordering::SeqCst);
    }

    /// The clock to hand to a cache or a backend.
    pub fn clock(&self) -> Clock {
        self.0.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manual_clock_moves_by_hand_only() {
        let manual = ManualClock::new();
        let clock = manual.clock();
        let end = clock.monotonic() + 10;
        assert!(!clock.is_past(end));
        manual.advance(Duration::from_millis(9));
        assert!(!clock.is_past(end));
        manual.advance(Duration::from_millis(1));
        assert!(clock.is_past(end));
        assert_eq!(clock.now(), end);
    }

    #[test]
    fn the_system_clock_knows_past_and_future_asleep_and_awake() {
        let clock = Clock::system();
        for _ in 0..2 {
            let now = clock.monotonic();
            assert!(clock.is_past(now));
            assert!(!clock.is_past(now + 60_000));
        }
        assert!(clock.monotonic().abs_diff(clock.now()) < 60_000);
    }
}
