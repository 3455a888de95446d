//! Histories of caches with a near tier over one backend.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::yield_now;
use std::time::{Duration, Instant};

use cachekit::{Cache, Config, NearDeletion};

const KEY: &str = "key";
/// Far more than a busy machine needs.
const LONG: Duration = Duration::from_secs(60);

fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let began = Instant::now();
    while !holds() {
        assert!(began.elapsed() < LONG, "{what}");
        yield_now();
    }
}

/// A cache whose tier serves.
///
/// # Panics
/// If it never does.
pub fn serving(config: Config) -> Cache {
    let cache = Cache::open(config.near(100)).unwrap();
    until("the tier serves", || cache.health().near.is_some_and(|near| near.serves));
    cache
}

fn read(cache: &Cache, truth: &AtomicU64) -> u64 {
    cache.get_or_insert_with(KEY, 600, || truth.load(Ordering::SeqCst))
}

/// Calls until the value is near.
fn fill(cache: &Cache, truth: &AtomicU64) {
    until("a value is kept", || {
        read(cache, truth);
        cache.health().near.is_some_and(|near| near.serves && near.entries > 0)
    });
}

/// No call that begins after a deletion has returned gets an older value, whichever cache deletes: one with a tier, or one
/// without, which knows of the tiers by the backend only.
///
/// # Panics
/// If one does.
pub fn deletions_are_final(config: &Config) {
    let (truth, settled, stop) = (AtomicU64::new(0), AtomicU64::new(0), AtomicBool::new(false));
    let readers =
        [serving(config.clone()), serving(config.clone().near_staleness(Duration::from_millis(300)))];
    let bare = Cache::open(config.clone()).unwrap();
    let deletions: [&dyn Fn() -> cachekit::Result<()>; 5] = [
        &|| bare.delete(KEY).map(drop),
        &|| readers[0].delete(KEY).map(drop),
        &|| bare.delete_many(&[KEY, "other"]).map(drop),
        &|| bare.delete(KEY).map(drop),
        &|| bare.clear(),
    ];
    for reader in &readers {
        fill(reader, &truth);
    }
    let late = std::thread::scope(|scope| {
        let threads: Vec<_> = readers
            .iter()
            .map(|reader| {
                scope.spawn(|| {
                    while !stop.load(Ordering::SeqCst) {
                        let least = settled.load(Ordering::SeqCst);
                        let got = read(reader, &truth);
                        if got < least {
                            return Some((least, got));
                        }
                    }
                    None
                })
            })
            .collect();
        for (round, delete) in deletions.iter().cycle().take(10).enumerate() {
            truth.store(round as u64 + 1, Ordering::SeqCst);
            delete().unwrap();
            settled.store(round as u64 + 1, Ordering::SeqCst);
        }
        stop.store(true, Ordering::SeqCst);
        threads.into_iter().find_map(|thread| thread.join().unwrap())
    });
    assert_eq!(late, None, "a deletion had returned, and an older value was served");
}

/// With `prompt` a value is served near for at most `near_staleness`; which also shows that it is served near. An overwrite is
/// no different.
///
/// # Panics
/// If it is served for longer, or never.
pub fn prompt_is_bounded(config: &Config) {
    const STALENESS: Duration = Duration::from_secs(1);
    let truth = AtomicU64::new(0);
    let reader = serving(config.clone().near_staleness(STALENESS));
    let bare = Cache::open(config.clone().near_deletion(NearDeletion::Prompt)).unwrap();
    for overwrite in [false, true] {
        let mut seen_old = false;
        // The tier may hear of a change at any moment of that time.
        for _ in 0..20 {
            fill(&reader, &truth);
            let new = truth.fetch_add(1, Ordering::SeqCst) + 1;
            if overwrite {
                bare.set(KEY, &new, 600).unwrap();
            } else {
                bare.delete(KEY).unwrap();
            }
            let changed = Instant::now();
            until("the value is new", || {
                let late = changed.elapsed() > STALENESS;
                let got = read(&reader, &truth);
                seen_old |= got < new;
                assert!(got == new || !late, "an old value was served after {:?}", changed.elapsed());
                got == new
            });
            if seen_old {
                break;
            }
        }
        assert!(seen_old, "no value was served near");
    }
}

/// After each kind of change by a cache without a tier, the next look of one that had the value near sees it, whatever `meanwhile`
/// does to the store.
///
/// # Panics
/// If it sees the old value, or a change waits.
pub fn changes_are_seen_at_once(config: &Config, meanwhile: impl Fn()) {
    let truth = AtomicU64::new(0);
    let reader = serving(config.clone());
    let bare = Cache::open(config.clone()).unwrap();
    let changes: [&dyn Fn(u64); 4] = [
        &|_| assert!(bare.delete(KEY).is_ok()),
        &|new| bare.set(KEY, &new, 600).unwrap(),
        &|_| bare.clear().unwrap(),
        &|_| assert!(bare.delete_many(&[KEY, "other"]).is_ok()),
    ];
    let began = Instant::now();
    for change in changes.iter().cycle().take(2 * changes.len()) {
        fill(&reader, &truth);
        meanwhile();
        let new = truth.fetch_add(1, Ordering::SeqCst) + 1;
        change(new);
        assert_eq!(read(&reader, &truth), new, "a change had returned, and an older value was served");
    }
    assert!(began.elapsed() < LONG, "no change waits for a tier");
}
