use cachekit::memoize;

struct Failure;

#[memoize(err_timeout = 5)]
fn fails(n: u8) -> Result<u8, Failure> {
    if n == 0 { Err(Failure) } else { Ok(n) }
}

fn main() {}
