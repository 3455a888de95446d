//! Processes whose threads and tasks miss one key together: `single_flight = "fleet"`.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Barrier, LazyLock, Mutex};
use std::time::Duration;

use cachekit::{delete_memoized, memoize};
use cachekit_tests::{Calls, Child, say, tasks};
use tokio::sync::Notify;

use crate::{Place, enlist};

/// How many processes a fleet has, and callers each of them.
const PROCESSES: usize = 4;
const CALLERS: usize = 50;
/// How long the functions here go without a renewal.
const WAIT: Duration = Duration::from_millis(400);
/// The keys above this are computed at once; the others, in process 0, when the test says so.
const AT_ONCE: u64 = 1000;

static CALLS: Calls = Calls::new();

/// The computations that wait for the test.
static GATES: LazyLock<Mutex<HashMap<u64, &'static Notify>>> = LazyLock::new(Mutex::default);

fn gate(key: u64) -> &'static Notify {
    GATES.lock().unwrap().entry(key).or_insert_with(|| Box::leak(Box::default()))
}

/// The value of a key: another one for each computation.
fn value(key: u64) -> u64 {
    let (process, number) = (u64::from(std::process::id()), CALLS.hit());
    key + 10_000 * (number + 1000 * process)
}

fn waits(key: u64) -> bool {
    let waits = key < AT_ONCE && cachekit_tests::role().as_deref() == Some("0");
    if waits {
        say("inside");
    }
    waits
}

#[memoize(single_flight = "fleet", fleet_wait = WAIT)]
fn here(key: u64) -> u64 {
    let value = value(key);
    if waits(key) {
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(gate(key).notified());
    }
    value
}

#[memoize(single_flight = "fleet", fleet_wait = WAIT)]
async fn task(key: u64) -> u64 {
    let value = value(key);
    if waits(key) {
        gate(key).notified().await;
    }
    value
}

/// Its first value in process 0 is an error.
#[memoize(single_flight = "fleet", fleet_wait = WAIT)]
fn fallible(key: u64) -> Result<u64, String> {
    static IS_FIRST: AtomicBool = AtomicBool::new(true);
    let value = value(key);
    if IS_FIRST.swap(false, Ordering::SeqCst) && waits(key) {
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(gate(key).notified());
        return Err("no value".into());
    }
    Ok(value)
}

/// The ids of a call for several, of which each is computed by itself.
fn ids(key: u64) -> [u64; 3] {
    [key, key + 100, key + 200]
}

#[memoize(each = ids, single_flight = "fleet", fleet_wait = WAIT)]
fn several(ids: &[u64]) -> BTreeMap<u64, u64> {
    let values = ids.iter().map(|id| (*id, value(*id))).collect();
    if ids.contains(&1) && waits(1) {
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(gate(1).notified());
    }
    values
}

/// All callers of a process; one value, or those that differ.
fn call(what: &str, key: u64) -> String {
    if what == "one" {
        return here(key).to_string();
    }
    let mut values: Vec<String> = if what == "task" {
        tasks((0..CALLERS).map(|_| task(key))).iter().map(u64::to_string).collect()
    } else {
        let together = Barrier::new(CALLERS);
        let one = |number: usize| {
            together.wait();
            match what {
                "here" => here(key).to_string(),
                "each" => {
                    let mut ids = ids(key);
                    // Callers ask in orders of their own.
                    ids.rotate_left((number + std::process::id() as usize) % 3);
                    format!("{:?}", several(&ids))
                }
                _ => format!("{:?}", fallible(key)),
            }
        };
        let one = &one;
        std::thread::scope(|scope| {
            let threads: Vec<_> = (0..CALLERS).map(|number| scope.spawn(move || one(number))).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        })
    };
    values.sort_unstable();
    values.dedup();
    values.join(",")
}

/// A process of the fleet: does what it is told, and says how often it computed.
fn play() {
    let mut threads = Vec::new();
    while let Some(told) = Child::told() {
        let mut words = told.split(' ').map(str::to_owned);
        let (word, what) = (words.next().unwrap(), words.next().unwrap_or_default());
        let key = words.next().map_or(0, |key| key.parse().unwrap());
        match &*word {
            "call" => threads.push(std::thread::spawn(move || {
                let values = call(&what, key);
                say(&format!("{} {values}", CALLS.take()));
            })),
            "go" => gate(what.parse().unwrap()).notify_one(),
            "delete" => {
                delete_memoized!(here, key).unwrap();
                say("deleted");
            }
            other => panic!("what is `{other}`?"),
        }
    }
    for thread in threads {
        thread.join().unwrap();
    }
}

/// How often a process computed, and its values.
fn result(child: &mut Child) -> (u64, String) {
    let said = child.hear();
    let (computed, values) = said.split_once(' ').unwrap();
    (computed.parse().unwrap(), values.to_owned())
}

struct Fleet {
    children: Vec<Child>,
    place: Place,
}

/// The calls, with how many values each computes. On files a write may void the token of a neighbour, so that one of several values
/// is not stored and is computed again.
fn calls(place: &Place) -> impl Iterator<Item = (&'static str, u64)> + use<> {
    let on_files = place.variables.contains(&("CACHE_TYPE", "filesystem".into()));
    [("here", 1), ("task", 1), ("each", 3)].into_iter().filter(move |(what, _)| *what != "each" || !on_files)
}

impl Fleet {
    fn start(place: Place, test: &str) -> Self {
        Self { children: place.fleet_of(PROCESSES, test, &[]), place }
    }

    fn tell(&mut self, children: std::ops::Range<usize>, word: &str) {
        self.children[children].iter_mut().for_each(|child| child.tell(word));
    }

    /// How often these processes computed together, and their values.
    fn results(&mut self, children: std::ops::Range<usize>) -> (u64, Vec<String>) {
        let results: Vec<_> = self.children[children].iter_mut().map(result).collect();
        let mut values: Vec<_> = results.iter().map(|(_, values)| values.clone()).collect();
        values.sort_unstable();
        values.dedup();
        (results.iter().map(|(computed, _)| computed).sum(), values)
    }

    /// Begins a computation in process 0 that waits for the test.
    fn begin(&mut self, what: &str, key: u64) {
        self.children[0].tell(&format!("call {what} {key}"));
        assert_eq!(self.children[0].hear(), "inside");
    }

    fn finish(self) {
        self.children.into_iter().for_each(Child::finish);
    }
}

/// Lets the others wait for longer than a lock lives without a renewal.
fn outlast_the_lock() {
    // Real time has to pass in the other processes, which say nothing while they wait.
    std::thread::sleep(WAIT * 4);
}

pub(crate) fn once(place: impl Fn() -> Place, test: &str) {
    if enlist().is_some() {
        return play();
    }
    let mut fleet = Fleet::start(place(), test);
    for (what, each) in calls(&fleet.place) {
        for key in AT_ONCE..AT_ONCE + 10 {
            fleet.tell(0..PROCESSES, &format!("call {what} {key}"));
            let (computed, values) = fleet.results(0..PROCESSES);
            assert_eq!((computed, values.len()), (each, 1), "{what} {key}: {values:?}");
        }
    }
    fleet.finish();
}

pub(crate) fn slow(place: impl Fn() -> Place, test: &str) {
    if enlist().is_some() {
        return play();
    }
    let mut fleet = Fleet::start(place(), test);
    for (what, each) in calls(&fleet.place) {
        fleet.begin(what, 1);
        fleet.tell(1..PROCESSES, &format!("call {what} 1"));
        outlast_the_lock();
        fleet.children[0].tell("go 1");
        let (computed, values) = fleet.results(0..PROCESSES);
        assert_eq!((computed, values.len()), (each, 1), "{what}: {values:?}");
    }
    fleet.finish();
}

pub(crate) fn killed(place: impl Fn() -> Place, test: &str) {
    if enlist().is_some() {
        return play();
    }
    for (what, each) in calls(&place()) {
        let mut fleet = Fleet::start(place(), test);
        fleet.begin(what, 1);
        fleet.tell(1..PROCESSES, &format!("call {what} 1"));
        fleet.children.remove(0).kill();
        let (computed, values) = fleet.results(0..PROCESSES - 1);
        // Another call of the process may have computed some of several.
        assert!((1..=each).contains(&computed) && values.len() == 1, "{what}, {computed}: {values:?}");
        fleet.finish();
    }
}

pub(crate) fn deleted(place: impl Fn() -> Place, test: &str) {
    if enlist().is_some() {
        return play();
    }
    let mut fleet = Fleet::start(place(), test);
    // One call: others of this process might look after the deletion.
    fleet.begin("one", 1);
    fleet.tell(1..2, "delete here 1");
    assert_eq!(fleet.children[1].hear(), "deleted");
    // The computation is of before the deletion, so that no later call waits for it.
    fleet.tell(1..PROCESSES, "call here 1");
    let (computed, new) = fleet.results(1..PROCESSES);
    assert_eq!((computed, new.len()), (1, 1), "{new:?}");
    fleet.children[0].tell("go 1");
    let (computed, old) = fleet.results(0..1);
    assert_eq!(computed, 1);
    assert_ne!(old, new);
    fleet.tell(0..PROCESSES, "call here 1");
    assert_eq!(fleet.results(0..PROCESSES), (0, new), "what was computed before the deletion was not stored");
    fleet.finish();
}

pub(crate) fn failed(place: impl Fn() -> Place, test: &str) {
    if enlist().is_some() {
        return play();
    }
    let mut fleet = Fleet::start(place(), test);
    fleet.begin("fallible", 1);
    fleet.tell(1..PROCESSES, "call fallible 1");
    fleet.children[0].tell("go 1");
    let (_, first) = fleet.results(0..1);
    assert!(first[0].contains("Err"), "{first:?}");
    let (_, values) = fleet.results(1..PROCESSES);
    assert!(values.iter().all(|value| !value.contains("Err")), "{values:?}");
    fleet.finish();
}
