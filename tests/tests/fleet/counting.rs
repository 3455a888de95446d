//! Processes whose threads change one entry by `update`, `incr` and `touch` at the same time: no change is lost.

use std::sync::atomic::{AtomicU64, Ordering};

use cachekit_tests::{Child, block_on, say};

use crate::{PROCESSES, Place, enlist};

/// How many threads each process has.
const THREADS: u64 = 4;
/// How many changes each thread makes.
const CHANGES: u64 = 25;

fn play() {
    let cache = cachekit::cache();
    say("ready");
    Child::wait_for_parent();
    let tries = AtomicU64::new(0);
    let next = |text: Option<String>| {
        tries.fetch_add(1, Ordering::Relaxed);
        Some((text.map_or(0, |text| text.parse::<u64>().unwrap()) + 1).to_string())
    };
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let next = &next;
            scope.spawn(move || {
                for _ in 0..CHANGES {
                    if thread % 2 == 0 {
                        cache.update("text", 600, next).unwrap();
                    } else {
                        block_on(cache.aio().update("text", 600, next)).unwrap();
                    }
                    cache.incr("number", 1).unwrap();
                    assert!(cache.touch("text", 700).unwrap() && cache.touch("number", 700).unwrap());
                }
            });
        }
    });
    say(&tries.into_inner().to_string());
}

pub(crate) fn counting(place: impl Fn() -> Place, test: &str) {
    if enlist().is_some() {
        return play();
    }
    let place = place();
    let mut fleet = place.fleet(test, &[]);
    for child in &mut fleet {
        assert_eq!(child.hear(), "ready");
    }
    fleet.iter_mut().for_each(Child::go_on);
    let tries: u64 = fleet.iter_mut().map(|child| child.hear().parse::<u64>().unwrap()).sum();
    fleet.into_iter().for_each(Child::finish);
    let cache = cachekit::Cache::open(place.config()).unwrap();
    let all = PROCESSES as u64 * THREADS * CHANGES;
    assert_eq!(cache.get::<String>("text").unwrap(), Some(all.to_string()), "{tries} tries");
    assert_eq!(cache.get::<u64>("number").unwrap(), Some(all));
    assert!(tries > all, "the processes did not meet");
}
