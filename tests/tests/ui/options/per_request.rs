use std::time::Duration;

use cachekit::{Cache, cached, memoize};

static SESSIONS: Cache = Cache::new();

#[cached(per_request)]
fn without_a_key() -> u64 {
    1
}

#[memoize(per_request, timeout = 9, none_timeout = 9, jitter = 0.1)]
fn times(n: u64) -> Option<u64> {
    Some(n)
}

#[memoize(per_request, stale_while_revalidate = 9, stale_if_error = 9, refresh_ahead = 0.5, err_timeout = 9)]
fn windows(n: u64) -> Result<u64, String> {
    Ok(n)
}

#[memoize(per_request, weight = |_| 1, tags("sessions"), version = "2", cache = SESSIONS, policy = "hot")]
fn places(n: u64) -> u64 {
    n
}

#[memoize(per_request, single_flight = false, flight_timeout = Duration::from_secs(1))]
fn flights(n: u64) -> u64 {
    n
}

#[memoize(per_request, single_flight = "fleet")]
fn fleet(n: u64) -> u64 {
    n
}

#[memoize(per_request, detached)]
async fn detached(n: u64) -> u64 {
    n
}

fn main() {}
