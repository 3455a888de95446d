use cachekit::memoize;

#[memoize(timeout(5))]
fn timeout(n: u8) -> u8 {
    n
}

#[memoize(name("stable"), ignore(), version(2))]
fn several(n: u8) -> u8 {
    n
}

fn main() {}
