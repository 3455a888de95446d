//! How to test code with memoized functions: a cache of its own for each test, and a clock that the test moves.
//!
//! ```text
//! cargo test -p cachekit-examples --example testing
//! cargo run -p cachekit-examples --example testing
//! ```
//!
//! It needs the feature `testing` of cachekit, which belongs under `[dev-dependencies]`.

use std::cell::Cell;

use cachekit::memoize;

thread_local!(static LOOKUPS: Cell<u32> = const { Cell::new(0) });

/// Looks up the price of an article, which may change every minute.
#[memoize(timeout = "1m")]
fn price(article: u32) -> u32 {
    LOOKUPS.set(LOOKUPS.get() + 1);
    article * 10
}

fn main() {
    assert_eq!(price(4) + price(4), 80);
    println!("price(4) was asked for twice and looked up {} time", LOOKUPS.get());
    println!("the tests are what this example is about: cargo test -p cachekit-examples --example testing");
    assert_eq!(LOOKUPS.get(), 1);
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use cachekit::testing::{Scoped, scoped};
    use cachekit::{Config, delete_memoized};

    use super::*;

    fn lookups() -> u32 {
        LOOKUPS.take()
    }

    /// Tests run in parallel and call the same function; none sees another one's entries.
    #[test]
    fn a_price_is_looked_up_once_a_minute() {
        scoped(Config::simple(), |test| {
            assert_eq!((price(1), price(1), lookups()), (10, 10, 1));
            // No test sleeps: the clock stands still until the test moves it.
            test.advance(Duration::from_secs(59));
            assert_eq!((price(1), lookups()), (10, 0), "the last second of it");
            test.advance(Duration::from_secs(1));
            assert_eq!((price(1), lookups()), (10, 1), "its time is over");
        });
    }

    #[test]
    fn a_changed_price_is_seen_after_its_deletion() {
        scoped(Config::simple(), |_| {
            let _ = (price(1), price(2), lookups());
            delete_memoized!(price, 1).unwrap();
            assert_eq!((price(1), price(2), lookups()), (10, 20, 1), "article 2 was not touched");
        });
    }

    /// Without a cache the function itself is under test.
    #[test]
    fn the_function_itself() {
        scoped(Config::null().no_null_warning(true), |_| {
            assert_eq!((price(1), price(1), lookups()), (10, 10, 2));
        });
    }

    /// A scope can be entered again, for a test that needs two caches.
    #[test]
    fn two_caches_share_nothing() {
        let (one, other) = (Scoped::new(Config::simple()), Scoped::new(Config::simple()));
        for (scope, expected) in [(&one, 1), (&other, 1), (&one, 0)] {
            let _entered = scope.enter();
            assert_eq!((price(1), lookups()), (10, expected));
        }
        assert_eq!(one.cache().stats().hits, 1);
    }
}
