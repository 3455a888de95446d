use std::collections::HashMap;

use cachekit::{cached, memoize};

#[memoize(each = keys)]
fn another_name(ids: &[u64]) -> HashMap<u64, u64> {
    ids.iter().map(|id| (*id, *id)).collect()
}

#[memoize(each = &ids)]
fn no_name(ids: &[u64]) -> HashMap<u64, u64> {
    ids.iter().map(|id| (*id, *id)).collect()
}

#[cached(each = ids)]
fn one_key(ids: &[u64]) -> HashMap<u64, u64> {
    ids.iter().map(|id| (*id, *id)).collect()
}

#[memoize(each = ids, key = ids.len())]
fn of_all(ids: &[u64]) -> HashMap<u64, u64> {
    ids.iter().map(|id| (*id, *id)).collect()
}

#[memoize(each = ids, ignore(ids))]
fn ignored(ids: &[u64]) -> HashMap<u64, u64> {
    ids.iter().map(|id| (*id, *id)).collect()
}

#[memoize(each = ids, err_timeout = 9)]
fn failures(ids: &[u64]) -> Result<Vec<u64>, String> {
    Ok(ids.to_vec())
}

#[memoize(each = ids, timeout = 9, stale_while_revalidate = 9, revalidate = "background")]
fn behind(ids: Vec<u64>) -> Vec<u64> {
    ids
}

#[memoize(each = ids, detached)]
async fn detached(ids: Vec<u64>) -> Vec<u64> {
    ids
}

#[memoize(each = ids, single_flight = "fleet", local)]
fn at_home(ids: &[u64]) -> Vec<u64> {
    ids.to_vec()
}

#[memoize(each = ids, per_request)]
fn of_a_request(ids: &[u64]) -> Vec<u64> {
    ids.to_vec()
}

#[derive(Clone, Hash, Debug)]
struct Shop;

impl Shop {
    #[memoize(each = ids)]
    fn used_up(self, ids: &[u64]) -> Vec<u64> {
        ids.to_vec()
    }
}

fn main() {}
