use cachekit::memoize;

#[memoize]
const fn constant(n: u8) -> u8 {
    n
}

#[memoize]
unsafe fn risky(n: u8) -> u8 {
    n
}

#[memoize]
extern "C" fn foreign(n: u8) -> u8 {
    n
}

#[memoize]
pub const unsafe extern "C" fn everything(n: u8) -> u8 {
    n
}

fn main() {}
