use cachekit::memoize;

#[memoize]
#[track_caller]
fn place(n: u32) -> u32 {
    std::panic::Location::caller().line() + n
}

struct Person;

impl Person {
    #[track_caller]
    #[memoize(in_impl)]
    fn place() -> u32 {
        std::panic::Location::caller().line()
    }
}

fn main() {
    place(1);
    Person::place();
}
