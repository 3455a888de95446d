//! One thread that ends waits at their deadlines.

use std::collections::BTreeMap;
// The standard library's: a thread that waits in one of `parking_lot` is on a list of the whole process, and a forked process
// has the list without the thread.
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use cachekit_backends::PerProcess;

/// How long the thread stays without an alarm.
const IDLE: Duration = Duration::from_secs(5);

pub(crate) trait Expire: Send + Sync {
    fn expire(&self);
}

#[derive(Default)]
struct Alarms {
    pending: Mutex<Pending>,
    changed: Condvar,
}

#[derive(Default)]
struct Pending {
    at: BTreeMap<(Instant, u64), Weak<dyn Expire>>,
    count: u64,
    running: bool,
}

impl Alarms {
    fn of_this_process() -> &'static Self {
        static ALARMS: PerProcess<Alarms> = PerProcess::new();
        ALARMS.get(Self::default)
    }

    fn lock(&self) -> MutexGuard<'_, Pending> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One waiter's alarm. Dropping it takes it off the list.
pub(crate) struct Alarm {
    alarms: &'static Alarms,
    key: (Instant, u64),
}

impl Drop for Alarm {
    fn drop(&mut self) {
        let _waiter = self.alarms.lock().at.remove(&self.key);
    }
}

/// Expires a waiter at a time, unless the alarm is dropped before.
pub(crate) fn at(when: Instant, waiter: Weak<dyn Expire>) -> Alarm {
    let alarms = Alarms::of_this_process();
    let mut pending = alarms.lock();
    pending.count += 1;
    let key = (when, pending.count);
    let first = pending.at.keys().next().is_none_or(|(at, _)| when < *at);
    pending.at.insert(key, waiter);
    if !pending.running {
        // Without a thread the limit isn't kept, but nothing is lost.
        let run = || run(alarms);
        pending.running = std::thread::Builder::new().name("cachekit-alarm".into()).spawn(run).is_ok();
    } else if first {
        alarms.changed.notify_one();
    }
    Alarm { alarms, key }
}

fn run(alarms: &Alarms) {
    let mut pending = alarms.lock();
    loop {
        let later = pending.at.split_off(&(Instant::now(), u64::MAX));
        let due = std::mem::replace(&mut pending.at, later);
        if !due.is_empty() {
            drop(pending);
            due.into_values().filter_map(|waiter| waiter.upgrade()).for_each(|waiter| waiter.expire());
            pending = alarms.lock();
        }
        let pause = pending.at.keys().next().map(|(at, _)| at.saturating_duration_since(Instant::now()));
        let waited = alarms.changed.wait_timeout(pending, pause.unwrap_or(IDLE));
        let (guard, wait) = waited.unwrap_or_else(PoisonError::into_inner);
        pending = guard;
        if pause.is_none() && wait.timed_out() && pending.at.is_empty() {
            pending.running = false;
            return;
        }
    }
}
