use cachekit::{cached, memoize};

struct Opaque;

#[memoize(hash(opaque))]
fn no_hash(opaque: &Opaque) -> u8 {
    let _ = opaque;
    1
}

#[memoize(debug(opaque))]
fn no_debug(opaque: &Opaque) -> u8 {
    let _ = opaque;
    1
}

#[memoize(debug(a), ignore(a))]
fn two_ways(a: u8) -> u8 {
    a
}

#[memoize(hash(a, a))]
fn twice(a: u8) -> u8 {
    a
}

#[memoize(hash(b), debug(self))]
fn none_of_them(a: u8) -> u8 {
    a
}

#[memoize(hash)]
fn hash_of_nothing(a: u8) -> u8 {
    a
}

#[memoize(debug = "a")]
fn debug_of_a_text(a: u8) -> u8 {
    a
}

#[memoize(key = a, debug(a))]
fn key_stands_for_all(a: u8) -> u8 {
    a
}

#[cached(key_prefix = "x", hash(a))]
fn not_in_the_key(a: u8) -> u8 {
    a
}

fn main() {}
