use cachekit::{delete_memoized, memoize, peek};

mod shop {
    pub fn price(n: u8) -> u8 {
        n
    }
}

#[memoize]
fn has_membership(user: &str) -> bool {
    user == "demo"
}

struct Person;

impl Person {
    fn plain(&self) -> u8 {
        shop::price(1)
    }

    #[memoize(ignore(self))]
    fn role(&self, id: u8) -> u8 {
        id
    }
}

fn main() {
    let person = Person;
    let _ = (person.plain(), person.role(1), has_membership("demo"));
    let _ = delete_memoized!(shop::price, 1);
    let _ = delete_memoized!(shop::prise, 1);
    let _ = delete_memoized!(has_membershp, "demo");
    let _ = delete_memoized!(person.plain, 1);
    let _ = delete_memoized!(person.rol, 1);
    let _ = delete_memoized!(Person::rol);
    let _ = peek!(Person::rol, &person, 1);
}
