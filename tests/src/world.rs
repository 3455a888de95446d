//! The matrix: one cache of each kind, each the default cache of a test.

use std::collections::HashMap;
use std::future::Future;
use std::path::Path;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, LazyLock, Once};
use std::thread::{JoinHandle, Scope, ScopedJoinHandle};
use std::time::{Duration, Instant};

use cachekit::testing::{Entered, Scoped, Wrapped};
use cachekit::{Backend, Cache, Config, Error, ErrorKind, NearDeletion, register_backend};
use parking_lot::Mutex;

use crate::mem::{Full, Mem, Plain};

/// A cache with its clock, and what it needs to live.
pub struct World {
    /// Which kind it is, for messages.
    pub name: &'static str,
    /// The cache and its clock.
    pub scoped: Arc<Scoped>,
    /// Whether a stored value is found again: not in `null`.
    pub keeps: bool,
    /// The store, of the kinds that are over one in memory.
    pub mem: Option<Arc<Mem>>,
    /// The directory of `filesystem`.
    pub dir: Option<Arc<tempfile::TempDir>>,
}

/// Whether the caches of the matrix have near tiers: in the program `tiered`, which has the tests of others once more.
fn is_tiered() -> bool {
    static TIERED: LazyLock<bool> = LazyLock::new(|| {
        let program = std::env::current_exe().unwrap();
        program.file_name().is_some_and(|name| name.to_string_lossy().starts_with("tiered-"))
    });
    *TIERED
}

/// With a near tier, if the matrix has them. The process that deletes sees it at once.
fn tiered(config: Config) -> Config {
    if is_tiered() {
        // The pace of the beats, not to keep the machine busy.
        let staleness = Duration::from_secs(4);
        config.near(10_000).near_staleness(staleness).near_deletion(NearDeletion::Prompt)
    } else {
        config
    }
}

static SHELF: Mutex<Option<HashMap<i64, Arc<Mem>>>> = Mutex::new(None);

/// Makes `test-plain` and `test-full` cache types, whose option `shelf` names the store.
fn register() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        register_backend("test-plain", |config| Ok(Box::new(Plain(from_shelf(config)?)) as Box<dyn Backend>))
            .unwrap();
        register_backend("test-full", |config| Ok(Box::new(Full(from_shelf(config)?)) as Box<dyn Backend>))
            .unwrap();
    });
}

fn from_shelf(config: &Config) -> cachekit::Result<Arc<Mem>> {
    let number = config.options.get("shelf").and_then(cachekit::Value::as_integer);
    number
        .and_then(|number| SHELF.lock().get_or_insert_default().get(&number).cloned())
        .ok_or_else(|| Error::new(ErrorKind::Config, "no such shelf"))
}

impl World {
    fn new(name: &'static str, config: Config) -> Self {
        Self { name, scoped: Arc::new(Scoped::new(config)), keeps: true, mem: None, dir: None }
    }

    /// In this process.
    pub fn simple() -> Self {
        Self::simple_with(|config| config)
    }

    /// In this process, configured.
    pub fn simple_with(change: impl FnOnce(Config) -> Config) -> Self {
        Self::new("simple", change(Config::simple()))
    }

    /// Files in a directory of its own.
    pub fn filesystem() -> Self {
        Self::filesystem_with(|config| config)
    }

    /// Files in a directory of its own, configured.
    pub fn filesystem_with(change: impl FnOnce(Config) -> Config) -> Self {
        let dir = Arc::new(tempfile::tempdir().unwrap());
        let mut world = Self::in_dir(dir.path(), change);
        world.dir = Some(dir);
        world
    }

    /// Files in a directory that others may use as well.
    pub fn in_dir(dir: &Path, change: impl FnOnce(Config) -> Config) -> Self {
        // A test that waits for the disk of a busy machine isn't a test of time limits.
        Self::new("filesystem", change(Config::filesystem(dir).operation_timeout(Duration::from_secs(20))))
    }

    /// The least custom backend, over a store.
    pub fn plain_over(mem: &Arc<Mem>, change: impl FnOnce(Config) -> Config) -> Self {
        Self::custom("plain", "test-plain", mem, change)
    }

    /// A custom backend with conditional writes, over a store.
    pub fn full_over(mem: &Arc<Mem>, change: impl FnOnce(Config) -> Config) -> Self {
        Self::custom("full", "test-full", mem, change)
    }

    fn custom(name: &'static str, kind: &str, mem: &Arc<Mem>, change: impl FnOnce(Config) -> Config) -> Self {
        static NEXT: AtomicI64 = AtomicI64::new(0);
        register();
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        SHELF.lock().get_or_insert_default().insert(number, Arc::clone(mem));
        let config = Config::default()
            .cache_type(kind)
            .options([("shelf", number)])
            .operation_timeout(Duration::from_secs(20));
        let world = Self::new(name, change(config));
        mem.use_clock(world.scoped.clock().clock());
        Self { mem: Some(Arc::clone(mem)), ..world }
    }

    /// Nothing is kept.
    pub fn null() -> Self {
        Self { keeps: false, ..Self::new("null", Config::null().no_null_warning(true)) }
    }

    /// One of each kind that keeps values.
    pub fn keeping() -> Vec<Self> {
        Self::keeping_with(|config| config)
    }

    /// One of each kind that keeps values, configured.
    pub fn keeping_with(change: impl Fn(Config) -> Config) -> Vec<Self> {
        vec![
            Self::simple_with(&change),
            Self::filesystem_with(|config| tiered(change(config))),
            Self::plain_over(&Mem::new(), |config| tiered(change(config))),
            Self::full_over(&Mem::new(), |config| tiered(change(config))),
        ]
    }

    /// One on each server that the tests of a program share, with keys of its own.
    ///
    /// # Panics
    /// If a server can't be started.
    pub fn on_servers() -> Vec<Self> {
        static NEXT: AtomicI64 = AtomicI64::new(0);
        let prefix = format!("world{}:", NEXT.fetch_add(1, Ordering::Relaxed));
        let patient = |config: Config| {
            tiered(config)
                .key_prefix(&*prefix)
                .operation_timeout(Duration::from_secs(20))
                .connect_timeout(Duration::from_secs(20))
        };
        let redis = Config::redis(crate::redis::url(crate::redis::shared()));
        let memcached = Config::memcached([crate::memcached::address(crate::memcached::shared())]);
        vec![Self::new("redis", patient(redis)), Self::new("memcached", patient(memcached))]
    }

    /// One of each kind whose values are bytes outside of the process.
    pub fn shared() -> Vec<Self> {
        Self::keeping().into_iter().filter(|world| world.name != "simple").collect()
    }

    /// The cache.
    pub fn cache(&self) -> &'static Cache {
        self.scoped.cache()
    }

    /// Makes its cache the default one of this thread.
    pub fn enter(&self) -> Entered {
        self.scoped.enter()
    }

    /// Moves the time on.
    pub fn advance(&self, by: Duration) {
        self.scoped.advance(by);
    }

    /// A thread whose default cache is this one.
    pub fn spawn<R: Send + 'static>(&self, work: impl FnOnce() -> R + Send + 'static) -> JoinHandle<R> {
        let scoped = Arc::clone(&self.scoped);
        std::thread::spawn(move || {
            let _entered = scoped.enter();
            work()
        })
    }

    /// A scoped thread whose default cache is this one.
    pub fn spawn_in<'s, R: Send + 's>(
        &self,
        scope: &'s Scope<'s, '_>,
        work: impl FnOnce() -> R + Send + 's,
    ) -> ScopedJoinHandle<'s, R> {
        let scoped = Arc::clone(&self.scoped);
        scope.spawn(move || {
            let _entered = scoped.enter();
            work()
        })
    }

    /// A future whose default cache is this one.
    pub fn wrap<F: Future>(&self, future: F) -> Wrapped<F> {
        self.scoped.wrap(future)
    }
}

/// Says in which world a test failed.
struct Where(&'static str);

impl Drop for Where {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("… with the cache `{}`", self.0);
        }
    }
}

/// Waits until the tier of a cache serves, if it has one.
fn wait_for_tier(cache: &Cache) {
    let begin = Instant::now();
    while cache.health().near.is_some_and(|near| !near.serves) {
        assert!(begin.elapsed() < Duration::from_secs(60), "the tier does not serve");
        // A tier says nothing when it begins to serve.
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn run(worlds: Vec<World>, test: impl Fn(&World)) {
    for world in worlds {
        wait_for_tier(world.cache());
        let _where = Where(world.name);
        let _entered = world.enter();
        test(&world);
    }
}

/// Runs a test with each kind of cache, `null` included, as the default cache.
pub fn each(test: impl Fn(&World)) {
    let mut worlds = World::keeping();
    worlds.push(World::null());
    run(worlds, test);
}

/// Runs a test with each kind of cache that keeps values, as the default cache.
pub fn each_keeping(test: impl Fn(&World)) {
    run(World::keeping(), test);
}

/// The same, and with the servers that the tests of a program share.
///
/// # Panics
/// If a server can't be started.
pub fn everywhere(test: impl Fn(&World)) {
    run(World::keeping().into_iter().chain(World::on_servers()).collect(), test);
}

/// The files of entries below a cache's directory.
///
/// # Panics
/// If it can't be read.
pub fn files(dir: &Path) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    for stripe in
        std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_dir())
    {
        let names = std::fs::read_dir(stripe).unwrap().map(|entry| entry.unwrap().path());
        found.extend(names.filter(|path| path.file_name().is_some_and(|name| name.len() == 32)));
    }
    found
}
