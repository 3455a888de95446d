//! Calls for `callgrind` to count, `cachekit-instructions ROW CALLS`, and hits for `lackey` to trace, `cachekit-instructions ROW mark`.
//! `cachekit-instructions stack` prints the bytes of stack that a level of recursive functions takes. See `bench/check-instructions`.

#[path = "../../../tests/src/levels.rs"]
mod levels;

use std::hint::black_box;
use std::pin::pin;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Waker};
use std::time::Duration;

use cachekit::{CacheKey, Config, memoize};
use serde::{Deserialize, Serialize};

#[memoize(timeout = 3600)]
fn number(x: u64) -> u64 {
    x.wrapping_mul(3)
}

#[memoize(timeout = 3600)]
fn texts(user: &str, role: &str) -> bool {
    user == role
}

#[derive(CacheKey)]
struct Person {
    id: u64,
}

impl Person {
    #[memoize(timeout = 3600)]
    fn label(&self, n: u32) -> String {
        format!("{}-{n}", self.id)
    }
}

/// 1 KiB.
#[derive(Clone, Serialize, Deserialize)]
struct Page([[u64; 16]; 8]);

#[memoize(timeout = 3600)]
fn page(x: u64) -> Page {
    Page([[x; 16]; 8])
}

impl Person {
    #[memoize(timeout = 3600)]
    fn has_role(&self, role: u32) -> bool {
        self.id > u64::from(role)
    }
}

#[memoize(timeout = 3600, local)]
fn shared(x: u64) -> Arc<[u64; 128]> {
    Arc::new([x; 128])
}

#[memoize(timeout = 3600, stale_while_revalidate = 600, local)]
fn shared_stale(x: u64) -> Arc<[u64; 128]> {
    Arc::new([x; 128])
}

#[memoize(timeout = 3600)]
async fn later(x: u64) -> u64 {
    x.wrapping_mul(3)
}

/// The action on a row.
#[derive(Clone, Copy)]
enum Mode {
    /// So many hits, whose instructions are counted.
    Repeat(u64),
    /// A few hits, each between two marks in the trace of memory accesses.
    Mark,
}

/// How many changes of one place in a row are a mark.
const MARK: u64 = 8;
/// How many hits are marked, and of how many keys.
const MARKED: u64 = 64;

/// Changes one place so often that a trace shows where it is. Stores alone would be merged.
#[inline(always)]
fn mark() {
    static PLACE: AtomicU64 = AtomicU64::new(0);
    for _ in 0..MARK {
        PLACE.fetch_add(1, Ordering::Relaxed);
    }
}

/// Runs a row that calls with one key where instructions are counted: with many, the secret of the process decides which of them
/// share a bucket.
fn run<T>(mode: Mode, once: impl FnMut(u64) -> T) {
    run_with(mode, |_| 7, once);
}

fn run_with<T>(mode: Mode, key: impl Fn(u64) -> u64, mut once: impl FnMut(u64) -> T) {
    black_box(once(0));
    // The first hit starts the thread of the cache's clock. Until it ticks, hits read the system's clock; under callgrind,
    // which runs one thread at a time, that could go on for long.
    black_box(once(0));
    std::thread::sleep(Duration::from_millis(50));
    while cachekit::cache().health().near.is_some_and(|near| near.entries == 0) {
        // A tier serves a second after it was opened, and keeps what the backend has.
        std::thread::sleep(Duration::from_millis(50));
        black_box(once(key(0)));
    }
    match mode {
        Mode::Repeat(hits) => {
            for i in 0..hits {
                black_box(once(black_box(key(i))));
            }
        }
        Mode::Mark => {
            // The first hits of an entry mark its use.
            for i in 0..4 * MARKED {
                black_box(once(black_box(i % MARKED)));
            }
            for i in 0..MARKED {
                mark();
                black_box(once(black_box(i)));
                mark();
            }
        }
    }
}

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let row = arguments.next().unwrap_or_default();
    if row == "stack" {
        levels::of_each().iter().for_each(|(function, bytes)| println!("{function} {bytes}"));
        return ExitCode::SUCCESS;
    }
    let mode = match arguments.next() {
        Some(text) if text == "mark" => Some(Mode::Mark),
        Some(text) => text.parse().ok().map(Mode::Repeat),
        None => None,
    };
    let Some(mode) = mode else {
        eprintln!("usage: cachekit-instructions stack|ROW HITS|ROW mark");
        return ExitCode::FAILURE;
    };
    let person = Person { id: 5 };
    let mut row = row.as_str();
    let mut dir = None;
    if let Some(rest) = row.strip_prefix("near_") {
        // The same in the near tier of a directory.
        row = rest;
        let path = std::env::temp_dir().join(format!("cachekit-instructions-{}", std::process::id()));
        let config = Config::filesystem(&path).near(10_000).near_staleness(Duration::from_secs(10));
        cachekit::init(config).expect("the directory can be made");
        dir = Some(path);
    }
    let known = measure(row, mode, &person);
    if let Some(path) = dir {
        let _ = std::fs::remove_dir_all(path);
    }
    if known { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Runs a row; false if there is none of the name.
fn measure(row: &str, mode: Mode, person: &Person) -> bool {
    match row {
        // Nothing but the loop.
        "empty" => run(mode, |i| i),
        "u64" => run(mode, number),
        "traced_u64" => run(mode, |i| cachekit::traced!(number, i)),
        "u64_1024_keys" => run_with(mode, |i| i % 1024, number),
        // Each key is a new one, and evicts another once the cache is full.
        "miss" => run_with(mode, |i| 1 + i, number),
        "miss_string" => run_with(mode, |i| 1 + i, |i| black_box(person).label(i as u32)),
        "two_str" => run(mode, |_| texts(black_box("user-0042@example.org"), black_box("role-7"))),
        "method_string" => run(mode, |i| black_box(person).label(i as u32)),
        "method_bool" => run(mode, |i| black_box(person).has_role(i as u32)),
        "value_1kib" | "value_1kib_1024_keys" => {
            // The first values of a function are watched for clones that share.
            (10_000..10_016).for_each(|i| drop(black_box(page(i))));
            // More than a thread holds.
            let keys = if row == "value_1kib" { 1 } else { 1024 };
            run_with(mode, |i| 7 + i % keys, page);
        }
        "arc_1kib" => run(mode, shared),
        "arc_1kib_1024_keys" => run_with(mode, |i| i % 1024, shared),
        "method_string_1024_keys" => run_with(mode, |i| i % 1024, |i| black_box(person).label(i as u32)),
        "arc_1kib_stale" => run(mode, shared_stale),
        "async_u64" => {
            let mut context = Context::from_waker(Waker::noop());
            run(mode, |i| pin!(later(i)).poll(&mut context).is_ready());
        }
        unknown => {
            eprintln!("there is no row `{unknown}`");
            return false;
        }
    }
    true
}
