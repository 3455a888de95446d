use std::collections::HashMap;

use cachekit::memoize;

fn plain(id: u64) -> u64 {
    id
}

#[memoize]
fn user(id: u64) -> u64 {
    id
}

#[memoize]
fn price(id: u64, currency: &str) -> u64 {
    let _ = currency;
    id
}

#[memoize(per_request)]
fn session(id: u64) -> u64 {
    id
}

#[memoize(each = ids)]
fn several(ids: &[u64]) -> Vec<u64> {
    ids.to_vec()
}

#[memoize(each = ids, of = plain)]
fn not_memoized(ids: &[u64]) -> Vec<u64> {
    ids.to_vec()
}

#[memoize(each = ids, of = several)]
fn of_several(ids: &[u64]) -> Vec<u64> {
    ids.to_vec()
}

#[memoize(each = ids, of = session)]
fn of_a_request(ids: &[u64]) -> Vec<u64> {
    ids.to_vec()
}

#[memoize(each = ids, of = user)]
fn other_value(ids: &[u64]) -> HashMap<u64, String> {
    ids.iter().map(|id| (*id, id.to_string())).collect()
}

#[memoize(each = ids, of = user)]
fn other_id(ids: &[String]) -> HashMap<String, u64> {
    ids.iter().map(|id| (id.clone(), 1)).collect()
}

#[memoize(each = ids, of = price)]
fn an_argument_less(ids: &[u64]) -> Vec<u64> {
    ids.to_vec()
}

fn main() {}
