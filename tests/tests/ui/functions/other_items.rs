use cachekit::{cached, memoize};

#[memoize]
struct Person;

#[memoize]
impl Person {
    fn name(&self) {}
}

#[cached]
mod inner {}

trait Named {
    #[memoize]
    fn name(&self) -> String;
}

fn main() {}
