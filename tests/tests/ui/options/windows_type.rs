use cachekit::memoize;

#[memoize(stale_if_error = "1h")]
fn no_result(n: u8) -> u8 {
    n
}

#[memoize(stale_if_error = "1h")]
async fn no_error(n: u8) -> Option<u8> {
    Some(n)
}

type Answer<T> = Result<T, String>;

#[memoize(stale_if_error = "1h")]
fn an_alias(n: u8) -> Answer<u8> {
    Ok(n)
}

fn main() {}
