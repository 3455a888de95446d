//! A cache under test, and what must hold for it while its server is in trouble and after.

use std::cell::Cell;
use std::future::Future;
use std::time::{Duration, Instant};

use cachekit::testing::{Entered, Scoped};
use cachekit::{Cache, Config, Error, ErrorKind, delete_memoized, delete_memoized_verhash, memoize, peek};
use tokio::runtime::Runtime;

use crate::kinds::{Kind, SECRET, SPREAD_OVER, at};
use crate::watch::time;

/// The operation timeout.
pub(crate) const LIMIT: Duration = Duration::from_millis(200);
/// A thread that is woken on a busy machine is late. Less than the limit, so that waiting twice is found.
const LATE: Duration = Duration::from_millis(180);
/// Now and then it is later than that.
const VERY_LATE: Duration = Duration::from_secs(3);
pub(crate) const PROBE: Duration = Duration::from_millis(200);
/// After so many failures the breaker opens.
const FAILURES: u32 = 3;
const NEVER: Duration = Duration::from_secs(3600);
/// By then it must have happened, on any machine.
const PATIENCE: Duration = Duration::from_secs(30);

thread_local! {
    static RUNS: Cell<u32> = const { Cell::new(0) };
    static NEXT: Cell<u64> = const { Cell::new(1000) };
}

/// The right value of a number; `spread` has to split it.
pub(crate) fn right(n: u64) -> String {
    format!("{n:>0$}", SPREAD_OVER + 1000)
}

#[memoize(name = "outage.text")]
fn text(n: u64) -> String {
    RUNS.set(RUNS.get() + 1);
    right(n)
}

#[memoize(name = "outage.later")]
async fn later(n: u64) -> String {
    RUNS.set(RUNS.get() + 1);
    right(n)
}

/// A number that was not asked for yet.
fn fresh() -> u64 {
    NEXT.replace(NEXT.get() + 1)
}

/// Does something that must take no longer than the limit. A wait that is longer by design is so each time.
fn in_time<R>(what: &str, work: impl Fn() -> R) -> R {
    let mut times = [Duration::ZERO; 3];
    for took in &mut times {
        let result;
        (result, *took) = time(&work);
        assert!(*took < LIMIT + VERY_LATE, "{what} took {took:?}");
        if *took < LIMIT + LATE {
            return result;
        }
    }
    panic!("{what} took {times:?}");
}

/// How often the function ran since the last time.
pub(crate) fn runs() -> u32 {
    RUNS.take()
}

/// A cache, the default one of this thread while it is entered.
pub(crate) struct Subject {
    scoped: Scoped,
    runtime: Runtime,
}

impl Subject {
    /// One that never leaves its server alone.
    pub(crate) fn stubborn(kind: &Kind, port: u16) -> Self {
        Self::new((kind.config)(port).breaker_threshold(u32::MAX))
    }

    /// One that leaves it alone for ever.
    fn resigned(kind: &Kind, port: u16) -> Self {
        Self::new((kind.config)(port).breaker_threshold(FAILURES).probe_interval(NEVER))
    }

    /// One that leaves it alone and tries it now and then.
    fn hopeful(kind: &Kind, port: u16) -> Self {
        Self::new((kind.config)(port).breaker_threshold(FAILURES).probe_interval(PROBE))
    }

    pub(crate) fn new(config: Config) -> Self {
        let config = config.operation_timeout(LIMIT).connect_timeout(LIMIT).key_prefix("outage:");
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        Self { scoped: Scoped::new(config), runtime }
    }

    pub(crate) fn cache(&self) -> &'static Cache {
        self.scoped.cache()
    }

    pub(crate) fn enter(&self) -> Entered {
        self.scoped.enter()
    }

    pub(crate) fn block_on<F: Future>(&self, future: F) -> F::Output {
        let _entered = self.enter();
        self.runtime.block_on(future)
    }

    /// Calls both functions; the values are right.
    pub(crate) fn call(&self, n: u64) {
        let _entered = self.enter();
        assert_eq!(text(n), right(n));
        assert_eq!(self.block_on(later(n)), right(n));
    }

    /// Whether both functions find the value of a number, which they had before.
    pub(crate) fn hits(&self, n: u64) -> bool {
        runs();
        self.call(n);
        runs() == 0
    }

    /// Both functions store, and find what they stored; at once, or soon.
    pub(crate) fn works(&self) {
        let end = Instant::now() + PATIENCE;
        let n = fresh();
        while !self.hits(n) {
            assert!(Instant::now() < end, "nothing is stored");
        }
    }

    /// Both functions run exactly once for a call, return the right value, and wait no longer than they may.
    pub(crate) fn bears_it(&self) {
        let _entered = self.enter();
        let n = fresh();
        let once = |call: &dyn Fn() -> String| {
            runs();
            assert_eq!((call(), runs()), (right(n), 1));
        };
        in_time("a call", || once(&|| text(n)));
        in_time("a call of tasks", || once(&|| self.block_on(later(n))));
    }

    /// Returns the errors of deletions and methods, each in time. All at once, because most of it is waiting.
    pub(crate) fn errors(&self) -> Vec<Error> {
        type Work<'a> = &'a (dyn Fn() -> cachekit::Result<()> + Sync);
        let (cache, aio, key) = (self.cache(), self.cache().aio(), "outage");
        let all: [(&str, Work<'_>); 15] = [
            ("the deletion of a call", &|| delete_memoized!(text, 1)),
            ("the deletion of a function", &|| delete_memoized!(text)),
            ("the deletion of a version", &|| delete_memoized_verhash!(text)),
            ("the deletion of a call of tasks", &|| self.block_on(delete_memoized!(later, 1))),
            ("the deletion of a function of tasks", &|| self.block_on(delete_memoized!(later))),
            ("`peek!`", &|| peek!(text, 1).map(drop)),
            ("`get`", &|| cache.get::<u8>(key).map(drop)),
            ("`set`", &|| cache.set(key, &1u8, 60)),
            ("`add`", &|| cache.add(key, &1u8, 60).map(drop)),
            ("`incr`", &|| cache.incr(key, 1).map(drop)),
            ("`delete_many`", &|| cache.delete_many(&[key, "other"]).map(drop)),
            ("`clear`", &|| cache.clear()),
            ("`get` of a task", &|| self.block_on(aio.get::<u8>(key)).map(drop)),
            ("`set_many` of a task", &|| self.block_on(aio.set_many(&[(key, 1u8)], 60))),
            ("`clear` of a task", &|| self.block_on(aio.clear())),
        ];
        let fail = |what: &str, work: Work<'_>| {
            let _entered = self.enter();
            in_time(what, work).expect_err(what)
        };
        std::thread::scope(|scope| {
            let threads = all.map(|(what, work)| scope.spawn(move || fail(what, work)));
            threads.map(|thread| thread.join().unwrap()).into()
        })
    }
}

/// All errors are of a kind, name the server, and show no secret.
pub(crate) fn are_clear(errors: &[Error], kinds: &[ErrorKind], port: u16) {
    for error in errors {
        let fits = kinds.contains(&error.kind()) || is_late(error);
        assert!(fits, "{:?}: {error}", error.kind());
        shows(error, &at(port));
    }
}

/// Whether the time was over, as it may be on a busy machine, before the fault was seen or a connection was accepted; or another
/// caller of a shared connection saw the fault, and this one that the connection was closed.
pub(crate) fn is_late(error: &Error) -> bool {
    let text = error.to_string();
    error.kind() == ErrorKind::Timeout
        || ["no connection to ", "closed the connection"].iter().any(|end| text.contains(end))
}

/// An error says something, and shows no secret.
pub(crate) fn shows(error: &Error, what: &str) {
    let text = error.to_string();
    assert!(text.contains(what), "`{what}` in {text}");
    let all = format!("{text} {error:?}");
    assert!(!all.contains(SECRET) && !all.contains(cachekit_tests::memcached::SASL_PASSWORD), "{all}");
}

/// All that must hold from the moment that a server breaks until it is back. What is `asked` counts whatever comes to
/// the server; without, it can't be seen.
pub(crate) fn outage(
    (kind, port): (&Kind, u16),
    kinds: &[ErrorKind],
    asked: Option<&dyn Fn() -> u64>,
    breaks: impl FnOnce(),
    heals: impl FnOnce(),
) {
    let stubborn = Subject::stubborn(kind, port);
    let (resigned, hopeful) = (Subject::resigned(kind, port), Subject::hopeful(kind, port));
    for subject in [&stubborn, &resigned, &hopeful] {
        subject.works();
    }
    breaks();
    stubborn.bears_it();
    are_clear(&stubborn.errors(), kinds, port);
    stubborn.bears_it();
    (0..FAILURES).for_each(|_| resigned.bears_it());
    if let Some(asked) = asked {
        is_left_alone(&resigned, asked);
    }
    (0..FAILURES).for_each(|_| hopeful.bears_it());
    heals();
    let ((), took) = time(|| hopeful.works());
    assert!(took < PROBE + LIMIT + VERY_LATE, "it took {took:?} to notice that the server is back");
    stubborn.works();
}

/// Once the breaker is open, nothing goes to the server, and no call waits.
fn is_left_alone(subject: &Subject, asked: &dyn Fn() -> u64) {
    let _entered = subject.enter();
    // Earlier requests may still be on their way.
    let (mut before, end) = (asked(), Instant::now() + PATIENCE);
    loop {
        std::thread::sleep(Duration::from_millis(30));
        let now = asked();
        if now == before {
            break;
        }
        assert!(Instant::now() < end, "the server is asked again and again");
        before = now;
    }
    let ((), took) = time(|| (0..100).for_each(|_| subject.call(7)));
    assert!(took < VERY_LATE, "200 calls took {took:?} without a request to the server");
    assert_eq!(delete_memoized!(text).unwrap_err().kind(), ErrorKind::CircuitOpen);
    assert_eq!(subject.cache().get::<u8>("outage").unwrap_err().kind(), ErrorKind::CircuitOpen);
    assert_eq!(asked(), before, "the server is left alone");
}
