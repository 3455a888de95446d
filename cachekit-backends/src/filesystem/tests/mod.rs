//! The promises of the file store, each in a test of its own. `cachekit_backends::conformance` has those of all backends.

mod bytes;
mod damage;
mod evict;
mod full;
mod open_files;
mod races;
mod rewrite;

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::Duration;

use parking_lot::Mutex;
use tempfile::TempDir;

use super::disk::{Name, id_of, parse_name};
use super::{Folder, Options};
use crate::{Backend, ErrorKind, ManualClock};

/// A point in an operation at which a test can hold it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Point {
    /// A reader has found the entry's file, and has not read it.
    Looked,
    /// A writer is about to take the lock of its subfolder.
    BeforeLock,
    /// A writer of a new entry has room for it, and has not given it its name.
    Admitted,
}

/// A function that is called when a thread is at a point.
type Hook = Box<dyn Fn(Point) + Send + Sync>;

/// The hook of a store.
#[derive(Default)]
pub(super) struct Hooks(std::sync::OnceLock<Hook>);

impl Hooks {
    pub(super) fn reach(&self, point: Point) {
        if let Some(hook) = self.0.get() {
            hook(point);
        }
    }
}

impl std::fmt::Debug for Hooks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Hooks")
    }
}

/// Holds the thread that arrives at a point, once, until the test goes on.
struct Hold {
    arrived: mpsc::Receiver<()>,
    go_on: mpsc::Sender<()>,
}

impl Hold {
    /// Holds the next thread of each name at its point.
    fn at(fs: &Folder, holds: &[(Point, &'static str)]) -> Vec<Self> {
        let (ours, theirs): (Vec<_>, Vec<_>) = holds
            .iter()
            .map(|&(point, thread)| {
                let ((arrive, arrived), (go_on, wait)) = (mpsc::channel(), mpsc::channel());
                (Self { arrived, go_on }, (point, thread, Mutex::new(Some((arrive, wait)))))
            })
            .unzip();
        let hook = move |point| {
            for (at, name, hold) in &theirs {
                if *at == point && std::thread::current().name() == Some(name) {
                    let taken: Option<(mpsc::Sender<()>, mpsc::Receiver<()>)> = hold.lock().take();
                    if let Some((arrive, wait)) = taken {
                        arrive.send(()).unwrap();
                        wait.recv().unwrap();
                    }
                }
            }
        };
        assert!(fs.hooks.0.set(Box::new(hook)).is_ok());
        ours
    }

    fn wait(&self) {
        self.arrived.recv().unwrap();
    }

    fn release(&self) {
        self.go_on.send(()).unwrap();
    }
}

fn named<'scope, T: Send + 'scope>(
    scope: &'scope std::thread::Scope<'scope, '_>,
    name: &str,
    work: impl FnOnce() -> T + Send + 'scope,
) -> std::thread::ScopedJoinHandle<'scope, T> {
    std::thread::Builder::new().name(name.into()).spawn_scoped(scope, work).unwrap()
}

/// A store in a directory of its own, on a clock of its own.
struct Store {
    dir: TempDir,
    clock: ManualClock,
    options: Options,
    fs: Folder,
}

impl Store {
    fn new() -> Self {
        Self::with_threshold(0)
    }

    fn with_threshold(threshold: usize) -> Self {
        Self::with(Options::default().threshold(threshold))
    }

    fn with(options: Options) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let clock = ManualClock::new();
        let options = options.clock(clock.clock());
        let fs = Folder::open(dir.path(), options.clone()).unwrap();
        Self { dir, clock, options, fs }
    }

    /// A second handle, which knows as little of the first as another process would.
    fn another(&self) -> Folder {
        Folder::open(self.dir.path(), self.options.clone()).unwrap()
    }

    /// How many entries are counted.
    fn counted(&self) -> usize {
        usize::try_from(self.fs.total().unwrap().entries).unwrap()
    }

    fn path(&self, key: &str) -> PathBuf {
        self.fs.paths.entry(id_of(key))
    }

    fn entries(&self) -> usize {
        files(self.dir.path()).iter().filter(|path| is_entry(path)).count()
    }
}

fn open(dir: &Path, clock: &ManualClock, threshold: usize) -> Folder {
    Folder::open(dir, Options::default().threshold(threshold).clock(clock.clock())).unwrap()
}

/// All files below a directory.
fn files(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found
}

fn is_entry(path: &Path) -> bool {
    let name = path.file_name().unwrap();
    (0..=u8::MAX).any(|stripe| matches!(parse_name(stripe, name), Name::Entry(_)))
}

#[expect(clippy::unnecessary_wraps, reason = "it is a `Ttl`")]
fn secs(n: u64) -> Option<Duration> {
    Some(Duration::from_secs(n))
}

#[test]
fn a_value_comes_back_byte_for_byte_and_to_other_handles() {
    let store = Store::new();
    let long = vec![0xA5; 300_000];
    for value in [&b""[..], b"v", &[0; 4096], &long] {
        store.fs.set("k", value, None).unwrap();
        assert_eq!(store.fs.get("k").unwrap().as_deref(), Some(value));
        assert_eq!(store.another().get("k").unwrap().as_deref(), Some(value));
    }
    // A shorter value over a longer one leaves no tail.
    store.fs.set("k", b"end", secs(1)).unwrap();
    assert_eq!(store.fs.get("k").unwrap().as_deref(), Some(&b"end"[..]));
}

#[test]
fn a_recycled_file_holds_only_its_new_entry() {
    let store = Store::new();
    for len in [5000, 10, 3000, 0, 70_000, 1] {
        let value = vec![b'x'; len];
        store.fs.set("a", &value, None).unwrap();
        store.fs.set("b", &value, None).unwrap();
        assert_eq!(store.fs.get("a").unwrap().unwrap(), value);
        assert_eq!(store.fs.get("b").unwrap().unwrap(), value);
    }
    assert_eq!(store.entries(), 2);
}

#[test]
fn a_file_that_others_have_a_link_to_is_not_written_into() {
    let store = Store::new();
    store.fs.set("a", b"backed up", None).unwrap();
    let backup = store.dir.path().join("backup");
    std::fs::hard_link(store.path("a"), &backup).unwrap();
    let before = std::fs::read(&backup).unwrap();
    for key in ["a", "b", "a", "c"] {
        store.fs.set(key, b"new", None).unwrap();
    }
    assert_eq!(std::fs::read(&backup).unwrap(), before);
}

#[test]
fn any_text_is_a_key_and_none_of_it_is_in_a_name() {
    let store = Store::new();
    let long = "k".repeat(10_000);
    let keys = ["", "../../etc/passwd", "a/b", "a\nb", "a b", "ключ", "*", ".", "..", "\u{1}v", &long];
    for (i, key) in keys.iter().enumerate() {
        store.fs.set(key, &[u8::try_from(i).unwrap()], None).unwrap();
    }
    for (i, key) in keys.iter().enumerate() {
        assert_eq!(store.fs.get(key).unwrap(), Some(vec![u8::try_from(i).unwrap()]), "{key}");
    }
    assert_eq!(store.entries(), keys.len());
    let state = store.fs.paths.state();
    assert!(files(store.dir.path()).iter().all(|path| is_entry(path) || *path == state));
}

#[test]
fn an_entry_is_gone_at_its_time() {
    let store = Store::new();
    store.fs.set("short", b"v", Some(Duration::from_millis(1500))).unwrap();
    store.fs.set("never", b"v", None).unwrap();
    store.clock.advance(Duration::from_millis(1499));
    assert!(store.fs.get("short").unwrap().is_some());
    store.clock.advance(Duration::from_millis(1));
    assert!(store.fs.get("short").unwrap().is_none());
    assert!(!store.fs.delete("short").unwrap(), "an expired entry was not there");
    store.clock.advance(Duration::from_secs(1 << 32));
    assert!(store.fs.get("never").unwrap().is_some());
}

#[test]
fn add_stores_over_nothing_and_over_what_expired_only() {
    let store = Store::new();
    assert!(store.fs.add("k", b"1", secs(10)).unwrap());
    assert!(!store.fs.add("k", b"2", None).unwrap());
    store.clock.advance(Duration::from_secs(10));
    assert!(store.another().add("k", b"3", None).unwrap());
    assert_eq!(store.fs.get("k").unwrap().as_deref(), Some(&b"3"[..]));
}

#[test]
fn delete_says_whether_a_live_value_was_there() {
    let store = Store::new();
    assert!(!store.fs.delete("k").unwrap());
    store.fs.set("k", b"", None).unwrap();
    assert!(store.another().delete("k").unwrap());
    assert!(!store.fs.delete("k").unwrap());
    assert_eq!(store.fs.get("k").unwrap(), None);
    assert_eq!(store.entries(), 0);
}

#[test]
fn clear_takes_the_prefix_literally() {
    let store = Store::new();
    let keys = ["app:1", "app", "app2_x", "ap", "a*:1", "a?", "xapp", "app:\n2"];
    let set_all = || keys.iter().for_each(|key| store.fs.set(key, b"v", None).unwrap());
    let left = || keys.iter().filter(|key| store.fs.get(key).unwrap().is_some()).copied().collect::<Vec<_>>();
    set_all();
    store.fs.clear("app:").unwrap();
    assert_eq!(left(), ["app", "app2_x", "ap", "a*:1", "a?", "xapp"]);
    store.fs.clear("a*").unwrap();
    assert_eq!(left(), ["app", "app2_x", "ap", "a?", "xapp"]);
    store.fs.clear("").unwrap();
    assert_eq!((left().len(), store.entries(), store.counted()), (0, 0, 0));
}

#[test]
fn files_of_others_survive_clear() {
    let store = Store::new();
    store.fs.set("k", b"v", None).unwrap();
    let entry = store.path("k");
    let sub = entry.parent().unwrap();
    let foreign = [
        store.dir.path().join("notes.txt"),
        sub.join("notes.txt"),
        // Our name, not our content.
        sub.join(format!("{}{}", sub.file_name().unwrap().to_str().unwrap(), "0".repeat(30))),
        sub.join("tmp-00000000000000000000000000000000"),
    ];
    for path in &foreign {
        std::fs::write(path, b"precious").unwrap();
        let old = std::time::SystemTime::now() - Duration::from_secs(86_400);
        std::fs::File::options().write(true).open(path).unwrap().set_modified(old).unwrap();
    }
    store.fs.clear("").unwrap();
    drop(store.another());
    assert!(foreign.iter().all(|path| std::fs::read(path).unwrap() == b"precious"));
    assert_eq!(store.counted(), 0, "foreign files are not counted");
    assert!(!entry.exists());
}

#[test]
fn files_are_private_to_their_owner() {
    let parent = tempfile::tempdir().unwrap();
    let dir = parent.path().join("made/here");
    let fs = Folder::open(&dir, Options::default()).unwrap();
    for _ in 0..2 {
        fs.set("k", b"secret", None).unwrap();
    }
    let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o7777;
    assert_eq!(mode(&dir), 0o700);
    assert_eq!(mode(&fs.paths.stripe(super::disk::stripe_of(id_of("k")))), 0o700);
    assert!(files(&dir).len() >= 2);
    for file in files(&dir) {
        assert_eq!(mode(&file), 0o600, "{}", file.display());
    }
}

#[test]
fn a_directory_that_cannot_be_written_is_an_error_that_names_it() {
    let error = Folder::open("/proc/cachekit-test", Options::default()).unwrap_err();
    assert!(error.to_string().contains("/proc/cachekit-test"), "{error}");
    assert_eq!(error.kind(), ErrorKind::Io);

    let store = Store::new();
    let stripe = store.path("k").parent().unwrap().to_owned();
    std::fs::write(&stripe, b"in the way").unwrap();
    let error = store.fs.set("k", b"v", None).unwrap_err();
    assert!(error.to_string().contains(stripe.to_str().unwrap()), "{error}");
    assert!(error.to_string().contains("CACHE_DIR"), "{error}");
}

#[test]
fn an_emptied_directory_is_filled_again() {
    let store = Store::with_threshold(10);
    for i in 0..10 {
        store.fs.set(&format!("k{i}"), b"v", None).unwrap();
    }
    let token = store.fs.token("k0").unwrap();
    std::fs::remove_dir_all(store.dir.path()).unwrap();
    assert_eq!(store.fs.get("k0").unwrap(), None);
    assert!(!store.fs.put_if("k0", b"old", None, token).unwrap());
    for i in 0..30 {
        store.fs.set(&format!("k{i}"), b"v", None).unwrap();
        assert!(store.fs.get(&format!("k{i}")).unwrap().is_some());
    }
    assert_eq!(store.entries(), 10);
}
