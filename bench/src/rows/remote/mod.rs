//! Values that a server of this machine keeps: what a hit and a miss cost beside a bare client, with one caller and with
//! many; and what is left of them when the server is gone.

/// Our entrants, over a cache of their own for each server: 1 KiB, and a number.
macro_rules! ours {
    () => {
        static OURS: cachekit::Cache = cachekit::Cache::new();

        #[cachekit::memoize(cache = OURS, timeout = 3600)]
        fn ours(n: u64) -> String {
            super::payload(n)
        }

        #[cachekit::memoize(cache = OURS, timeout = 3600)]
        async fn ours_async(n: u64) -> String {
            super::payload(n)
        }

        #[cachekit::memoize(cache = OURS, timeout = 3600)]
        fn small(n: u64) -> u64 {
            crate::rows::hits::triple(n)
        }

        #[cachekit::memoize(cache = OURS, timeout = 3600)]
        async fn small_async(n: u64) -> u64 {
            crate::rows::hits::triple(n)
        }
    };
}

mod flask;
mod load;
mod memcached;
mod outage;
mod redis;
mod server;

use crate::measure::Rounds;
use crate::report::{Check, Row};
use load::{Call, Load};

/// How many callers there are at once.
const CALLERS: [usize; 3] = [1, 16, 64];
/// The most connections of whoever has a pool: our default.
const POOL: u32 = 16;
const LIFE_SECS: u64 = 3600;
const KEYS: u64 = 1024;

pub fn rows() -> Vec<Row> {
    let mut rows = redis::rows();
    rows.extend(memcached::rows());
    rows
}

/// 1 KiB.
fn payload(n: u64) -> String {
    format!("{n:01024}")
}

/// One of the keys that are there. Callers begin at different ones, so that they seldom ask for the same at once.
fn known(call: Call) -> u64 {
    (call.caller as u64 * (KEYS / 64) + call.nth) % KEYS
}

/// A key that was not asked for before.
fn fresh(call: Call) -> u64 {
    (call.caller as u64 + 1) << 40 | call.nth
}

/// How callers wait.
#[derive(Clone, Copy, PartialEq)]
enum Way {
    Threads,
    Tasks,
}

impl Way {
    fn of(self, callers: usize) -> String {
        match (self, callers) {
            (Self::Threads, 1) => "one thread".into(),
            (Self::Threads, n) => format!("{n} threads"),
            (Self::Tasks, 1) => "one task".into(),
            (Self::Tasks, n) => format!("{n} tasks"),
        }
    }
}

/// A row: the time of a call with one caller, calls in a second with more. `bare` is what a hit is held against.
fn row(what: &str, way: Way, callers: usize, rates: &Rounds, references: &[&str], bare: Option<&str>) -> Row {
    /// The most that a hit of one caller may cost beside the bare client.
    const COST: f64 = 1.15;
    /// The least part of its calls in a second that several callers must reach.
    const RATE: f64 = 0.8;
    let title = format!("{what}, 1 KiB, {}", way.of(callers));
    if callers == 1 {
        let times = rates.map(|rate| 1e9 / rate);
        let row = Row::micros(&title, &times, references);
        return match bare {
            Some(bare) => row.faster(&times, bare, COST),
            None => row,
        };
    }
    let row = Row::thousands(&title, rates, references);
    match bare {
        Some(bare) => row.check(Check::at_least(rates.ratio("ours", bare), RATE, bare)),
        None => row,
    }
}
