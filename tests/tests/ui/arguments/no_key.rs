use cachekit::{CacheKey, memoize};

struct Opaque;

#[memoize]
fn by_reference(a: u8, opaque: &Opaque) -> u8 {
    let _ = opaque;
    a
}

impl Opaque {
    #[memoize]
    fn method(&self, a: u8) -> u8 {
        a
    }
}

#[memoize]
fn generic<T: Into<u64> + Copy>(value: T) -> u64 {
    value.into()
}

#[memoize(key = Opaque)]
fn by_key() -> u8 {
    1
}

#[derive(CacheKey)]
struct Holder {
    id: u8,
    opaque: Opaque,
}

fn main() {}
