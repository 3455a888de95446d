//! The protocol of the near tier under a model checker: a reader with a tier, the thread that keeps it in step, a process that
//! deletes without a tier, and a store that loses what it knows. [shuttle] runs them over many schedules; time passes while any
//! of them is stopped at any place. The sources of the protocol are those of `cachekit/src/engine/near`; the tier, which keeps one
//! value, and the store below are stubs.
//!
//! Each program checks that no look that begins after a deletion has returned gets a value from before it.

#![allow(
    dead_code,
    unused_imports,
    unreachable_pub,
    unexpected_cfgs,
    clippy::default_constructed_unit_structs,
    clippy::unnecessary_wraps,
    clippy::unused_self,
    reason = "the included modules are made for another crate, and the stubs have the signatures of its own"
)]

mod engine;
#[path = "../round_shuttle/schedules.rs"]
mod schedules;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use cachekit_backends::Config;
use shuttle::thread::{spawn, yield_now};

use engine::near::{Change, Heart, Near, advance, announce};
use engine::remote::{BlockingIo, Budget, Remote, Store, ready};

fn check(program: impl Fn() + Send + Sync + 'static) {
    schedules::check(2000, 4, 0x80000, program);
}

/// Not shuttle's: observations must not add schedules.
#[derive(Default)]
struct World {
    state: AtomicUsize,
    settled: AtomicUsize,
}

/// The processes at one store.
struct Fleet {
    world: World,
    store: Arc<Store>,
    reader: Arc<Remote>,
    deleter: Arc<Remote>,
}

impl Fleet {
    /// A reader whose tier serves a value, and a process that has never asked for tiers, configured so.
    fn new(staleness: Duration, deleter: &Config) -> (Arc<Self>, Heart) {
        let store = Arc::new(Store::default());
        let reader = Remote::new(&store, &Config::default(), Some(Near::new(staleness, &store)));
        let mut heart = Heart::new(&reader);
        heart.beat(&reader);
        advance(Duration::from_millis(1100));
        heart.beat(&reader);
        let deleter = Remote::new(&store, deleter, None);
        let fleet = Arc::new(Self { world: World::default(), store, reader, deleter });
        fleet.look();
        assert!(fleet.reader.near().unwrap().serves());
        (fleet, heart)
    }

    fn look(&self) {
        let least = self.world.settled.load(Ordering::SeqCst);
        let near = self.reader.near().unwrap();
        let got = near.look(|| {
            yield_now();
            let found = self.world.state.load(Ordering::SeqCst);
            yield_now();
            found
        });
        assert!(got >= least, "a deletion had returned, and an older value was served");
    }

    fn delete(&self) {
        let new = self.world.state.fetch_add(1, Ordering::SeqCst) + 1;
        yield_now();
        ready(announce(BlockingIo, &self.deleter, &Budget, Change::Deletion)).unwrap();
        self.world.settled.fetch_max(new, Ordering::SeqCst);
    }

    /// Runs the reader, its heart, the deletions, and what happens to the store, side by side.
    fn run(self: Arc<Self>, mut heart: Heart, loses: impl FnOnce(&Store) + Send + 'static) {
        let beats = {
            let fleet = Arc::clone(&self);
            let pace = fleet.reader.near().unwrap().staleness / 4;
            spawn(move || {
                for _ in 0..6 {
                    heart.beat(&fleet.reader);
                    advance(pace);
                    yield_now();
                }
            })
        };
        let [looks, deletes] = {
            let (looking, deleting) = (Arc::clone(&self), Arc::clone(&self));
            [
                spawn(move || (0..6).for_each(|_| looking.look())),
                spawn(move || (0..2).for_each(|_| deleting.delete())),
            ]
        };
        let store = Arc::clone(&self.store);
        let loses = spawn(move || loses(&store));
        for thread in [beats, looks, deletes, loses] {
            thread.join().unwrap();
        }
        self.look();
    }
}

const STALENESS: Duration = Duration::from_millis(100);

#[test]
fn a_deletion_is_final_beside_a_tier() {
    check(|| {
        let (fleet, heart) = Fleet::new(STALENESS, &Config::default());
        fleet.run(heart, |_| {});
    });
}

/// The process that deletes has never asked, and asks after the loss.
#[test]
fn a_deletion_is_final_where_registrations_are_lost() {
    check(|| {
        let (fleet, heart) = Fleet::new(Duration::from_secs(5), &Config::default());
        fleet.run(heart, |store| store.lose(|key| !key.ends_with("registry")));
    });
}

/// Each look reads the mark; threads that share a tier read it at different moments.
#[test]
fn a_deletion_is_final_where_looks_read_the_mark() {
    check(|| {
        let store = Arc::new(Store::with_mark());
        let reader = Remote::new(&store, &Config::default(), Some(Near::new(STALENESS, &store)));
        let deleter = Remote::new(&store, &Config::default(), None);
        let fleet = Arc::new(Fleet { world: World::default(), store, reader, deleter });
        let threads: [fn(&Fleet); 4] = [
            |fleet| (0..4).for_each(|_| fleet.look()),
            |fleet| (0..4).for_each(|_| fleet.look()),
            |fleet| fleet.delete(),
            |fleet| (0..2).for_each(|_| fleet.delete()),
        ];
        let threads = threads.map(|run| {
            let fleet = Arc::clone(&fleet);
            spawn(move || run(&fleet))
        });
        for thread in threads {
            thread.join().unwrap();
        }
        fleet.look();
    });
}

/// All is lost, and the configuration says that there are tiers.
#[test]
fn a_deletion_is_final_where_all_is_lost() {
    check(|| {
        let staleness = Duration::from_secs(5);
        let (fleet, heart) = Fleet::new(staleness, &Config::default().near_staleness(staleness));
        fleet.run(heart, |store| store.lose(|_| true));
    });
}
