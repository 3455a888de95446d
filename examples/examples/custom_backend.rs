//! A backend of your own: a table of `SQLite`, registered under a name, chosen by configuration.
//!
//! ```text
//! cargo run -p cachekit-examples --example custom_backend
//! cargo run -p cachekit-examples --example custom_backend -- /tmp/cache.db
//! ```
//!
//! The backend itself is `examples/src/sqlite.rs`: the five methods of the trait `Backend`, then three more for stronger
//! promises. That it keeps all of them is tested by cachekit's own suite, in `examples/tests/conformance.rs`.
//!
//! The first run computes, and the next ones find the values in the file.

use std::error::Error;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

use cachekit::{Config, ErrorKind, delete_memoized, memoize, register_backend};
use cachekit_examples::{rule, sqlite::Sqlite};

static COMPUTED: AtomicU32 = AtomicU32::new(0);

/// How many steps Collatz' sequence takes from `n` to 1. Nothing here says where the values are kept.
#[memoize(timeout = "1h")]
fn steps(n: u64) -> u32 {
    COMPUTED.fetch_add(1, Ordering::Relaxed);
    let mut n = n;
    let mut steps = 0;
    while n != 1 {
        n = if n.is_multiple_of(2) { n / 2 } else { 3 * n + 1 };
        steps += 1;
    }
    steps
}

/// Returns the sum of a thousand calls, and how many of them computed.
fn thousand() -> (u32, u32) {
    COMPUTED.store(0, Ordering::Relaxed);
    let sum = (1..=1000).map(steps).sum();
    (sum, COMPUTED.load(Ordering::Relaxed))
}

fn main() -> Result<(), Box<dyn Error>> {
    let default = || std::env::temp_dir().join("cachekit-custom-backend.db");
    let path = std::env::args_os().nth(1).map_or_else(default, PathBuf::from);
    let path = path.to_str().ok_or("the file's name must be UTF-8")?;

    // Once, at start-up. From now on `CACHE_TYPE=sqlite CACHE_OPTIONS=path=/tmp/cache.db` works too.
    register_backend("sqlite", Sqlite::from_config)?;
    let config = Config::default().cache_type("sqlite").key_prefix("collatz:");

    rule("A wrong configuration says so at the start");
    let Err(error) = cachekit::init(config.clone()) else {
        return Err("it was accepted without a file".into());
    };
    assert_eq!(error.kind(), ErrorKind::Config);
    println!("without a file:    {error}");
    let Err(error) = cachekit::init(config.clone().options([("file", path)])) else {
        return Err("it was accepted with an unknown option".into());
    };
    println!("unknown option:    {error}");

    cachekit::init(config.options([("path", path)]))?;
    rule(&format!("A thousand calls, with the values in {path}"));
    let (first, computed) = thousand();
    println!(
        "first round:       {computed:4} computed{}",
        if computed == 0 { "  (a warm start)" } else { "" }
    );
    let (second, again) = thousand();
    println!("second round:      {again:4} computed");
    assert_eq!((first, again), (second, 0), "the second round comes from the file, and is the same");

    delete_memoized!(steps, 27)?;
    println!("one call deleted:  {:4} computed", thousand().1);
    assert_eq!(thousand().1, 0);
    delete_memoized!(steps)?;
    let (third, all) = thousand();
    println!("all deleted:       {all:4} computed");
    assert_eq!((third, all), (first, 1000), "after the deletion of the function every call computes once");
    Ok(())
}
