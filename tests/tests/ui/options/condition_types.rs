use cachekit::memoize;

#[memoize(unless = n)]
fn not_bool(n: u8) -> u8 {
    n
}

#[memoize(cache_if = |value| value.nothing())]
fn no_method(n: u8) -> u8 {
    n
}

#[memoize(cache = MISSING)]
fn no_cache(n: u8) -> u8 {
    n
}

fn main() {}
