//! Processes with near tiers, and one that deletes without: whatever happens to processes, connections and servers, the history
//! of their calls is allowed.

use std::path::Path;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use cachekit::Tier;
use cachekit_tests::history::{Called, Deleted, History, Key, Scope, Span, Value, now};
use cachekit_tests::proxy::{Fault, Proxy, Toward};
use cachekit_tests::{Child, say};
use tokio::runtime::{Builder, Runtime};

use crate::mixed::Random;
use crate::work::{self, Kind, LATER, PLAIN, ROLE};
use crate::{Place, enlist, variable};

/// The calls that are looked at.
const KEYS: [Key; 4] = [key(PLAIN, 0, 1), key(PLAIN, 0, 3), key(ROLE, 1, 1), key(LATER, 0, 1)];
/// The deletions, by the words of the test.
const DELETIONS: [Scope; 5] = [
    Scope::Call(KEYS[0]),
    Scope::Function(PLAIN),
    Scope::Instance(ROLE, 1),
    Scope::Function(LATER),
    Scope::All,
];

const fn key(function: u8, instance: u64, argument: u64) -> Key {
    Key { function, instance, argument }
}

fn runtime() -> &'static Runtime {
    static RUNTIME: LazyLock<Runtime> =
        LazyLock::new(|| Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap());
    &RUNTIME
}

fn call(key: Key) -> Value {
    if work::is_task(key.function) { runtime().block_on(work::call_as_task(key)) } else { work::call(key) }
}

fn delete(scope: Scope) {
    match scope {
        Scope::Function(LATER) => runtime().block_on(work::delete_as_task(scope, false)),
        scope => work::delete(scope, false),
    }
    .unwrap();
}

/// Calls until it is told to stop. Of the calls with one value the last one says the most about it, and is kept.
fn read(process: u16, stop: &AtomicBool) -> Vec<Called> {
    let mut called: Vec<Called> = Vec::new();
    let mut last: [Option<usize>; KEYS.len()] = [None; KEYS.len()];
    while !stop.load(Ordering::SeqCst) {
        for (key, last) in KEYS.into_iter().zip(&mut last) {
            let start = now();
            let value = call(key);
            let one = Called { key, process, span: Span { start, end: now() }, value };
            match *last {
                Some(at) if called[at].value == value => called[at] = one,
                _ => {
                    *last = Some(called.len());
                    called.push(one);
                }
            }
        }
        // The cores are few, and others have to run.
        std::thread::sleep(Duration::from_micros(200));
    }
    called
}

/// Waits until the tier serves all keys.
fn wait_until_near() {
    let is_near = || KEYS[..3].iter().all(|key| work::tier_of(*key) == Some(Tier::Near));
    while !is_near() {
        // A tier says nothing when it begins to serve.
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// A process of the fleet: reads all the time if it has a tier, deletes as it is told to, and writes down what it did.
fn play(process: u16) {
    let Kind::Mixed(source) = work::install(Kind::Mixed(Random::new(process, 500))) else { unreachable!() };
    let stop = AtomicBool::new(false);
    let mut history = History::default();
    std::thread::scope(|scope| {
        let reader = std::env::var("CACHE_NEAR").is_ok().then(|| scope.spawn(|| read(process, &stop)));
        while let Some(word) = Child::told() {
            if word == "near" {
                wait_until_near();
            } else {
                let scope = DELETIONS[word.parse::<usize>().unwrap()];
                let start = now();
                delete(scope);
                history.deleted.push(Deleted { scope, span: Span { start, end: now() } });
            }
            say("done");
        }
        stop.store(true, Ordering::SeqCst);
        history.called = reader.map(|reader| reader.join().unwrap()).unwrap_or_default();
    });
    history.computed = source.take();
    let file = Path::new(&variable("HISTORIES")).join(process.to_string());
    std::fs::write(file, serde_json::to_vec(&history).unwrap()).unwrap();
}

/// The number of processes with a tier.
const READERS: usize = 3;
/// The first process without.
const DELETER: usize = READERS;

/// Three processes with tiers of different staleness and one without, in the order of their numbers.
struct Fleet {
    test: String,
    place: Place,
    children: Vec<Child>,
    started: usize,
    histories: tempfile::TempDir,
    /// The longest that a reader may serve what was deleted.
    grace: Duration,
}

impl Fleet {
    /// The readers are reached by `readers`: the place itself, or a proxy in front of it.
    fn start(
        place: Place,
        test: &str,
        staleness: [&str; READERS],
        variables: &[(&str, &str)],
        readers: &[(&str, &str)],
    ) -> Self {
        let mut fleet = Self {
            test: test.into(),
            place,
            children: Vec::new(),
            started: 0,
            histories: tempfile::tempdir().unwrap(),
            grace: Duration::ZERO,
        };
        for staleness in staleness {
            let tier = [("CACHE_NEAR", "100"), ("CACHE_NEAR_STALENESS", staleness)];
            fleet.add(&[&tier[..], variables, readers].concat());
        }
        fleet.add(variables);
        fleet.all_near();
        fleet
    }

    /// Starts one more process.
    fn add(&mut self, variables: &[(&str, &str)]) {
        let ours = self.place.variables.iter().map(|(name, value)| (*name, value.as_str()));
        let histories = [("HISTORIES", self.histories.path().to_str().unwrap())];
        let all: Vec<(&str, &str)> = ours.chain(histories).chain(variables.iter().copied()).collect();
        self.children.push(Child::start(&self.test, &self.started.to_string(), &all));
        self.started += 1;
    }

    fn all_near(&mut self) {
        self.children[..READERS].iter_mut().for_each(|child| child.tell("near"));
        self.children[..READERS].iter_mut().for_each(|child| assert_eq!(child.hear(), "done"));
    }

    fn delete(&mut self, process: usize, deletion: usize) {
        self.children[process].tell(&(deletion % DELETIONS.len()).to_string());
        assert_eq!(self.children[process].hear(), "done");
    }

    /// Ends the processes, and checks what they did.
    fn finish(self) -> History {
        self.children.into_iter().for_each(Child::finish);
        let mut history = History::default();
        for number in 0..self.started {
            let bytes = std::fs::read(self.histories.path().join(number.to_string())).unwrap();
            history.extend(serde_json::from_slice(&bytes).unwrap());
        }
        history.check_with_grace(self.grace).unwrap_or_else(|violation| panic!("{violation:?}"));
        history
    }
}

/// The modes of deletions, and the longest staleness afterwards.
fn modes(longest: Duration) -> [(&'static str, Duration); 2] {
    [("final", Duration::ZERO), ("prompt", longest)]
}

/// Every kind of deletion by every process.
pub(crate) fn deletions(place: impl Fn() -> Place, test: &str) {
    if let Some(process) = enlist() {
        return play(process);
    }
    for (mode, grace) in modes(Duration::from_millis(250)) {
        let deletion = [("CACHE_NEAR_DELETION", mode)];
        let mut fleet = Fleet::start(place(), test, ["50ms", "100ms", "250ms"], &deletion, &[]);
        fleet.grace = fleet.place.longest_staleness(grace);
        for round in 0..2 * DELETIONS.len() {
            fleet.delete(if round % 2 == 0 { DELETER } else { round % READERS }, round);
            if round % 3 == 0 {
                fleet.all_near();
            }
        }
        fleet.finish();
    }
}

/// A process is stopped while another one deletes, and goes on afterwards.
pub(crate) fn stopped(place: impl Fn() -> Place, test: &str) {
    if let Some(process) = enlist() {
        return play(process);
    }
    for (mode, grace) in modes(Duration::from_millis(250)) {
        let deletion = [("CACHE_NEAR_DELETION", mode)];
        let mut fleet = Fleet::start(place(), test, ["50ms", "100ms", "250ms"], &deletion, &[]);
        fleet.grace = fleet.place.longest_staleness(grace);
        for round in 0..2 * READERS {
            fleet.all_near();
            fleet.children[round % READERS].stop();
            fleet.delete(DELETER, round);
            if mode == "prompt" {
                // As long as the others may serve the old value, so that it would be seen if this one did.
                std::thread::sleep(grace);
            }
            fleet.children[round % READERS].resume();
        }
        fleet.finish();
    }
}

/// The readers' messages are swallowed, come late, and their connections end, while the deleting process reaches the server.
pub(crate) fn cut_off(
    place: impl Fn() -> Place,
    address: impl Fn(u16) -> (&'static str, String),
    test: &str,
) {
    if let Some(process) = enlist() {
        return play(process);
    }
    for (mode, grace) in modes(Duration::from_millis(500)) {
        let place = place();
        let proxy = Proxy::start(place.servers[0].port());
        let (name, address) = address(proxy.port());
        let through = [(name, &*address), ("CACHE_OPERATION_TIMEOUT", "2s"), ("CACHE_CONNECT_TIMEOUT", "2s")];
        let deletion = [("CACHE_NEAR_DELETION", mode)];
        let mut fleet = Fleet::start(place, test, ["100ms", "250ms", "500ms"], &deletion, &through);
        fleet.grace = grace;
        let late = Duration::from_millis(300);
        let faults: [&dyn Fn(); 6] = [
            &|| proxy.set(Toward::Client, Fault::Stall),
            &|| proxy.set(Toward::Server, Fault::Stall),
            &|| proxy.set(Toward::Client, Fault::Delay(late)),
            &|| proxy.set(Toward::Server, Fault::Delay(late)),
            &|| proxy.cut(),
            &|| proxy.refuse(),
        ];
        for (round, break_it) in faults.into_iter().enumerate() {
            fleet.all_near();
            break_it();
            fleet.delete(DELETER, round);
            fleet.delete(DELETER, round + 1);
            proxy.heal();
        }
        fleet.finish();
    }
}

/// The server loses all that it knew, and the process that deletes then has asked for tiers before, or never.
pub(crate) fn restarted(place: impl Fn() -> Place, test: &str) {
    if let Some(process) = enlist() {
        return play(process);
    }
    let long = [("CACHE_NEAR_STALENESS", "2s")];
    let place = place();
    let mut fleet = Fleet::start(place, test, ["2s"; READERS], &[("CACHE_OPERATION_TIMEOUT", "2s")], &[]);
    for knows in [true, false] {
        fleet.all_near();
        if knows {
            fleet.delete(DELETER, 0);
            fleet.all_near();
        } else {
            fleet.add(&long);
        }
        fleet.place.servers[0].kill();
        fleet.place.servers[0].start_again();
        let deleter = fleet.children.len() - 1;
        fleet.delete(deleter, 1);
    }
    fleet.finish();
}

/// A process without a tier, and without a setting, beside readers of the longest staleness.
pub(crate) fn longest(place: impl Fn() -> Place, test: &str) {
    if let Some(process) = enlist() {
        return play(process);
    }
    let mut fleet = Fleet::start(place(), test, ["10s", "10s", "100ms"], &[], &[]);
    fleet.delete(DELETER, 1);
    fleet.all_near();
    let history = fleet.finish();
    let span = history.deleted[0].span;
    assert!(Duration::from_nanos(span.end - span.start) >= Duration::from_secs(10), "it waited for them");
}
