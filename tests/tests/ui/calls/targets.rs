use cachekit::{delete_memoized, delete_memoized_verhash, memoize, peek, stats};

#[memoize]
fn size<T>(n: u8) -> usize {
    std::mem::size_of::<T>() + usize::from(n)
}

fn main() {
    let _ = delete_memoized!();
    let _ = stats!(size::<u8>);
    let _ = delete_memoized!(size(1));
    let _ = delete_memoized!(person.has_role(1));
    let _ = delete_memoized_verhash!(size, 1);
    let _ = stats!(size, 1);
    let _ = peek!(1 + 2);
    let _ = peek!(&size, 1);
}
