//! Hits for `callgrind` to count: `cachekit-instructions ROW HITS`. See `bench/check-instructions`.

use std::hint::black_box;
use std::pin::pin;
use std::process::ExitCode;
use std::sync::Arc;
use std::task::{Context, Waker};
use std::time::Duration;

use cachekit::{CacheKey, memoize};

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

#[memoize(timeout = 3600, local)]
fn shared(x: u64) -> Arc<[u64; 128]> {
    Arc::new([x; 128])
}

#[memoize(timeout = 3600)]
async fn later(x: u64) -> u64 {
    x.wrapping_mul(3)
}

fn repeat<T>(hits: u64, mut once: impl FnMut(u64) -> T) {
    black_box(once(0));
    // The first hit starts the thread of the cache's clock. Until it ticks, hits read the system's clock; under callgrind,
    // which runs one thread at a time, that could go on for long.
    black_box(once(0));
    std::thread::sleep(Duration::from_millis(50));
    for i in 0..hits {
        black_box(once(black_box(i)));
    }
}

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let row = arguments.next().unwrap_or_default();
    let Some(hits) = arguments.next().and_then(|text| text.parse().ok()) else {
        eprintln!("usage: cachekit-instructions ROW HITS");
        return ExitCode::FAILURE;
    };
    let person = Person { id: 5 };
    match row.as_str() {
        // Nothing but the loop.
        "empty" => repeat(hits, |i| i),
        "u64" => repeat(hits, |_| number(7)),
        "u64_1024_keys" => repeat(hits, |i| number(i % 1024)),
        "two_str" => repeat(hits, |_| texts(black_box("user-0042@example.org"), black_box("role-7"))),
        "method_string" => repeat(hits, |_| black_box(&person).label(black_box(7))),
        "arc_1kib" => repeat(hits, |_| shared(7)),
        "async_u64" => {
            let mut context = Context::from_waker(Waker::noop());
            repeat(hits, |_| pin!(later(7)).poll(&mut context).is_ready());
        }
        unknown => {
            eprintln!("there is no row `{unknown}`");
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}
