use std::future::Future;

use cachekit::memoize;

#[memoize]
fn opaque(n: u8) -> impl Iterator<Item = u8> {
    0..n
}

#[memoize]
fn nested(n: u8) -> Option<Box<impl Iterator<Item = u8>>> {
    Some(Box::new(0..n))
}

#[memoize]
fn future(n: u8) -> impl Future<Output = u8> {
    async move { n }
}

#[memoize]
fn never() -> ! {
    std::process::exit(0)
}

fn main() {}
