use std::borrow::Cow;

use cachekit::memoize;

struct Person(String);

impl Person {
    #[memoize]
    fn name(&self) -> &str {
        &self.0
    }
}

#[memoize]
fn named<'a>(text: &'a str) -> Cow<'a, str> {
    text.into()
}

#[memoize]
fn elided(text: &str) -> Option<Cow<'_, str>> {
    Some(text.into())
}

fn main() {}
