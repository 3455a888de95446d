use cachekit::memoize;

#[memoize(timeout = f64::from(n))]
fn wrong(n: u8) -> u8 {
    n
}

fn main() {}
