use std::pin::Pin;

use cachekit::memoize;

#[derive(Hash)]
struct Person;

impl Person {
    #[memoize]
    fn change(&mut self, by: u8) -> u8 {
        by
    }

    #[memoize]
    fn pinned(self: Pin<&mut Self>) -> u8 {
        1
    }
}

#[memoize]
fn change(list: &mut Vec<u8>) -> u8 {
    list.pop().unwrap_or_default()
}

#[memoize(ignore(list))]
fn change_some(list: Option<&mut Vec<u8>>) -> u8 {
    list.map_or(0, |list| list.pop().unwrap_or_default())
}

fn main() {
    // The mistakes above are the only errors.
    let _ = cachekit::delete_memoized!(change, &mut vec![]);
    let _ = cachekit::delete_memoized!(Person::change);
}
