use cachekit::{cached, memoize};

#[memoize(refresh_ahead = 1.0)]
fn at_the_end(n: u8) -> u8 {
    n
}

#[memoize(refresh_ahead = 0.0)]
fn at_once(n: u8) -> u8 {
    n
}

#[memoize(stale_while_revalidate = 0)]
fn no_window(n: u8) -> u8 {
    n
}

#[memoize(stale_while_revalidate = "1m", revalidate = "sometimes")]
fn unknown_word(n: u8) -> u8 {
    n
}

#[memoize(retry_after = "1s")]
fn nothing_to_retry(n: u8) -> u8 {
    n
}

#[memoize(timeout = 0, stale_while_revalidate = "1m")]
fn never_stale(n: u8) -> u8 {
    n
}

#[memoize(stale_if_error = 0)]
fn no_time(n: u8) -> Result<u8, String> {
    Ok(n)
}

#[cached(view, refresh_ahead = 0.5)]
fn view() -> String {
    String::new()
}

fn main() {}
