use cachekit::delete_memoized;

fn plain(n: u8) -> u8 {
    n
}

struct Person;

impl Person {
    fn role(&self) -> u8 {
        plain(1)
    }
}

fn main() {
    let person = Person;
    person.role();
    let _ = delete_memoized!(plain, 1);
    let _ = delete_memoized!(person.role);
}
