//! Processes with threads and tasks that call and delete at random, and write down what they did.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use cachekit_tests::history::{Called, Deleted, History, Key, Scope, Span, Value, now};
use cachekit_tests::{Child, say};
use parking_lot::Mutex;

use crate::work::{self, Kind, LATER, PLAIN, ROLE, SINGLE, Source};
use crate::{PROCESSES, Place, enlist, variable};

const OPERATIONS: usize = 10_000;
/// So many threads, and so many tasks, has each process.
const WORKERS: usize = 2;
/// How many operations each of them does.
const EACH: usize = OPERATIONS.div_ceil(PROCESSES * 2 * WORKERS);

/// How long one computation in 32 takes: deletions begin and end while it runs, also where a busy machine makes them slow.
const OVERTAKEN: Duration = Duration::from_millis(150);

/// The functions take what the clock says, and some of them their time.
pub(crate) struct Random {
    process: u16,
    count: AtomicU64,
    /// The longest that most computations take, in microseconds.
    longest: u64,
    computed: Mutex<Vec<(Value, u64)>>,
}

impl Random {
    pub(crate) fn new(process: u16, longest: u64) -> Self {
        Self { process, count: AtomicU64::new(0), longest, computed: Mutex::default() }
    }

    /// The computations so far.
    pub(crate) fn take(&self) -> Vec<(Value, u64)> {
        std::mem::take(&mut self.computed.lock())
    }

    fn read(&self, key: Key) -> Value {
        let number = self.count.fetch_add(1, Ordering::Relaxed);
        Value { key, process: self.process, number, read: now() }
    }

    /// How long a computation takes.
    fn pause(&self, value: Value) -> Option<Duration> {
        let dice = Dice(value.read).roll();
        match dice % 32 {
            0 => Some(OVERTAKEN),
            n if n % 2 == 0 => Some(Duration::from_micros(dice % self.longest)),
            _ => None,
        }
    }

    fn done(&self, value: Value) -> Value {
        self.computed.lock().push((value, now()));
        value
    }
}

impl Source for Random {
    fn compute(&self, key: Key) -> Value {
        let value = self.read(key);
        if let Some(time) = self.pause(value) {
            // How long the computation takes: without, no deletion in another process would overtake one.
            std::thread::sleep(time);
        }
        self.done(value)
    }

    async fn compute_as_task(&self, key: Key) -> Value {
        let value = self.read(key);
        if let Some(time) = self.pause(value) {
            // As above.
            tokio::time::sleep(time).await;
        }
        self.done(value)
    }
}

/// `SplitMix64` by Steele, Lea and Flood.
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, n: u64) -> u64 {
        self.roll() % n
    }

    fn key(&mut self, as_task: bool) -> Key {
        let (function, instances, arguments) = match (as_task, self.below(8)) {
            (true, _) => (LATER, 1, 6),
            (_, 0) => (SINGLE, 1, 1),
            (_, 1..=3) => (PLAIN, 1, 4),
            _ => (ROLE, 2, 3),
        };
        Key { function, instance: self.below(instances), argument: self.below(arguments) }
    }

    /// Chooses a deletion that covers the key; mostly none.
    fn scope(&mut self, key: Key) -> Option<Scope> {
        Some(match self.below(200) {
            0 => Scope::All,
            1..6 => Scope::Function(key.function),
            6..12 if key.function == ROLE => Scope::Instance(ROLE, key.instance),
            6..32 => Scope::Call(key),
            _ => return None,
        })
    }
}

/// The history of one thread or task.
#[derive(Default)]
pub(crate) struct Log(pub(crate) History);

impl Log {
    pub(crate) fn called(&mut self, process: u16, key: Key, start: u64, value: Value) {
        self.0.called.push(Called { key, process, span: Span { start, end: now() }, value });
    }

    /// Writes a deletion down that may have failed, where that is allowed: then nothing is promised of it.
    fn tried(&mut self, scope: Scope, start: u64, result: cachekit::Result<()>) {
        match result {
            Ok(()) => self.deleted(scope, start),
            Err(error) => assert!(std::env::var_os("DELETIONS_MAY_FAIL").is_some(), "{scope:?}: {error}"),
        }
    }

    pub(crate) fn deleted(&mut self, scope: Scope, start: u64) {
        self.0.deleted.push(Deleted { scope, span: Span { start, end: now() } });
    }
}

fn thread(process: u16, mut dice: Dice) -> History {
    let mut log = Log::default();
    for _ in 0..EACH {
        let (key, by_version) = (dice.key(false), dice.below(4) == 0);
        let (scope, start) = (dice.scope(key), now());
        match scope {
            Some(scope) => log.tried(scope, start, work::delete(scope, by_version)),
            None => log.called(process, key, start, work::call(key)),
        }
    }
    log.0
}

async fn task(process: u16, mut dice: Dice) -> History {
    let mut log = Log::default();
    for _ in 0..EACH {
        let (key, by_version) = (dice.key(true), dice.below(4) == 0);
        let (scope, start) = (dice.scope(key), now());
        match scope {
            Some(scope) => log.tried(scope, start, work::delete_as_task(scope, by_version).await),
            None => log.called(process, key, start, work::call_as_task(key).await),
        }
    }
    log.0
}

/// A process of the fleet.
fn play(process: u16) {
    let Kind::Mixed(source) = work::install(Kind::Mixed(Random::new(process, 1500))) else { unreachable!() };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    say("ready");
    Child::wait_for_parent();
    let mut dice = Dice(now() ^ u64::from(process));
    let tasks: Vec<_> = (0..WORKERS).map(|_| runtime.spawn(task(process, Dice(dice.roll())))).collect();
    let threads: Vec<_> = (0..WORKERS)
        .map(|_| {
            let dice = Dice(dice.roll());
            std::thread::spawn(move || thread(process, dice))
        })
        .collect();
    let mut history = History::default();
    for thread in threads {
        history.extend(thread.join().unwrap());
    }
    for task in tasks {
        history.extend(runtime.block_on(task).unwrap());
    }
    history.computed = source.take();
    let file = std::path::Path::new(&variable("HISTORIES")).join(process.to_string());
    std::fs::write(file, serde_json::to_vec(&history).unwrap()).unwrap();
    say("done");
}

/// Starts the processes at once, and waits for their ends.
pub(crate) fn run(mut fleet: Vec<Child>) {
    let all_say = |fleet: &mut [Child], word: &str| {
        for child in fleet {
            assert_eq!(child.hear(), word);
        }
    };
    all_say(&mut fleet, "ready");
    fleet.iter_mut().for_each(Child::go_on);
    all_say(&mut fleet, "done");
    fleet.into_iter().for_each(Child::finish);
}

pub(crate) fn mixed(place: impl Fn() -> Place, test: &str) {
    if let Some(process) = enlist() {
        return play(process);
    }
    let (place, dir) = (place(), tempfile::tempdir().unwrap());
    let fleet = place.fleet(test, &[("HISTORIES", dir.path().to_str().unwrap())]);
    run(fleet);
    let mut history = History::default();
    for number in 0..PROCESSES {
        let bytes = std::fs::read(dir.path().join(number.to_string())).unwrap();
        history.extend(serde_json::from_slice(&bytes).unwrap());
    }
    let summary = history.check().unwrap_or_else(|violation| panic!("{violation:?}"));
    println!("{summary:?}, {} computations", history.computed.len());
    // Without deletions that failed, where they may.
    assert!(summary.operations >= OPERATIONS / 10 * 9);
    // Else nothing was tried.
    assert!(summary.shared > OPERATIONS / 20, "{summary:?}: processes share values");
    // Some twenty to some hundred, as the machine runs.
    assert!(summary.overtaken >= 5, "{summary:?}: deletions meet computations");
}
