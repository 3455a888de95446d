//! The user's own items named like those of the standard library, and a renamed dependency.
#![deny(warnings, missing_docs, clippy::pedantic)]
#![allow(dead_code)]

/// In the way of `Option`, `Result`, `String`, `Some`, `Vec`.
mod items {
    pub struct Option;
    pub struct Result;
    pub struct String;
    pub struct Vec;
    pub struct Duration;
    pub struct Sync;
    pub struct Self_;
    pub trait From {}
    pub trait Into {}
    pub mod core {}
    pub mod std {}
    pub mod cachekit {}
    pub fn drop() {}
    macro_rules! unreachable {
        () => {};
    }
    unreachable!();

    /// Documented.
    #[must_use]
    #[renamed::memoize(crate = renamed)]
    pub fn shadowed(id: u64, name: &str) -> u64 {
        id + name.len() as u64
    }

    #[derive(renamed::CacheKey)]
    #[cache_key(crate = renamed)]
    pub struct Thing(pub u8);

    #[renamed::memoize(crate = renamed, local, timeout = "5m")]
    pub fn local(thing: &Thing) -> ::core::option::Option<u8> {
        ::core::option::Option::Some(thing.0)
    }

    #[renamed::cached(crate = "renamed", name = "n")]
    pub async fn later() -> u8 {
        1
    }
}

pub use items::shadowed;

#[test]
fn runs() {
    assert_eq!(shadowed(1, "x"), 2);
    renamed::delete_memoized!(shadowed, 1, "x").expect("deleted");
    assert_eq!(renamed::refresh!(shadowed, 1, "x"), 2);
    assert_eq!(items::local(&items::Thing(1)), Some(1));
    drop(items::later());
}
