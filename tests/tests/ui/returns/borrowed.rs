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

#[memoize]
fn name_of(n: u8) -> &'static str {
    if n == 0 { "zero" } else { "more" }
}

#[memoize]
fn names_of(n: u8) -> Result<Vec<(u8, &'static str)>, &'static str> {
    if n == 0 { Err("zero") } else { Ok(vec![(n, "more")]) }
}

#[memoize]
fn only_the_error(n: u8) -> Result<u8, &'static str> {
    if n == 0 { Err("zero") } else { Ok(n) }
}

#[memoize(local)]
fn in_process(n: u8) -> &'static str {
    if n == 0 { "zero" } else { "more" }
}

fn main() {}
