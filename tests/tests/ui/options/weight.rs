use cachekit::memoize;

#[memoize(weight = 100)]
fn no_closure(n: u8) -> u8 {
    n
}

#[memoize(weight = |value, size| 100)]
fn two_arguments(n: u8) -> u8 {
    n
}

#[memoize(weight)]
fn no_value(n: u8) -> u8 {
    n
}

fn main() {}
