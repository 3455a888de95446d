use cachekit::memoize;

#[memoize(unless = |n| n > 5, refresh_if = || true)]
fn closures(n: u8) -> u8 {
    n
}

#[memoize(stale_if = n > 5, cache_if = |a, b| true)]
fn no_closures(n: u8) -> u8 {
    n
}

fn main() {}
