use cachekit::memoize;

#[memoize]
fn conditional(a: u8, #[cfg(false)] b: u8) -> u8 {
    a
}

fn main() {}
