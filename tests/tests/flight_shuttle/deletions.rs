//! Deletions beside computations.

use shuttle::thread::yield_now;

use crate::check;
use crate::memo::Memo;
use crate::schedules::{boxed, in_threads};

#[test]
fn no_value_from_before_a_deletion_is_stored_after_it() {
    check(|| {
        let memo = Memo::default();
        let call = || {
            let memo = memo.clone();
            boxed(move || _ = memo.call(1, &yield_now))
        };
        let delete = || {
            let memo = memo.clone();
            boxed(move || {
                memo.change_world();
                memo.delete(1);
                assert_eq!(
                    memo.call(1, &yield_now),
                    1,
                    "a call after the deletion joined a flight from before it"
                );
            })
        };
        in_threads([call(), delete(), call()]);
        assert_ne!(memo.stored(1), Some(0));
        memo.assert_quiet();
    });
}

#[test]
fn no_value_from_before_a_clear_is_stored_after_it() {
    check(|| {
        let memo = Memo::default();
        let call = |key| {
            let memo = memo.clone();
            boxed(move || _ = memo.call(key, &yield_now))
        };
        let clear = {
            let memo = memo.clone();
            boxed(move || {
                memo.change_world();
                memo.clear();
            })
        };
        in_threads([call(1), call(2), clear]);
        assert!([1, 2].map(|key| memo.call(key, &|| {})).iter().all(|&seen| seen == 1));
        memo.assert_quiet();
    });
}

#[test]
fn a_flight_that_is_used_again_is_none_of_the_ones_before() {
    check(|| {
        let memo = Memo::default();
        // Each thread's later misses are on the flight of its first one, unless that one still has references.
        let calls = |keys: [u64; 3]| {
            let memo = memo.clone();
            boxed(move || keys.iter().for_each(|&key| _ = memo.call(key, &yield_now)))
        };
        let delete = {
            let memo = memo.clone();
            boxed(move || {
                memo.change_world();
                memo.delete(2);
            })
        };
        in_threads([calls([1, 2, 3]), calls([3, 2, 1]), delete]);
        assert_eq!(memo.call(2, &|| {}), 1, "a value from before the deletion");
        assert!(
            memo.computed() <= 5,
            "keys 1 and 3 once, key 2 before the deletion, after it, and at the end"
        );
        memo.assert_quiet();
    });
}
