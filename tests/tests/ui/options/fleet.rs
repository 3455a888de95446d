use cachekit::{cached, memoize};

#[memoize(single_flight = "world")]
fn unknown_word(n: u8) -> u8 {
    n
}

#[cached(fleet_wait = "1s")]
fn only_the_wait() -> u8 {
    1
}

#[memoize(single_flight = "fleet", fleet_wait = 0)]
fn no_wait(n: u8) -> u8 {
    n
}

#[memoize(single_flight = "fleet", local)]
fn local(n: u8) -> u8 {
    n
}

fn main() {}
