use cachekit::memoize;

mod roles {
    #[cachekit::memoize]
    pub fn roles(id: u8) -> u8 {
        id
    }
}

pub use roles::roles;

mod names {}

#[memoize]
fn names(id: u8) -> u8 {
    id
}

#[memoize]
fn str(id: u8) -> u8 {
    id
}

struct Person;

impl Person {
    #[memoize(companion = person_role)]
    fn role(id: u8) -> u8 {
        id
    }
}

fn main() {}
