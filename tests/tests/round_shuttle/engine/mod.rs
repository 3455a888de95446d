//! An engine over stores of one cell, with shuttle's locks: the same names as `cachekit/src/engine`.

#[path = "../../../../cachekit/src/engine/checks.rs"]
mod checks;
pub(crate) mod flight;
#[path = "../../../../cachekit/src/engine/hold.rs"]
mod hold;
pub(crate) mod near;
pub(crate) mod remote;
#[path = "../../../../cachekit/src/engine/snapshot.rs"]
mod snapshot;
#[path = "../../../../cachekit/src/engine/throttle.rs"]
mod throttle;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use std::convert::Infallible;

use cachekit_backends::simple::{Entry, MOST_KEY_WORDS, Shape, Tagged, ValueWords};
use cachekit_backends::{Clock, KeyBytes, KeyHasher, KeySecret, Timeout, Ttl};

pub(crate) use checks::Checks;
pub(crate) use hold::Hold;
pub(crate) use snapshot::{RemoteState, Snapshot};

use flight::Key;
use remote::Remote;
use shuttle::sync::Mutex;
use stats::Event;

pub(crate) type Lead<'a> = flight::Lead<'a, Snapshot>;
pub(crate) const OBJECT: u32 = 0;

pub(crate) mod stats {
    #[derive(Clone, Copy, PartialEq, Eq)]
    pub(crate) enum Event {
        Hit,
        Miss,
        Store,
        Error,
        Coalesced,
        Deletion,
        GivenUp,
        Abandoned,
        Stale,
    }
}

pub(crate) struct Engine {
    pub(crate) prefix: String,
    pub(crate) clock: Clock,
    pub(crate) default_timeout: Timeout,
    pub(crate) local: LocalStore,
    cell: Arc<Cell>,
    pub(crate) remote: Option<Arc<Remote>>,
    pub(crate) flights: Arc<flight::Flights<Snapshot>>,
    pub(crate) throttle: throttle::Throttle,
    checks: Checks,
    sharing: Checks,
    /// Not shuttle's: observations must not add schedules.
    pub(crate) errors: AtomicUsize,
}

impl Engine {
    pub(crate) fn new(remote: Option<Arc<Remote>>) -> Arc<Self> {
        Arc::new(Self {
            prefix: "p|".into(),
            clock: Clock::system(),
            default_timeout: Timeout::Never,
            local: LocalStore { secret: KeySecret::new() },
            cell: Arc::new(Mutex::new(None)),
            remote,
            flights: Arc::new(flight::Flights::new()),
            throttle: throttle::Throttle::default(),
            checks: Checks::default(),
            sharing: Checks::default(),
            errors: AtomicUsize::new(0),
        })
    }

    pub(crate) fn flight_key(&self, entry: &str) -> Key {
        let digest = self.local.digest(|w| std::hash::Hasher::write(w, entry.as_bytes()));
        Key { digest, bytes: KeyBytes::new(entry.as_bytes()), function: OBJECT }
    }

    pub(crate) fn plain_table(&self, _: u32, _: Shape, _: bool) -> Option<Infallible> {
        None
    }

    pub(crate) fn values(&self, _: u32, _: bool) -> &Arc<Cell> {
        &self.cell
    }

    pub(crate) fn objects(&self) -> &Arc<Cell> {
        &self.cell
    }

    pub(crate) fn checks_of(&self, _: u32) -> &Checks {
        &self.checks
    }

    pub(crate) fn sharing_of(&self, _: u32) -> &Checks {
        &self.sharing
    }

    pub(crate) fn count(&self, event: Event) {
        self.count_of(OBJECT, event);
    }

    pub(crate) fn count_of(&self, _: u32, event: Event) {
        if event == Event::Error {
            self.errors.fetch_add(1, Ordering::SeqCst);
        }
    }
}

/// A table of one entry.
type Cell = Mutex<Option<Arc<Entry>>>;

pub(crate) enum LocalTable {
    Plain(Infallible, [u64; MOST_KEY_WORDS]),
    Values(Arc<Cell>),
}

pub(crate) enum Content {
    Words(ValueWords),
    Entry(Arc<Entry>),
}

impl LocalTable {
    fn cell(&self) -> &Cell {
        match self {
            Self::Values(cell) => cell,
            Self::Plain(never, _) => match *never {},
        }
    }

    pub(crate) fn is_plain(&self) -> bool {
        false
    }

    pub(crate) fn get(&self, _: &Key) -> Option<Content> {
        self.cell().lock().unwrap().clone().map(Content::Entry)
    }

    pub(crate) fn put(&self, _: &Key, _: u64, content: Content, _: u64, admit: impl Fn() -> bool) -> bool {
        let Content::Entry(entry) = content else { unreachable!("no table is plain") };
        let mut cell = self.cell().lock().unwrap();
        let admitted = admit();
        if admitted {
            *cell = Some(entry);
        }
        admitted
    }

    pub(crate) fn expiry(&self, _: &Key, _: u64) -> Option<u64> {
        self.cell().lock().unwrap().as_ref().map(|_| u64::MAX)
    }

    pub(crate) fn remove(&self, _: &Key, _: u64) -> bool {
        self.cell().lock().unwrap().take().is_some()
    }
}

/// The operations that the tables have in common.
pub(crate) struct LocalStore {
    secret: KeySecret,
}

impl LocalStore {
    pub(crate) fn digest(&self, feed: impl FnOnce(&mut KeyHasher)) -> u64 {
        self.secret.digest(feed)
    }

    pub(crate) fn now(&self) -> u64 {
        1
    }

    pub(crate) fn expiry(&self, _: Ttl) -> u64 {
        u64::MAX
    }

    pub(crate) fn is_current(&self, _: u32, _: u64, _: u64) -> bool {
        true
    }

    pub(crate) fn admits(&self, _: &[u64], _: u64) -> bool {
        true
    }

    pub(crate) fn serves(&self, _: &Tagged) -> bool {
        true
    }

    pub(crate) fn delete_tag(&self, _: u64) {}

    pub(crate) fn delete_function(&self, _: u32) {}

    pub(crate) fn delete_instance(&self, _: u32, _: u64) {}
}
