//! The tables of the in-process store under [loom], which tries all orders in which loads and stores may take effect on any
//! processor, as far as the language allows: readers that take no lock beside writers, deletions, growth and claims.
//!
//! [loom]: https://docs.rs/loom
#![expect(
    dead_code,
    unused_imports,
    unreachable_pub,
    reason = "the store's own modules are compiled here, and not all of them are needed"
)]

mod simple;

use std::time::Duration;

use loom::sync::Arc;
use loom::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use loom::thread::spawn;

use simple::buckets::Right;
use simple::program::Program;

/// The time that entries live by; it stands still here.
#[derive(Clone, Default)]
struct Clock(std::sync::Arc<AtomicU64>);

impl Clock {
    fn is_past(&self, expiry: u64) -> bool {
        expiry <= self.0.load(Ordering::SeqCst)
    }
    fn is_certainly_ahead(&self, expiry: u64) -> bool {
        !self.is_past(expiry)
    }
}

/// A program that has so many orders that not all can be tried is given up after this time.
const LONGEST: Duration = Duration::from_secs(3);

fn explore(preemptions: usize, program: impl Fn() + Sync + Send + 'static) {
    let mut model = loom::model::Builder::new();
    model.max_duration = Some(LONGEST);
    model.checkpoint_interval = 100;
    model.preemption_bound = Some(preemptions);
    model.max_branches = 100_000;
    model.check(program);
}

/// Keys of one bucket and one tag, so that they use one way after another.
const A: u64 = 1;
const B: u64 = 1 << 20 | 1;

/// A reader of `key` beside a writer that uses one way for one entry after another.
fn is_whole(key: u64, values: &'static [u64], write: fn(&Program)) {
    explore(2, move || {
        let table = Arc::new(Program::new(0));
        table.put(A, 10);
        let reader = Arc::clone(&table);
        let reader = spawn(move || assert!(reader.get(key).is_none_or(|value| values.contains(&value))));
        write(&table);
        reader.join().unwrap();
    });
}

#[test]
fn a_reader_never_sees_words_of_two_values() {
    is_whole(A, &[10, 11], |table| table.put(A, 11));
}

#[test]
fn a_reader_never_sees_words_of_two_entries() {
    let write = |table: &Program| {
        table.remove(A);
        table.put(B, 20);
    };
    is_whole(A, &[10], write);
    is_whole(B, &[20], write);
}

/// Once `delete` has returned, no lookup that begins later finds the value, whatever a third thread does meanwhile.
fn is_final(delete: fn(&Program), meanwhile: fn(&Program)) {
    explore(1, move || {
        let table = Arc::new(Program::new(0));
        table.put(A, 10);
        let returned = Arc::new(AtomicBool::new(false));
        let other = Arc::clone(&table);
        let other = spawn(move || meanwhile(&other));
        let (reader, seen) = (Arc::clone(&table), Arc::clone(&returned));
        let reader = spawn(move || {
            // As weak as what tells a thread of a deletion can be.
            let deleted = seen.load(Ordering::Acquire);
            let found = reader.get(A);
            assert!(!deleted || found != Some(10), "a deleted value");
        });
        delete(&table);
        returned.store(true, Ordering::Release);
        reader.join().unwrap();
        other.join().unwrap();
        assert_ne!(table.get(A), Some(10));
    });
}

#[test]
fn the_deletion_of_a_call_is_final() {
    is_final(
        |table| {
            table.remove(A);
        },
        |_| (),
    );
    is_final(
        |table| {
            table.remove(A);
        },
        |table| table.put(B, 20),
    );
}

#[test]
fn the_deletion_of_a_function_is_final() {
    is_final(Program::delete_all, |_| ());
    is_final(Program::delete_all, |table| table.put(B, 20));
}

#[test]
fn the_deletion_of_an_instance_is_final() {
    is_final(Program::delete_instance, |_| ());
    is_final(Program::delete_instance, |table| table.put(B, 20));
    is_final(Program::delete_instance, Program::sweep);
    is_final(Program::delete_instance, Program::delete_all);
}

#[test]
fn a_computation_that_began_before_a_deletion_does_not_bring_its_value_back() {
    for delete in [
        (|table| {
            table.remove(A);
        }) as fn(&Program),
        Program::delete_all,
        Program::delete_instance,
    ] {
        explore(2, move || {
            let table = Arc::new(Program::with_pages());
            let claim = table.claim(A).unwrap();
            let computing = Arc::clone(&table);
            let computing = spawn(move || computing.fill(A, 10, Right::Claim(claim), u64::MAX));
            delete(&table);
            // Stored before or not at all.
            assert_eq!(table.get(A), None);
            computing.join().unwrap();
            assert_eq!(table.get(A), None);
        });
    }
}

#[test]
fn one_of_those_who_miss_together_computes() {
    explore(2, || {
        let table = Arc::new(Program::with_pages());
        let other = Arc::clone(&table);
        let other =
            spawn(move || other.claim(A).map(|claim| other.fill(A, 10, Right::Claim(claim), u64::MAX)));
        let ours = table.claim(A).map(|claim| table.fill(A, 10, Right::Claim(claim), u64::MAX));
        let theirs = other.join().unwrap();
        // The second may have found the value or the claim of the first.
        assert!(matches!((ours, theirs), (Some(true), None) | (None, Some(true))));
        assert_eq!(table.get(A), Some(10));
    });
}

#[test]
fn entries_are_found_or_missed_but_not_mistaken_while_the_table_grows() {
    // All in the first bucket of four, so that they go on to the next ones, and move.
    let key = |n: u64| (n << 28) | (n % 2) | (1 << 10);
    explore(1, move || {
        let table = Arc::new(Program::new(0));
        for n in 0..22 {
            table.put(key(n), n);
        }
        let reader = Arc::clone(&table);
        let reader = spawn(move || {
            assert!(matches!(reader.get(key(21)), None | Some(21)));
            assert!(matches!(reader.get(key(0)), None | Some(0)));
        });
        table.put(key(22), 22);
        reader.join().unwrap();
        assert_eq!(table.len(), 23);
        for n in 0..23 {
            assert_eq!(table.get(key(n)), Some(n));
        }
    });
}

#[test]
fn a_full_table_makes_room_under_its_readers() {
    explore(2, || {
        let table = Arc::new(Program::new(2));
        table.put(A, 10);
        table.put(B, 20);
        let reader = Arc::clone(&table);
        let reader = spawn(move || assert!(matches!(reader.get(A), None | Some(10))));
        table.put(3, 30);
        reader.join().unwrap();
        assert_eq!((table.len(), table.get(3)), (2, Some(30)));
    });
}
