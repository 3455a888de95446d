//! Recursive memoized functions, and the bytes of stack that a level of each takes. The count of instructions has this file, too, for
//! a release build.

use std::cell::Cell;
use std::future::Future;
use std::hint::black_box;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use cachekit::memoize;

thread_local!(static MARKS: Cell<[usize; 2]> = const { Cell::new([0; 2]) });

const LEVELS: u64 = 100;

/// Notes where the stack is, at the first and the last level.
#[inline(never)]
fn mark(n: u64) {
    let local = 0u8;
    let here = std::ptr::from_ref(black_box(&local)).addr();
    let [first, last] = MARKS.get();
    match n {
        LEVELS => MARKS.set([here, last]),
        0 => MARKS.set([first, here]),
        _ => {}
    }
}

/// Returns the bytes of stack that a level took in a run just now.
fn bytes() -> u64 {
    let [first, last] = MARKS.replace([0; 2]);
    assert!(first != 0 && last != 0, "both levels were computed");
    u64::try_from(first.abs_diff(last)).expect("a number of 64 bits") / LEVELS
}

fn poll_once<F: Future<Output = u64>>(future: F) {
    let polled = pin!(future).poll(&mut Context::from_waker(Waker::noop()));
    assert_eq!(polled, Poll::Ready(LEVELS), "in process nothing is waited for");
}

#[memoize]
fn count(n: u64) -> u64 {
    mark(n);
    if n == 0 { 0 } else { count(n - 1) + 1 }
}

#[memoize]
fn spelled(n: u64, unit: &str) -> String {
    mark(n);
    if n == 0 { unit.to_string() } else { spelled(n - 1, unit) }
}

#[memoize]
async fn later_borrowed(n: &u64) -> u64 {
    mark(*n);
    if *n == 0 { 0 } else { Box::pin(later_borrowed(&(n - 1))).await + 1 }
}

// Its body belongs to its flight.
#[memoize]
async fn later(n: u64) -> u64 {
    mark(n);
    if n == 0 { 0 } else { Box::pin(later(n - 1)).await + 1 }
}

/// Returns the bytes of a level of each function: with numbers, with texts, async with a borrowed argument, and async.
pub fn of_each() -> [(&'static str, u64); 4] {
    assert_eq!(count(LEVELS), LEVELS);
    let numbers = bytes();
    assert_eq!(spelled(LEVELS, "m"), "m");
    let texts = bytes();
    poll_once(later_borrowed(&LEVELS));
    let borrowed = bytes();
    poll_once(later(LEVELS));
    [("numbers", numbers), ("texts", texts), ("async_borrowed", borrowed), ("async", bytes())]
}
