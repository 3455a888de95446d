use std::borrow::Cow;

use cachekit::memoize;

#[memoize(timeout = 9, stale_while_revalidate = 9, revalidate = "background")]
fn borrowed_parts(one: &str, two: Option<&str>) -> u8 {
    let _ = (one, two);
    1
}

#[memoize(detached)]
async fn a_cow(text: Cow<'_, str>) -> u8 {
    let _ = text;
    1
}

#[memoize(detached)]
fn blocking(n: u8) -> u8 {
    n
}

#[memoize(timeout = 9, stale_while_revalidate = 9, soft_timeout = "1s")]
fn in_the_foreground(n: u8) -> u8 {
    n
}

#[memoize(timeout = 9, refresh_ahead = 0.5, revalidate = "background", soft_timeout = "1s")]
fn never_stale(n: u8) -> u8 {
    n
}

trait Rates {
    #[memoize(timeout = 9, stale_while_revalidate = 9, revalidate = "background")]
    fn rate(&self) -> u8
    where
        Self: std::hash::Hash + std::fmt::Debug,
    {
        1
    }
}

fn main() {}
