use cachekit::memoize;

#[memoize]
#[cachekit::cached]
fn twice() -> u8 {
    1
}

fn main() {}
