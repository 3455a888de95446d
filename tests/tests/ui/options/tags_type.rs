use cachekit::{invalidates, memoize};

#[memoize(tags(id))]
fn number(id: u64) -> u64 {
    id
}

#[invalidates(tag = id)]
fn writes(id: u64) -> u64 {
    id
}

fn main() {}
