use cachekit::memoize;

#[memoize(timeout = "5 minuts")]
fn unit(n: u8) -> u8 {
    n
}

#[memoize(timeout = "1h30")]
fn no_unit(n: u8) -> u8 {
    n
}

#[memoize(timeout = "0s")]
fn zero(n: u8) -> u8 {
    n
}

#[memoize(timeout = "584542047y")]
fn years(n: u8) -> u8 {
    n
}

#[memoize(1.5)]
fn fraction(n: u8) -> u8 {
    n
}

#[memoize(-1)]
fn negative(n: u8) -> u8 {
    n
}

#[memoize(timeout = 99999999999999999999)]
fn long(n: u8) -> u8 {
    n
}

#[memoize(timeout = )]
fn missing(n: u8) -> u8 {
    n
}

#[memoize(5, timeout = 6)]
fn twice(n: u8) -> u8 {
    n
}

#[memoize(local, 5)]
fn late(n: u8) -> u8 {
    n
}

#[memoize(timeout = 5 local)]
fn comma(n: u8) -> u8 {
    n
}

fn main() {}
