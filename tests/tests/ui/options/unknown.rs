use cachekit::{cached, memoize};

#[memoize(ttl = 5, unles = true, name = 5, local, local)]
fn several(n: u8) -> u8 {
    n
}

#[cached(nonsense(1, 2), key_prefix = "x")]
fn nonsense(n: u8) -> u8 {
    n
}

fn main() {}
