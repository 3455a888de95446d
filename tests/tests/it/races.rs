//! Promise 2 under fire: after a deletion has returned `Ok`, no call that starts later returns a value computed from before.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc;
use std::time::Duration;

use cachekit::{CacheKey, cached, delete_cached, delete_memoized, delete_memoized_verhash, memoize, refresh};
use cachekit_tests::{Calls, Child, Mem, World, block_on, each_keeping, role, say, tasks};
use parking_lot::Mutex;

type Ends = (mpsc::Sender<()>, mpsc::Receiver<()>);

/// The state that a function reads, and the gate that holds its next computation after the read.
struct Stage {
    state: AtomicU64,
    ends: Mutex<Option<Ends>>,
}

impl Stage {
    const fn new() -> Self {
        Self { state: AtomicU64::new(0), ends: Mutex::new(None) }
    }

    /// Computes, for the functions of a stage.
    fn compute(&self) -> u64 {
        let value = self.state.load(Ordering::SeqCst);
        // The lock must not be held while it waits.
        let ends = self.ends.lock().take();
        if let Some((inside, go)) = ends {
            inside.send(()).unwrap();
            go.recv().unwrap();
        }
        value
    }

    /// Starts a call whose computation sees the old state, and lets it land after `during` and `meanwhile`.
    fn race<R>(
        &self,
        world: &World,
        call: impl Fn() -> u64 + Copy + Send + 'static,
        during: impl FnOnce(),
        meanwhile: impl FnOnce() -> R,
    ) -> R {
        self.state.store(0, Ordering::SeqCst);
        let ((inside, is_inside), (go, may_go)) = (mpsc::channel(), mpsc::channel());
        *self.ends.lock() = Some((inside, may_go));
        let slow = world.spawn(call);
        // A stored value here is a mistake of the test, and would make it wait for ever.
        is_inside.recv_timeout(Duration::from_secs(10)).unwrap();
        self.state.store(1, Ordering::SeqCst);
        during();
        let result = meanwhile();
        go.send(()).unwrap();
        assert_eq!(slow.join().unwrap(), 0, "a call that began before may see the state from before");
        result
    }

    /// A deletion beats a computation that is under way, whether or not there is another call before it lands.
    fn deletion_wins(
        &self,
        world: &World,
        call: impl Fn() -> u64 + Copy + Send + 'static,
        delete: impl Fn(),
    ) {
        delete();
        self.race(world, call, &delete, || ());
        assert_eq!(call(), 1, "the old value was stored after the deletion");
        delete();
        let joined = self.race(world, call, &delete, || {
            let (tell, told) = mpsc::channel();
            let later = world.spawn(move || tell.send(call()).unwrap());
            (told.recv_timeout(Duration::from_secs(5)), later)
        });
        assert_eq!(joined.0, Ok(1), "a call after the deletion joined the computation from before");
        joined.1.join().unwrap();
        assert_eq!(call(), 1, "the old value replaced the new one");
        delete();
    }
}

#[derive(CacheKey, Clone)]
struct Person(u32);

static METHOD: Stage = Stage::new();

impl Person {
    #[memoize]
    fn role(&self, n: u64) -> u64 {
        let _ = n;
        METHOD.compute()
    }
    #[memoize(tags(format!("person:{}", self.0)))]
    fn tagged(&self, n: u64) -> u64 {
        let _ = n;
        METHOD.compute()
    }
}

#[test]
fn every_kind_of_deletion_beats_a_computation_under_way() {
    static STAGE: Stage = Stage::new();
    #[memoize(name = "races.every_kind")]
    fn f(n: u64) -> u64 {
        if n == 0 { 7 } else { STAGE.compute() }
    }
    #[cached(key_prefix = "k")]
    fn k() -> u64 {
        STAGE.compute()
    }
    #[memoize(tags(format!("races:{n}")))]
    fn t(n: u64) -> u64 {
        let _ = n;
        STAGE.compute()
    }
    static OTHER: Calls = Calls::new();
    #[memoize]
    fn other(n: u64) -> u64 {
        OTHER.hit();
        n
    }
    each_keeping(|world| {
        other(1);
        f(0);
        OTHER.take();
        STAGE.deletion_wins(world, || f(1), || delete_memoized!(f, 1).unwrap());
        STAGE.deletion_wins(world, || f(1), || delete_memoized!(f).unwrap());
        STAGE.deletion_wins(world, || f(1), || delete_memoized_verhash!(f).unwrap());
        STAGE.deletion_wins(world, || f(1), || cachekit::delete_memoized_named("races.every_kind").unwrap());
        STAGE.deletion_wins(world, k, || delete_cached!(k).unwrap());
        STAGE.deletion_wins(world, || t(1), || world.cache().delete_tag("races:1").unwrap());
        assert_eq!((other(1), OTHER.take()), (1, 0), "other functions are untouched");
        STAGE.deletion_wins(world, || f(1), || world.cache().clear().unwrap());
        // The methods of all instances, of one, and one call.
        let (me, you) = (Person(1), Person(2));
        METHOD.state.store(5, Ordering::SeqCst);
        you.role(1);
        METHOD.deletion_wins(world, || Person(1).role(1), || delete_memoized!(me.role, 1).unwrap());
        METHOD.deletion_wins(world, || Person(1).role(1), || delete_memoized!(me.role).unwrap());
        METHOD.deletion_wins(world, || Person(1).role(1), || delete_memoized_verhash!(me.role).unwrap());
        METHOD.state.store(9, Ordering::SeqCst);
        assert_eq!(you.role(1), 5, "no other instance");
        METHOD.deletion_wins(world, || Person(1).role(1), || delete_memoized!(Person::role).unwrap());
        METHOD.deletion_wins(world, || Person(1).tagged(1), || world.cache().delete_tag("person:1").unwrap());
    });
}

#[test]
fn deletion_beats_a_refresh_and_calls_without_single_flight() {
    static STAGE: Stage = Stage::new();
    #[memoize]
    fn f(n: u64) -> u64 {
        let _ = n;
        STAGE.compute()
    }
    #[memoize(single_flight = false, tags("races.g"))]
    fn g(n: u64) -> u64 {
        let _ = n;
        STAGE.compute()
    }
    each_keeping(|world| {
        STAGE.race(world, || refresh!(f, 1), || delete_memoized!(f, 1).unwrap(), || ());
        assert_eq!(f(1), 1);
        STAGE.race(world, || refresh!(f, 1), || delete_memoized!(f).unwrap(), || ());
        assert_eq!(f(1), 1);
        STAGE.deletion_wins(world, || g(1), || delete_memoized!(g, 1).unwrap());
        STAGE.deletion_wins(world, || g(1), || delete_memoized!(g).unwrap());
        STAGE.deletion_wins(world, || g(1), || world.cache().delete_tag("races.g").unwrap());
        let delete_tag = || world.cache().delete_tag("races.g").unwrap();
        STAGE.race(world, || refresh!(g, 1), delete_tag, || ());
        assert_eq!(g(1), 1);
        // Two deletions at once.
        let delete = || {
            std::thread::scope(|scope| {
                world.spawn_in(scope, || delete_memoized!(f, 1).unwrap());
                world.spawn_in(scope, || delete_memoized!(f).unwrap());
                world.spawn_in(scope, || delete_memoized_verhash!(f).unwrap());
            });
        };
        STAGE.deletion_wins(world, || f(1), delete);
    });
}

#[test]
fn a_refresh_is_not_undone_by_a_computation_from_before() {
    static STAGE: Stage = Stage::new();
    #[memoize]
    fn f(n: u64) -> u64 {
        let _ = n;
        STAGE.compute()
    }
    each_keeping(|world| {
        delete_memoized!(f).unwrap();
        STAGE.race(world, || f(1), || assert_eq!(refresh!(f, 1), 1), || ());
        assert_eq!(f(1), 1);
    });
}

#[test]
fn a_refresh_replaces_what_a_computation_from_before_stored_meanwhile() {
    static STAGE: Stage = Stage::new();
    static DURING: Mutex<Option<Box<dyn FnOnce() + Send>>> = Mutex::new(None);
    #[memoize]
    fn f(n: u64) -> u64 {
        let _ = n;
        let value = STAGE.compute();
        let during = DURING.lock().take_if(|_| value == 1);
        if let Some(during) = during {
            during();
        }
        value
    }
    each_keeping(|world| {
        delete_memoized!(f).unwrap();
        STAGE.state.store(0, Ordering::SeqCst);
        let ((inside, is_inside), (go, may_go)) = (mpsc::channel(), mpsc::channel());
        *STAGE.ends.lock() = Some((inside, may_go));
        let slow = world.spawn(|| f(1));
        is_inside.recv_timeout(Duration::from_secs(10)).unwrap();
        STAGE.state.store(1, Ordering::SeqCst);
        *DURING.lock() = Some(Box::new(move || {
            go.send(()).unwrap();
            assert_eq!(slow.join().unwrap(), 0);
        }));
        assert_eq!(refresh!(f, 1), 1);
        assert_eq!(f(1), 1, "the older value was kept");
    });
}

#[test]
fn deletion_beats_async_computations() {
    static STAGE: Stage = Stage::new();
    #[memoize]
    async fn f(n: u64) -> u64 {
        let _ = n;
        tokio::task::yield_now().await;
        STAGE.compute()
    }
    #[memoize(tags(format!("races:{n}")))]
    async fn t(n: u64) -> u64 {
        let _ = n;
        tokio::task::yield_now().await;
        STAGE.compute()
    }
    fn call() -> u64 {
        block_on(f(1))
    }
    fn tagged() -> u64 {
        block_on(t(1))
    }
    each_keeping(|world| {
        STAGE.deletion_wins(world, call, || block_on(delete_memoized!(f, 1)).unwrap());
        STAGE.deletion_wins(world, call, || block_on(delete_memoized!(f)).unwrap());
        STAGE.deletion_wins(world, call, || block_on(delete_memoized_verhash!(f)).unwrap());
        STAGE.deletion_wins(world, call, || block_on(world.cache().aio().clear()).unwrap());
        STAGE.deletion_wins(world, tagged, || block_on(world.cache().aio().delete_tag("races:1")).unwrap());
    });
}

#[test]
fn a_deletion_elsewhere_beats_a_computation_here() {
    static STAGE: Stage = Stage::new();
    #[memoize(tags("races.elsewhere"))]
    fn f(n: u64) -> u64 {
        let _ = n;
        STAGE.compute()
    }
    fn there<R>(world: &World, work: impl FnOnce() -> R) -> R {
        let _entered = world.enter();
        work()
    }
    let dir = tempfile::tempdir().unwrap();
    let mem = Mem::new();
    let pairs = [
        [World::in_dir(dir.path(), |config| config), World::in_dir(dir.path(), |config| config)],
        [World::full_over(&mem, |config| config), World::full_over(&mem, |config| config)],
    ];
    for [here, other] in &pairs {
        let _entered = here.enter();
        let wins = |delete: &dyn Fn()| {
            STAGE.deletion_wins(here, || f(1), || there(other, delete));
            STAGE.race(here, || f(1), || there(other, delete), || assert_eq!(there(other, || f(1)), 1));
            assert_eq!((f(1), there(other, || f(1))), (1, 1));
            there(other, delete);
        };
        wins(&|| delete_memoized!(f, 1).unwrap());
        wins(&|| delete_memoized!(f).unwrap());
        wins(&|| delete_memoized_verhash!(f).unwrap());
        wins(&|| cachekit::cache().delete_tag("races.elsewhere").unwrap());
        wins(&|| cachekit::cache().clear().unwrap());
    }
    // Without conditional writes the whole function can still be deleted everywhere.
    let mem = Mem::new();
    let (here, other) = (World::plain_over(&mem, |config| config), World::plain_over(&mem, |config| config));
    let _entered = here.enter();
    STAGE.deletion_wins(&here, || f(1), || there(&other, || delete_memoized!(f).unwrap()));
    STAGE.deletion_wins(&here, || f(1), || there(&other, || delete_memoized_verhash!(f).unwrap()));
    let delete_tag = || there(&other, || cachekit::cache().delete_tag("races.elsewhere").unwrap());
    STAGE.deletion_wins(&here, || f(1), delete_tag);
}

#[test]
fn a_deletion_in_another_process_beats_a_computation_in_this_one() {
    /// Says what it saw, and waits, if it is held.
    fn compute(held: bool) -> u64 {
        if role().is_none() {
            return 1;
        }
        if held {
            say("inside");
            Child::wait_for_parent();
        }
        0
    }
    #[memoize]
    fn f(held: u64) -> u64 {
        compute(held == 1)
    }
    let in_dir = |dir: &str| World::in_dir(dir.as_ref(), |config| config);
    if let Some(role) = role() {
        let world = in_dir(&std::env::var("DIR").unwrap());
        let _entered = world.enter();
        if role.as_str() == "slow" {
            say(&f(1).to_string());
            Child::wait_for_parent();
            say(&f(1).to_string());
        } else {
            delete_memoized!(f, 2).unwrap();
            say("deleted");
        }
        return;
    }
    let name = "races::a_deletion_in_another_process_beats_a_computation_in_this_one";
    for whole in [false, true] {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path().to_str().unwrap();
        let world = in_dir(dir);
        let _entered = world.enter();
        assert_eq!(f(2), 1);
        let mut child = Child::start(name, "slow", &[("DIR", dir)]);
        assert_eq!(child.hear(), "inside");
        if whole {
            delete_memoized!(f).unwrap();
        } else {
            delete_memoized!(f, 1).unwrap();
        }
        child.go_on();
        assert_eq!(child.hear(), "0");
        assert_eq!(f(1), 1, "the other process stored what it had computed from before");
        child.go_on();
        assert_eq!(child.hear(), "1", "the other process finds what this one stored");
        child.finish();
        let mut child = Child::start(name, "delete", &[("DIR", dir)]);
        assert_eq!(child.hear(), "deleted");
        child.finish();
        assert_eq!(cachekit::peek!(f, 2).unwrap(), None);
        assert_eq!(cachekit::peek!(f, 1).unwrap(), Some(1));
    }
}

/// The state that the functions of the storm read. A deletion that has returned raises the floor.
struct Truth {
    now: AtomicU64,
    floor: AtomicU64,
    end: AtomicBool,
}

impl Truth {
    const fn new() -> Self {
        Self { now: AtomicU64::new(1), floor: AtomicU64::new(0), end: AtomicBool::new(false) }
    }

    fn look(&self) -> u64 {
        let value = self.now.load(Ordering::SeqCst);
        std::thread::yield_now();
        value
    }

    fn change(&self, delete: impl FnOnce()) {
        let now = self.now.fetch_add(1, Ordering::SeqCst) + 1;
        delete();
        self.floor.fetch_max(now, Ordering::SeqCst);
    }

    /// Calls until the end; no call returns less than the floor was at its start.
    fn check(&self, name: &str, call: impl Fn() -> u64) -> u64 {
        let mut calls = 0;
        while !self.end.load(Ordering::SeqCst) {
            let floor = self.floor.load(Ordering::SeqCst);
            let value = call();
            assert!(value >= floor, "a value of {value} after a deletion at {floor} in {name}");
            calls += 1;
        }
        calls
    }
}

/// Ends the storm however its leader ends.
struct End<'a>(&'a Truth);

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.end.store(true, Ordering::SeqCst);
    }
}

#[test]
fn no_call_ever_sees_what_was_deleted() {
    static TRUTH: Truth = Truth::new();
    #[derive(CacheKey)]
    struct Person(u32);
    impl Person {
        #[memoize]
        fn truth(&self) -> u64 {
            TRUTH.look()
        }
    }
    #[memoize]
    fn f(n: u64) -> u64 {
        let _ = n;
        TRUTH.look()
    }
    let dir = tempfile::tempdir().unwrap();
    let mem = Mem::new();
    let storms = [
        vec![World::simple()],
        vec![World::filesystem()],
        vec![World::plain_over(&Mem::new(), |config| config)],
        vec![World::in_dir(dir.path(), |config| config), World::in_dir(dir.path(), |config| config)],
        vec![World::full_over(&mem, |config| config), World::full_over(&mem, |config| config)],
    ];
    for worlds in &storms {
        TRUTH.end.store(false, Ordering::SeqCst);
        let name = worlds[0].name;
        std::thread::scope(|scope| {
            for world in worlds {
                world.spawn_in(scope, move || TRUTH.check(name, || f(1)));
                world.spawn_in(scope, move || TRUTH.check(name, || Person(7).truth()));
                world.spawn_in(scope, move || TRUTH.check(name, || refresh!(f, 1).max(f(1))));
            }
            let _end = End(&TRUTH);
            let begin = std::time::Instant::now();
            let mut rounds = 0;
            while begin.elapsed() < Duration::from_millis(700) || rounds < 10 {
                let _entered = worlds[rounds % worlds.len()].enter();
                match rounds % 5 {
                    // Entries that one deletion doesn't reach need another one.
                    0 => TRUTH.change(|| {
                        delete_memoized!(f, 1).unwrap();
                        delete_memoized!(Person(7).truth).unwrap();
                    }),
                    1 => TRUTH.change(|| {
                        delete_memoized!(f).unwrap();
                        delete_memoized!(Person::truth, &Person(7)).unwrap();
                    }),
                    2 => TRUTH.change(|| {
                        delete_memoized_verhash!(f).unwrap();
                        delete_memoized!(Person::truth).unwrap();
                    }),
                    3 => TRUTH.change(|| cachekit::cache().clear().unwrap()),
                    _ => TRUTH.change(|| {
                        delete_memoized_verhash!(Person(7).truth).unwrap();
                        delete_memoized!(f, 1).unwrap();
                    }),
                }
                rounds += 1;
            }
        });
    }
}

#[test]
fn no_task_ever_sees_what_was_deleted() {
    static TRUTH: Truth = Truth::new();
    #[memoize]
    async fn f(n: u64) -> u64 {
        let _ = n;
        let value = TRUTH.now.load(Ordering::SeqCst);
        tokio::task::yield_now().await;
        value
    }
    each_keeping(|world| {
        let name = world.name;
        let task = move |me: u64| async move {
            for round in 0..60 {
                if me == 0 {
                    let now = TRUTH.now.fetch_add(1, Ordering::SeqCst) + 1;
                    if round % 2 == 0 {
                        delete_memoized!(f, 1).await.unwrap();
                    } else {
                        delete_memoized!(f).await.unwrap();
                    }
                    TRUTH.floor.fetch_max(now, Ordering::SeqCst);
                }
                let floor = TRUTH.floor.load(Ordering::SeqCst);
                let value = f(1).await;
                assert!(value >= floor, "a value of {value} after a deletion at {floor} in {name}");
                tokio::task::yield_now().await;
            }
        };
        tasks((0..8).map(|me| world.wrap(task(me))));
    });
}
