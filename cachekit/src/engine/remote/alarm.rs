//! One thread that ends waits at their deadlines.

use std::collections::BTreeMap;
use std::sync::Weak;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

pub(super) trait Expire: Send + Sync {
    fn expire(&self);
}

struct Alarms {
    at: BTreeMap<(Instant, u64), Weak<dyn Expire>>,
    count: u64,
    running: bool,
}

static ALARMS: Mutex<Alarms> = Mutex::new(Alarms { at: BTreeMap::new(), count: 0, running: false });
static CHANGED: Condvar = Condvar::new();

/// One waiter's alarm. Dropping it takes it off the list.
pub(super) struct Alarm(Instant, u64);

impl Drop for Alarm {
    fn drop(&mut self) {
        let _waiter = ALARMS.lock().at.remove(&(self.0, self.1));
    }
}

/// Expires a waiter at a time, unless the alarm is dropped before.
pub(super) fn at(when: Instant, waiter: Weak<dyn Expire>) -> Alarm {
    let mut alarms = ALARMS.lock();
    alarms.count += 1;
    let id = alarms.count;
    let first = alarms.at.keys().next().is_none_or(|(at, _)| when < *at);
    alarms.at.insert((when, id), waiter);
    if !alarms.running {
        // Without a thread the limit isn't kept, but nothing is lost.
        alarms.running = std::thread::Builder::new().name("cachekit-alarm".into()).spawn(run).is_ok();
    } else if first {
        CHANGED.notify_one();
    }
    Alarm(when, id)
}

fn run() {
    let mut alarms = ALARMS.lock();
    loop {
        let now = Instant::now();
        let later = alarms.at.split_off(&(now, u64::MAX));
        let due = std::mem::replace(&mut alarms.at, later);
        parking_lot::MutexGuard::unlocked(&mut alarms, || {
            due.into_values().filter_map(|waiter| waiter.upgrade()).for_each(|waiter| waiter.expire());
        });
        let next = alarms.at.keys().next().map(|(at, _)| *at);
        let timed_out = match next {
            Some(at) => {
                CHANGED.wait_until(&mut alarms, at);
                false
            }
            None => CHANGED.wait_for(&mut alarms, Duration::from_secs(5)).timed_out(),
        };
        if timed_out && alarms.at.is_empty() {
            alarms.running = false;
            return;
        }
    }
}
