//! Memory of a million entries: how much the resident memory of a fresh process grows.

use std::hint::black_box;
use std::process::Command;
use std::sync::LazyLock;

use cached::macros::cached;
use cachekit::{Cache, Config};

use super::LIFE;
use super::hits::{BOUNDED, triple};
use crate::machine::resident;
use crate::report::{Check, Row};

const ENTRIES: u64 = 1_000_000;
const ENTRANTS: [&str; 4] = ["ours", BOUNDED, "moka", "quick_cache"];

static LARGE: LazyLock<Cache> = LazyLock::new(|| {
    Cache::open(Config::simple().threshold(ENTRIES as usize)).expect("a configuration without mistakes")
});

#[cachekit::memoize(timeout = 3600, cache = LARGE)]
fn ours(x: u64) -> u64 {
    triple(x)
}

#[cached(max_size = 1_000_000, ttl_secs = 3600)]
fn cached_million(x: u64) -> u64 {
    triple(x)
}

pub fn rows() -> Vec<Row> {
    let measured = ENTRANTS.map(|name| (name.to_string(), in_a_process(name)));
    let [(_, ours), peers @ ..] = measured;
    let cached = peers[0].1;
    vec![Row {
        title: "memory per entry, `u64 → u64`, 1 million".into(),
        unit: "bytes",
        more: false,
        ours,
        peers: peers.into(),
        references: vec![("key and value".into(), 16.0)],
        checks: vec![Check::at_most(ours / cached, 1.0, BOUNDED)],
    }]
}

/// Bytes per entry, by this program as another process.
fn in_a_process(entrant: &str) -> f64 {
    let program = std::env::current_exe().expect("the program's own file");
    let output =
        Command::new(program).args(["memory-of", entrant]).output().expect("the program starts once more");
    let text = String::from_utf8_lossy(&output.stdout);
    text.trim().parse().unwrap_or_else(|_| panic!("`{entrant}` measured no memory: {output:?}"))
}

/// Fills one cache and prints its bytes per entry.
pub fn child(entrant: &str) {
    let bytes = match entrant {
        "ours" => {
            // The cache is bound, and its threads run.
            ours(0);
            grown(|| (0..ENTRIES).for_each(|x| drop_number(ours(x))), || LARGE.stats().entries.unwrap_or(0))
        }
        BOUNDED => grown(|| (0..ENTRIES).for_each(|x| drop_number(cached_million(x))), || ENTRIES),
        "moka" => {
            let cache = moka::sync::Cache::builder().max_capacity(ENTRIES).time_to_live(LIFE).build();
            let fill = || {
                (0..ENTRIES).for_each(|x| drop_number(cache.get_with(x, || triple(x))));
                cache.run_pending_tasks();
            };
            grown(fill, || cache.entry_count())
        }
        _ => {
            let before = resident();
            let cache = quick_cache::sync::Cache::new(ENTRIES as usize);
            (0..ENTRIES).for_each(|x| cache.insert(x, triple(x)));
            (resident() - before) as f64 / cache.len() as f64
        }
    };
    println!("{bytes}");
}

fn drop_number(number: u64) {
    black_box(number);
}

/// The growth of this process, by entry.
fn grown(fill: impl FnOnce(), entries: impl FnOnce() -> u64) -> f64 {
    let before = resident();
    fill();
    (resident() - before) as f64 / entries() as f64
}
