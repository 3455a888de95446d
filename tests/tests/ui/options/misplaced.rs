use cachekit::{cached, memoize};

#[memoize(key_prefix = "x")]
fn prefix(n: u8) -> u8 {
    n
}

#[memoize(view)]
fn view(n: u8) -> u8 {
    n
}

#[cached(key = n, key_prefix = "x")]
fn key(n: u8) -> u8 {
    n
}

#[cached(ignore(n), key_prefix = "x")]
fn ignored(n: u8) -> u8 {
    n
}

#[cached(view, key_prefix = "x")]
fn both(n: u8) -> u8 {
    n
}

#[memoize(key = n, ignore(n))]
fn both_keys(n: u8) -> u8 {
    n
}

#[memoize(in_impl, in_trait)]
fn both_places(n: u8) -> u8 {
    n
}

fn main() {}
