use std::time::Duration;

use cachekit::memoize;

#[memoize(flight_timeout = 0)]
fn no_wait(n: u64) -> u64 {
    n
}

#[memoize(flight_timeout = |_| Duration::from_secs(1))]
fn of_the_value(n: u64) -> u64 {
    n
}

#[memoize(timeout = || Duration::from_secs(1))]
fn without_the_value(n: u64) -> u64 {
    n
}

#[memoize(timeout = 5u32)]
fn a_suffix(n: u64) -> u64 {
    n
}

#[memoize(timeout = true)]
fn a_flag(n: u64) -> u64 {
    n
}

fn main() {}
