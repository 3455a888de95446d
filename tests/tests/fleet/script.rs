//! Processes that do one thing at a time, as they are told to.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};

use cachekit_tests::history::{Key, Scope, Value};
use cachekit_tests::{Child, block_on, say};

use crate::work::{self, Kind, LATER, PLAIN, ROLE, SINGLE, Source};
use crate::{Place, enlist, variable};

/// The functions read a file, and the next one waits for the test after it has.
pub(crate) struct Scripted {
    file: PathBuf,
    is_slow: AtomicBool,
}

impl Source for Scripted {
    fn compute(&self, key: Key) -> Value {
        let number = std::fs::read_to_string(&self.file).unwrap().parse().unwrap();
        if self.is_slow.swap(false, Ordering::SeqCst) {
            say("inside");
            Child::wait_for_parent();
        }
        Value { key, process: 0, number, read: 0 }
    }

    async fn compute_as_task(&self, key: Key) -> Value {
        self.compute(key)
    }
}

const fn key(function: u8, instance: u64, argument: u64) -> Key {
    Key { function, instance, argument }
}

/// The calls that are looked at.
const CALLS: [Key; 9] = [
    key(PLAIN, 0, 1),
    key(PLAIN, 0, 3),
    key(ROLE, 1, 1),
    key(ROLE, 1, 3),
    key(ROLE, 2, 1),
    key(LATER, 0, 1),
    key(LATER, 0, 3),
    key(SINGLE, 0, 0),
    key(ROLE, 2, 3),
];

/// The deletions, the way to do them, and what they delete of [`CALLS`].
const DELETIONS: [(Scope, bool, &[usize]); 14] = [
    (Scope::Call(CALLS[0]), false, &[0]),
    (Scope::Call(CALLS[1]), false, &[1]),
    (Scope::Function(PLAIN), false, &[0, 1]),
    (Scope::Function(PLAIN), true, &[0, 1]),
    (Scope::Call(CALLS[3]), false, &[3]),
    (Scope::Instance(ROLE, 1), false, &[2, 3]),
    (Scope::Instance(ROLE, 2), true, &[4, 8]),
    (Scope::Function(ROLE), false, &[2, 3, 4, 8]),
    (Scope::Function(ROLE), true, &[2, 3, 4, 8]),
    (Scope::Call(CALLS[5]), false, &[5]),
    (Scope::Function(LATER), false, &[5, 6]),
    (Scope::Function(LATER), true, &[5, 6]),
    (Scope::Call(CALLS[7]), false, &[7]),
    (Scope::All, false, &[0, 1, 2, 3, 4, 5, 6, 7, 8]),
];

fn call(number: usize) -> u64 {
    let key = CALLS[number];
    if work::is_task(key.function) { block_on(work::call_as_task(key)) } else { work::call(key) }.number
}

fn delete(number: usize) {
    let (scope, by_version, _) = DELETIONS[number];
    match scope {
        Scope::Function(LATER) | Scope::Call(Key { function: LATER, .. }) => {
            block_on(work::delete_as_task(scope, by_version))
        }
        _ => work::delete(scope, by_version),
    }
    .unwrap();
}

/// A process of the fleet: `call`, `slow <call>` and `delete <deletion>`, until the test has enough.
fn play() {
    let source = Scripted { file: variable("SOURCE").into(), is_slow: AtomicBool::new(false) };
    let Kind::Scripted(source) = work::install(Kind::Scripted(source)) else { unreachable!() };
    while let Some(word) = Child::told() {
        let (word, number) = word.split_once(' ').unwrap_or((&word, "0"));
        let number = number.parse().unwrap();
        match word {
            "call" => {
                let values: Vec<String> = (0..CALLS.len()).map(|i| call(i).to_string()).collect();
                say(&values.join(" "));
            }
            "slow" => {
                source.is_slow.store(true, Ordering::SeqCst);
                say(&call(number).to_string());
            }
            "delete" => {
                delete(number);
                say("deleted");
            }
            other => panic!("what is `{other}`?"),
        }
    }
}

/// The processes, and the source of their functions.
struct Fleet {
    children: Vec<Child>,
    source: tempfile::NamedTempFile,
    _place: Place,
}

impl Fleet {
    fn start(place: Place, test: &str) -> Self {
        let source = tempfile::NamedTempFile::new().unwrap();
        let children = place.fleet(test, &[("SOURCE", source.path().to_str().unwrap())]);
        Self { children, source, _place: place }
    }

    fn change_source(&self, state: u64) {
        std::fs::write(self.source.path(), state.to_string()).unwrap();
    }

    /// Returns the values that a process gets, one for each call.
    fn ask(&mut self, child: usize) -> Vec<u64> {
        self.children[child].tell("call");
        self.children[child].hear().split(' ').map(|value| value.parse().unwrap()).collect()
    }

    fn all_get(&mut self, expected: &[u64], what: &str) {
        for child in 0..self.children.len() {
            assert_eq!(self.ask(child), expected, "process {child} {what}");
        }
    }

    fn delete(&mut self, child: usize, number: usize) {
        self.children[child].tell(&format!("delete {number}"));
        assert_eq!(self.children[child].hear(), "deleted");
    }

    fn finish(self) {
        self.children.into_iter().for_each(Child::finish);
    }
}

/// The states of the source before and after a deletion, as the calls see it.
fn states(round: usize) -> ([u64; CALLS.len()], [u64; CALLS.len()]) {
    let (old, (_, _, deleted)) = (2 * round as u64, DELETIONS[round % DELETIONS.len()]);
    let mut after = [old; CALLS.len()];
    for &i in deleted {
        after[i] = old + 1;
    }
    ([old; CALLS.len()], after)
}

const EVERYTHING: usize = DELETIONS.len() - 1;

pub(crate) fn seen_by_all(place: impl Fn() -> Place, test: &str) {
    if enlist().is_some() {
        return play();
    }
    let mut fleet = Fleet::start(place(), test);
    let count = fleet.children.len();
    for (number, (scope, ..)) in DELETIONS.iter().enumerate() {
        let (before, after) = states(number);
        fleet.change_source(before[0]);
        fleet.delete((number + 1) % count, EVERYTHING);
        fleet.all_get(&before, "shares what was computed");
        fleet.change_source(before[0] + 1);
        fleet.all_get(&before, "still has it");
        fleet.delete(number % count, number);
        fleet.all_get(&after, &format!("sees exactly the deletion of {scope:?}"));
    }
    fleet.finish();
}

pub(crate) fn under_way(place: impl Fn() -> Place, test: &str) {
    if enlist().is_some() {
        return play();
    }
    let mut fleet = Fleet::start(place(), test);
    let (slow, other, third) = (0, 1, 2);
    for round in 0..2 * DELETIONS.len() {
        let number = round % DELETIONS.len();
        let (scope, _, deleted) = DELETIONS[number];
        let (before, after) = states(round);
        fleet.change_source(before[0]);
        fleet.delete(other, EVERYTHING);
        // Others than the call that is to be computed are stored.
        fleet.all_get(&before, "has all");
        let computed = deleted[round / DELETIONS.len() % deleted.len()];
        fleet.delete(third, number);
        fleet.children[slow].tell(&format!("slow {computed}"));
        assert_eq!(fleet.children[slow].hear(), "inside");
        fleet.change_source(before[0] + 1);
        fleet.delete(other, number);
        // In the second half there is another call before the old computation ends.
        if round >= DELETIONS.len() {
            assert_eq!(fleet.ask(third)[computed], before[0] + 1, "{scope:?}");
        }
        fleet.children[slow].go_on();
        assert_eq!(fleet.children[slow].hear(), before[0].to_string(), "it began before");
        fleet.all_get(&after, &format!("after the deletion of {scope:?}"));
    }
    fleet.finish();
}
