use cachekit::memoize;

#[memoize(cache_none)]
fn number(n: u8) -> u8 {
    n
}

#[memoize(cache_none)]
fn result(n: u8) -> Result<u8, String> {
    Ok(n)
}

#[memoize(cache_none)]
fn option(n: u8) -> Result<Option<u8>, String> {
    Ok(Some(n))
}

fn main() {}
