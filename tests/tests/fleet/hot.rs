//! Processes whose threads call, delete and refresh four keys, with room for three, as fast as they can.
//!
//! `CACHEKIT_FLEET_CALLS=1000000 cargo test --release -p cachekit-tests --test fleet hot -- --test-threads 1 --nocapture` makes
//! a million calls on each store; without the variable there are fewer.

use std::path::Path;

use cachekit_tests::history::{Called, Deleted, History, Key, Scope, Span, Value, now};
use cachekit_tests::{Child, say};

use crate::mixed::{Dice, Log, Random, run};
use crate::work::{self, Kind, PLAIN};
use crate::{PROCESSES, Place, enlist, variable};

/// How many threads each process has.
const THREADS: usize = 6;
/// How many calls there are, unless the environment says otherwise.
const CALLS: usize = 20_000;
/// The keys; their values have one length, so that one can stand in the file of another.
const ARGUMENTS: [u64; 4] = [1, 2, 4, 5];
/// The longest that most computations take, in microseconds.
const LONGEST: u64 = 300;

fn calls() -> usize {
    std::env::var("CACHEKIT_FLEET_CALLS").map_or(CALLS, |calls| calls.parse().unwrap())
}

fn thread(process: u16, mut dice: Dice) -> History {
    let mut log = Log::default();
    while log.0.called.len() < calls().div_ceil(PROCESSES * THREADS) {
        let argument = ARGUMENTS[usize::try_from(dice.below(4)).unwrap()];
        let key = Key { function: PLAIN, instance: 0, argument };
        let (what, start) = (dice.below(100), now());
        let scope = match what {
            0..4 => Scope::Call(key),
            4 => Scope::Function(PLAIN),
            5..9 => {
                log.called(process, key, start, work::renew(key));
                continue;
            }
            _ => {
                log.called(process, key, start, work::call(key));
                continue;
            }
        };
        work::delete(scope, dice.below(2) == 0).unwrap();
        log.deleted(scope, start);
    }
    log.0
}

/// A process of the fleet.
fn play(process: u16) {
    let Kind::Mixed(source) = work::install(Kind::Mixed(Random::new(process, LONGEST))) else {
        unreachable!()
    };
    say("ready");
    Child::wait_for_parent();
    let mut dice = Dice(now() ^ u64::from(process));
    let mut history = History::default();
    std::thread::scope(|scope| {
        let dice: Vec<_> = (0..THREADS).map(|_| Dice(dice.roll())).collect();
        let threads: Vec<_> =
            dice.into_iter().map(|dice| scope.spawn(move || thread(process, dice))).collect();
        for thread in threads {
            history.extend(thread.join().unwrap());
        }
    });
    history.computed = source.take();
    std::fs::write(Path::new(&variable("HISTORIES")).join(process.to_string()), to_bytes(&history)).unwrap();
    say("done");
}

pub(crate) fn hot(place: impl Fn() -> Place, test: &str) {
    if let Some(process) = enlist() {
        return play(process);
    }
    let (place, dir) = (place(), tempfile::tempdir().unwrap());
    run(place.fleet(test, &[("HISTORIES", dir.path().to_str().unwrap()), ("CACHE_THRESHOLD", "3")]));
    let mut history = History::default();
    for number in 0..PROCESSES {
        history.extend(from_bytes(&std::fs::read(dir.path().join(number.to_string())).unwrap()));
    }
    let summary = history.check().unwrap_or_else(|violation| panic!("{violation:?}"));
    let (called, computed) = (history.called.len(), history.computed.len());
    println!("{test}: {summary:?}, {called} calls, {computed} computations");
    assert!(called >= calls());
    // Else nothing was tried.
    assert!(summary.shared > called / 20, "{summary:?}: processes share values");
    assert!(summary.overtaken >= 5, "{summary:?}: deletions meet computations");
}

/// A history as numbers: a million calls as JSON take longer than the calls.
fn to_bytes(history: &History) -> Vec<u8> {
    let value = |value: &Value| [value.key.argument, value.process.into(), value.number, value.read];
    let called = history.called.iter().map(|called| {
        let [argument, maker, number, read] = value(&called.value);
        // The check would see another key's value; here both are one number.
        assert_eq!(called.key, called.value.key);
        [0, argument, called.process.into(), called.span.start, called.span.end, maker, number, read]
    });
    let deleted = history.deleted.iter().map(|deleted| {
        let argument = if let Scope::Call(key) = deleted.scope { key.argument } else { 0 };
        [1, argument, deleted.span.start, deleted.span.end, 0, 0, 0, 0]
    });
    let computed = history.computed.iter().map(|(made, end)| {
        let [argument, maker, number, read] = value(made);
        [2, argument, *end, maker, number, read, 0, 0]
    });
    called.chain(deleted).chain(computed).flatten().flat_map(u64::to_le_bytes).collect()
}

fn from_bytes(bytes: &[u8]) -> History {
    let numbers: Vec<u64> = bytes.as_chunks::<8>().0.iter().map(|&bytes| u64::from_le_bytes(bytes)).collect();
    let process = |number: u64| u16::try_from(number).unwrap();
    let mut history = History::default();
    for &[what, argument, a, b, c, d, e, f] in numbers.as_chunks::<8>().0 {
        let key = Key { function: PLAIN, instance: 0, argument };
        let value = |maker, number, read| Value { key, process: process(maker), number, read };
        match what {
            0 => history.called.push(Called {
                key,
                process: process(a),
                span: Span { start: b, end: c },
                value: value(d, e, f),
            }),
            1 => history.deleted.push(Deleted {
                scope: if argument == 0 { Scope::Function(PLAIN) } else { Scope::Call(key) },
                span: Span { start: a, end: b },
            }),
            _ => history.computed.push((value(b, c, d), a)),
        }
    }
    history
}
