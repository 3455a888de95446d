//! The user's own types named like the primitive ones and those of the prelude.
#![deny(warnings)]
#![allow(dead_code, non_camel_case_types)]

mod items {
    pub struct bool;
    pub struct u8;
    pub struct u64;
    pub struct usize;
    pub struct str;
    pub struct char;
    pub struct Option;
    pub struct Some;
    pub struct None;
    pub struct Result;
    pub struct Ok;
    pub struct Err;
    pub struct Box;
    pub struct String;
    pub trait Fn {}
    pub trait FnOnce {}
    pub trait Send {}
    pub trait Sync {}
    pub trait Default {}
    pub trait Copy {}
    pub trait Clone {}
    pub trait Sized {}

    type Number = ::core::primitive::u32;

    #[derive(::cachekit::CacheKey)]
    pub struct Thing {
        number: Number,
    }

    #[cachekit::memoize(timeout = 5, unless = *id > 7, refresh_if = false, stale_if = |v| *v == 9, cache_if = |v| *v != 9)]
    pub fn conditions((id, _): (Number, Number)) -> Number {
        id
    }

    #[cachekit::cached(key_prefix = id, name = "primitives.later", version = "2", source_check)]
    pub async fn later(id: Number) -> Number {
        id
    }

    #[cachekit::cached(view)]
    pub fn viewed() -> Number {
        1
    }

    #[cachekit::cached(view, unless = false)]
    pub async fn viewed_later() -> Number {
        1
    }

    impl Thing {
        pub fn new(number: Number) -> Self {
            Self { number }
        }

        #[cachekit::memoize(key = more)]
        pub fn keyed(&self, more: Number) -> Number {
            self.number + more
        }

        #[cachekit::memoize]
        pub async fn method(&self, more: Number) -> Number {
            self.number + more
        }
    }

    pub fn calls() {
        let thing = Thing::new(1);
        assert_eq!((conditions((1, 2)), thing.keyed(1), viewed()), (1, 2, 1));
        drop((later(1), thing.method(2), viewed_later()));
        cachekit::delete_memoized!(conditions, (1, 2)).unwrap();
        drop(cachekit::delete_memoized!(thing.method));
        cachekit::delete_cached!(viewed).unwrap();
        assert_eq!(cachekit::refresh!(conditions, (1, 2)), 1);
        assert_eq!(cachekit::uncached!(Thing::keyed, &thing, 2), 3);
        assert_eq!(cachekit::stats!(Thing::keyed).misses, 1);
    }
}

#[test]
fn runs() {
    items::calls();
}
