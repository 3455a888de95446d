//! A level of a recursive memoized function takes little of the stack.

use std::cell::Cell;
use std::hint::black_box;

use cachekit::memoize;
use cachekit_tests::block_on;

thread_local!(static MARKS: Cell<[usize; 2]> = const { Cell::new([0; 2]) });

const LEVELS: u64 = 100;

/// Notes where the stack is, at the first and the last level.
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
fn bytes_of_a_level() -> u64 {
    let [first, last] = MARKS.replace([0; 2]);
    assert!(first != 0 && last != 0, "both levels were computed");
    u64::try_from(first.abs_diff(last)).unwrap() / LEVELS
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

#[memoize]
async fn later(n: u64) -> u64 {
    mark(n);
    if n == 0 { 0 } else { Box::pin(later(n - 1)).await + 1 }
}

/// Asserts the most bytes of a level: in a release build, in a debug build.
#[track_caller]
fn assert_level(most: [u64; 2]) {
    let most = most[usize::from(cfg!(debug_assertions))];
    let bytes = bytes_of_a_level();
    assert!(bytes <= most, "{bytes} bytes a level, {most} at most");
}

#[test]
fn a_level_of_a_function_is_small() {
    assert_eq!(count(LEVELS), LEVELS);
    assert_level([256, 1024]);
    assert_eq!(spelled(LEVELS, "m"), "m");
    assert_level([384, 1024]);
}

#[test]
fn a_level_of_an_async_function_is_small() {
    assert_eq!(block_on(later_borrowed(&LEVELS)), LEVELS);
    assert_level([640, 2304]);
    // Its body belongs to its flight.
    assert_eq!(block_on(later(LEVELS)), LEVELS);
    assert_level([896, 4096]);
}
