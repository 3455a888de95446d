//! The side of a process that keeps values.

use std::sync::Arc;
use std::time::Duration;

use cachekit_backends::simple::{Left, Right, SlotTable, Tables};
use cachekit_backends::{Backend, Clock, Config, Ttl};

use super::Step;
use crate::engine::flight::Key;
use crate::engine::{Content, LocalTable, LocalTables, OBJECT};

/// The values that this process keeps in front of its backend.
pub(crate) struct Near {
    pub(in crate::engine) tables: Arc<Tables>,
    /// The tables of each function, by its number.
    functions: SlotTable<LocalTables>,
    pub(super) staleness: Duration,
    max_age: Duration,
    step: Step,
}

/// Where an entry is in a tier. All entries of a tier go together, so that none has an instance.
pub(crate) struct NearPlace {
    pub(crate) key: Key,
    pub(crate) table: LocalTable,
}

/// The state of a tier before a look at the backend, of which a value may be kept.
#[derive(Clone, Copy)]
pub(crate) struct Birth(u64);

impl Near {
    /// The tier of a cache that has one, in front of a backend.
    pub(crate) fn new(config: &Config, clock: &Clock, backend: &Arc<dyn Backend>) -> Option<Self> {
        (config.near > 0).then(|| Self {
            tables: Tables::new(config.near, config.memory(), clock.clone()),
            functions: SlotTable::new(),
            staleness: config.near_staleness,
            max_age: config.near_max_age,
            step: Step::new(backend),
        })
    }

    /// Whether values may be taken now, by a call that began before.
    pub(crate) fn serves(&self) -> bool {
        self.step.holds(|| self.empty())
    }

    /// Begins a look: none while the tier is out of step.
    pub(crate) fn birth(&self) -> Option<Birth> {
        // The birth first: a tier that is emptied in between refuses what is looked for now.
        let birth = Birth(self.tables.now());
        self.serves().then_some(birth)
    }

    /// The tables of a function.
    pub(crate) fn tables_of(&self, function: u32) -> &LocalTables {
        self.functions.get(function)
    }

    /// Keeps a value that a look found, unless the tier was emptied since the look began.
    pub(crate) fn keep(&self, at: &NearPlace, content: Content, life: Ttl, Birth(birth): Birth) {
        let life = life.map_or(self.max_age, |life| life.min(self.max_age));
        let admit = || self.tables.is_current(OBJECT, 0, birth);
        let content = (content, self.tables.expiry(Some(life)));
        at.table.fill(&at.key, 0, Right::Always, content, admit, &mut Left::default());
    }

    /// Removes all values, also those of looks under way.
    pub(crate) fn empty(&self) {
        self.tables.clear();
    }

    /// How many values there are.
    pub(crate) fn len(&self) -> usize {
        self.tables.len()
    }

    /// Whether a thread keeps it in step.
    pub(super) fn is_timed(&self) -> bool {
        self.step.is_timed()
    }

    /// Lets the tier serve before a moment of [`now`](super::now).
    pub(super) fn serve_until(&self, moment: Duration) {
        self.step.serve_until(moment);
    }
}
