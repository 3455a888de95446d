use std::collections::HashMap;
use std::time::Duration;

use cachekit::{Cache, cached, memoize};

static USERS: Cache = Cache::new();

#[memoize]
fn user(id: u64) -> Option<u64> {
    Some(id)
}

#[memoize(of = user)]
fn without_each(ids: &[u64]) -> HashMap<u64, u64> {
    ids.iter().map(|id| (*id, *id)).collect()
}

#[cached(of = user)]
fn of_one_key() -> u64 {
    1
}

#[memoize(each = ids, of = user(1))]
fn of_a_call(ids: &[u64]) -> HashMap<u64, u64> {
    ids.iter().map(|id| (*id, *id)).collect()
}

#[memoize(each = ids, of = user, stale_if = |user: &Option<u64>| user.is_none(), cache_if = |_| true, weight = |_| 1)]
fn judges(ids: &[u64]) -> HashMap<u64, u64> {
    ids.iter().map(|id| (*id, *id)).collect()
}

#[memoize(each = ids, of = user, timeout = |_: &Option<u64>| Duration::from_secs(1), none_timeout = 9)]
fn times(ids: &[u64]) -> HashMap<u64, u64> {
    ids.iter().map(|id| (*id, *id)).collect()
}

#[memoize(each = ids, of = user, cache_none, tags("users"), name = "users", version = "2", local, cache = USERS, debug)]
fn decides(ids: &[u64]) -> HashMap<u64, u64> {
    ids.iter().map(|id| (*id, *id)).collect()
}

#[memoize(each = ids, of = user, timeout = 9, stale_while_revalidate = 9, stale_if_error = 9, refresh_ahead = 0.5)]
fn serves(ids: &[u64]) -> Result<HashMap<u64, u64>, String> {
    Ok(ids.iter().map(|id| (*id, *id)).collect())
}

#[memoize(each = ids, of = user, ignore(language))]
fn ignores(ids: &[u64], language: &str) -> HashMap<u64, u64> {
    let _ = language;
    ids.iter().map(|id| (*id, *id)).collect()
}

fn main() {}
