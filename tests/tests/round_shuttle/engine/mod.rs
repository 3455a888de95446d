//! An engine over stores of one cell, with shuttle's locks: the same names as `cachekit/src/engine`.

#[path = "../../../../cachekit/src/engine/checks.rs"]
mod checks;
pub(crate) mod fleet;
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

use cachekit_backends::simple::{
    ClaimId, Claims, Ended, Entry, Hook, Left, Look, MOST_KEY_WORDS, Right, Shape, Tables, Tagged, ValueWords,
};
use cachekit_backends::{Clock, KeyBytes, KeyHasher, Timeout, Ttl};

pub(crate) use checks::Checks;
pub(crate) use hold::Hold;
pub(crate) use snapshot::{RemoteState, Snapshot};

use flight::Key;
use remote::Remote;
use shuttle::sync::{Mutex, MutexGuard};
use stats::Event;

pub(crate) type Lead<'a> = flight::Lead<'a, Snapshot>;
pub(crate) const OBJECT: u32 = 0;

pub(crate) mod stats {
    #[derive(Clone, Copy, PartialEq, Eq)]
    pub(crate) enum Event {
        Hit,
        Miss,
        Store,
        Near,
        Error,
        Coalesced,
        Deletion,
        GivenUp,
        Abandoned,
        Stale,
    }
}

pub(crate) mod meter {
    pub(crate) struct Timer;
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
        Self::by(Clock::system(), remote)
    }

    /// One that lives by this clock.
    pub(crate) fn by(clock: Clock, remote: Option<Arc<Remote>>) -> Arc<Self> {
        let cell = Arc::<Cell>::default();
        let local = LocalStore { horizons: Tables::new(0, 0, clock.clone()), cell: Arc::clone(&cell) };
        Arc::new(Self {
            prefix: "p|".into(),
            clock,
            default_timeout: Timeout::Never,
            local,
            cell,
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

    /// How many computations are under way.
    pub(crate) fn under_way(&self) -> usize {
        flight::under_way(&self.flights) + self.cell.lock().claims.len()
    }

    pub(crate) fn near(&self) -> Option<&near::Near> {
        None
    }

    #[expect(clippy::unnecessary_wraps, reason = "the signature that the round calls")]
    pub(crate) fn claims(&self, _: u32, _: &LocalTable) -> Option<&dyn Claims> {
        Some(&*self.cell)
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

    pub(crate) fn count_deletion(&self, _: &str) {
        self.count(Event::Deletion);
    }

    pub(crate) fn name_of(&self, _: u32) -> &'static str {
        "f"
    }

    pub(crate) fn computation_begins(&self, _: u32) -> meter::Timer {
        meter::Timer
    }

    pub(crate) fn body_returned(&self, _: u32, _: &meter::Timer) {}

    pub(crate) fn computation_ends(&self, _: u32) {}

    pub(crate) fn count_of(&self, _: u32, event: Event) {
        if event == Event::Error {
            self.errors.fetch_add(1, Ordering::SeqCst);
        }
    }
}

pub(crate) trait InProcess {
    fn digest(&self, feed: impl FnOnce(&mut KeyHasher)) -> u64;
    fn plain_table(&self, function: u32, shape: Shape, methods: bool) -> Option<Infallible>;
    fn values(&self, function: u32, methods: bool) -> &Arc<Cell>;
}

impl InProcess for Engine {
    fn digest(&self, feed: impl FnOnce(&mut KeyHasher)) -> u64 {
        self.local.digest(feed)
    }

    fn plain_table(&self, _: u32, _: Shape, _: bool) -> Option<Infallible> {
        None
    }

    fn values(&self, _: u32, _: bool) -> &Arc<Cell> {
        &self.cell
    }
}

/// A table of one entry.
#[derive(Default)]
pub(crate) struct Cell(Mutex<Contents>);

#[derive(Default)]
struct Contents {
    entry: Option<Arc<Entry>>,
    claims: Vec<Claim>,
    last: u64,
}

struct Claim {
    number: u64,
    hook: Hook,
    open: bool,
    void: bool,
}

impl Contents {
    fn add(&mut self, hook: Hook, open: bool) -> ClaimId {
        self.last += 1;
        self.claims.push(Claim { number: self.last, hook, open, void: false });
        ClaimId { number: self.last, hash: 0 }
    }

    fn holds(&self, claim: ClaimId) -> bool {
        self.claims.iter().any(|one| one.number == claim.number && !one.void)
    }

    fn end(&mut self, claim: ClaimId) -> Option<Hook> {
        let at = self.claims.iter().position(|one| one.number == claim.number)?;
        Some(self.claims.remove(at).hook)
    }

    fn void(&mut self) {
        self.claims.iter_mut().for_each(|one| one.void = true);
    }

    fn remove(&mut self) -> bool {
        self.void();
        self.entry.take().is_some()
    }
}

impl Cell {
    fn lock(&self) -> MutexGuard<'_, Contents> {
        self.0.lock().unwrap()
    }
}

impl Claims for Cell {
    fn holds(&self, claim: ClaimId) -> bool {
        self.lock().holds(claim)
    }

    fn end(&self, claim: ClaimId) -> Option<Hook> {
        self.lock().end(claim)
    }
}

pub(crate) enum LocalTable {
    Plain(Infallible, [u64; MOST_KEY_WORDS]),
    Values(Arc<Cell>),
}

pub(crate) enum Content {
    Words(ValueWords),
    Entry(Arc<Entry>),
}

impl LocalTable {
    fn cell(&self) -> &Arc<Cell> {
        match self {
            Self::Values(cell) => cell,
            Self::Plain(never, _) => match *never {},
        }
    }

    pub(crate) fn is_plain(&self) -> bool {
        false
    }

    pub(crate) fn each_words(&self, _: impl FnMut(&[u64])) {}

    pub(crate) fn each_bytes(&self, _: impl FnMut(&[u8])) {}

    pub(crate) fn get(&self, _: &Key) -> Option<Content> {
        self.cell().lock().entry.clone().map(Content::Entry)
    }

    pub(crate) fn claim(
        &self,
        _: &Key,
        _: u64,
        seen: Option<&Content>,
        may_join: impl Fn(&Hook) -> bool,
        hook: impl FnOnce() -> Hook,
        _: &mut Left,
    ) -> Look<()> {
        let mut cell = self.cell().lock();
        let is_seen = |entry| matches!(seen, Some(Content::Entry(seen)) if Arc::ptr_eq(entry, seen));
        if cell.entry.as_ref().is_some_and(|entry| !is_seen(entry)) {
            return Look::Found(());
        }
        if let Some(claim) = cell.claims.iter_mut().find(|claim| claim.open && !claim.void) {
            if may_join(&claim.hook) {
                return Look::Busy(Arc::clone(&claim.hook));
            }
            claim.open = false;
        }
        let hook = hook();
        Look::Claimed(cell.add(hook, true))
    }

    pub(crate) fn claim_apart(&self, _: &Key, _: u64, hook: Hook) -> ClaimId {
        self.cell().lock().add(hook, false)
    }

    pub(crate) fn claims(&self) -> Arc<dyn Claims> {
        Arc::clone(self.cell()) as _
    }

    pub(crate) fn fill(
        &self,
        _: &Key,
        _: u64,
        right: Right,
        (content, _): (Content, u64),
        admit: impl Fn() -> bool,
        _: &mut Left,
    ) -> Ended {
        let Content::Entry(entry) = content else { unreachable!("no table is plain") };
        let (Right::Claim(claim) | Right::Newest(claim)) = right else {
            unreachable!("a round stores by its claim")
        };
        let mut cell = self.cell().lock();
        let stored = cell.holds(claim) && admit();
        let hook = cell.end(claim);
        if stored {
            cell.entry = Some(entry);
            if matches!(right, Right::Newest(_)) {
                cell.void();
            }
        }
        Ended { stored, hook }
    }

    pub(crate) fn expiry(&self, _: &Key, _: u64) -> Option<u64> {
        self.cell().lock().entry.as_ref().map(|_| u64::MAX)
    }

    pub(crate) fn remove(&self, _: &Key, _: u64) -> bool {
        self.cell().lock().remove()
    }
}

/// The operations that the tables have in common: the horizons are the real ones, and their steps are not shuttle's.
pub(crate) struct LocalStore {
    /// Without a table.
    horizons: Arc<Tables>,
    cell: Arc<Cell>,
}

impl LocalStore {
    pub(crate) fn digest(&self, feed: impl FnOnce(&mut KeyHasher)) -> u64 {
        self.horizons.digest(feed)
    }

    pub(crate) fn now(&self) -> u64 {
        self.horizons.now()
    }

    pub(crate) fn expiry(&self, _: Ttl) -> u64 {
        u64::MAX
    }

    pub(crate) fn is_current(&self, function: u32, instance: u64, birth: u64) -> bool {
        self.horizons.is_current(function, instance, birth)
    }

    pub(crate) fn admits(&self, tags: &[u64], birth: u64) -> bool {
        self.horizons.admits(tags, birth)
    }

    pub(crate) fn serves(&self, tagged: &Tagged) -> bool {
        self.horizons.serves(tagged)
    }

    pub(crate) fn delete_tag(&self, tag: u64) {
        self.horizons.delete_tag(tag);
    }

    /// In two steps, as the real tables: the horizon, then the table.
    pub(crate) fn delete_function(&self, function: u32) {
        self.horizons.delete_function(function);
        self.cell.lock().remove();
    }

    pub(crate) fn delete_instance(&self, function: u32, instance: u64) {
        self.horizons.delete_instance(function, instance);
        self.cell.lock().remove();
    }

    pub(crate) fn clear(&self) {
        self.horizons.clear();
        self.cell.lock().remove();
    }
}
