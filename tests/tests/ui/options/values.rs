use cachekit::{cached, memoize};

#[memoize(none_timeout = 5)]
fn no_option(n: u8) -> u8 {
    n
}

#[memoize(err_timeout = 5)]
fn no_result(n: u8) -> Option<u8> {
    Some(n)
}

#[memoize(err_timeout = |value| 5)]
fn closure(n: u8) -> Result<u8, String> {
    Ok(n)
}

#[memoize(jitter = 1.5)]
fn more_than_all(n: u8) -> u8 {
    n
}

#[memoize(jitter = -0.1)]
fn longer(n: u8) -> u8 {
    n
}

#[memoize(jitter = "10%")]
fn text(n: u8) -> u8 {
    n
}

#[cached(view, err_timeout = 5)]
fn view() -> Result<String, String> {
    Ok(String::new())
}

fn main() {}
