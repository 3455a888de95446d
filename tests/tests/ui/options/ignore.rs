use cachekit::memoize;

#[memoize(ignore(b, self))]
fn unknown(a: u8) -> u8 {
    a
}

#[memoize(ignore(a))]
fn part((a, b): (u8, u8)) -> u8 {
    a + b
}

#[memoize(ignore(a, a))]
fn twice(a: u8) -> u8 {
    a
}

#[memoize(ignore())]
fn nothing(a: u8) -> u8 {
    a
}

fn main() {}
