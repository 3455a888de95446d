use cachekit::{invalidates, memoize};

#[memoize(tags("user:{id}"))]
fn not_filled_in(id: u64) -> u64 {
    id
}

#[memoize(tags(|value: &u64| format!("user:{value}")))]
fn of_value(id: u64) -> u64 {
    id
}

#[memoize(tags(format!("user:{id}")), ignore(id))]
fn ignored(id: u64) -> u64 {
    id
}

#[memoize(tags = "users")]
fn without_parentheses(id: u64) -> u64 {
    id
}

#[memoize(tags())]
fn none(id: u64) -> u64 {
    id
}

#[invalidates(tags = "users")]
fn misspelled() {}

#[invalidates(not_filled_in(1), cache = OTHER)]
fn no_tag() {}

fn main() {}
